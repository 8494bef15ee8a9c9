"""An account with one role, in place of the AWS SDK. State and calls go to stdout."""
import json
import os

state = json.loads(os.environ["IAM"])
calls = []


class NoSuchEntityException(Exception):
    pass


class Pages:
    def __init__(self, pages):
        self.pages = pages

    def paginate(self, **kwargs):
        return self.pages()


def allow(*actions):
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]}


class IAM:
    class exceptions:
        NoSuchEntityException = NoSuchEntityException

    def role(self):
        return {"RoleName": state["name"], "RoleId": state["id"], "Arn": "arn:aws-cn:iam::111122223333:role/" + state["name"]}

    def get_role(self, RoleName):
        if RoleName != state["name"]:
            raise NoSuchEntityException("no role")
        return {"Role": self.role()}

    def get_paginator(self, name):
        if name == "list_roles":
            return Pages(lambda: [{"Roles": [{"RoleName": "other", "RoleId": "AROAOTHER"}]}, {"Roles": [self.role()]}])
        if name == "list_role_policies":
            return Pages(lambda: [{"PolicyNames": ["inline"]}])
        if name == "list_instance_profiles_for_role":
            return Pages(lambda: [{"InstanceProfiles": [{"Arn": "arn:profile"}]}])
        assert name == "list_attached_role_policies", name
        return Pages(lambda: [{"AttachedPolicies": [{"PolicyArn": p}]} for p in state["attached"]])

    def get_role_policy(self, RoleName, PolicyName):
        return {"PolicyDocument": allow("s3:GetObject")}

    def get_policy(self, PolicyArn):
        if PolicyArn not in state["exist"]:
            raise NoSuchEntityException("no policy " + PolicyArn)
        return {"Policy": {"DefaultVersionId": "v2"}}

    def get_policy_version(self, PolicyArn, VersionId):
        assert VersionId == "v2"
        return {"PolicyVersion": {"Document": state["rights"].get(PolicyArn, allow("x:" + PolicyArn.split("/")[-1]))}}

    def get_account_summary(self):
        return {"SummaryMap": {"AttachedPoliciesPerRoleQuota": state.get("quota", 10)}}

    def create_policy(self, PolicyName, Path, PolicyDocument, Description):
        calls.append("create " + PolicyName)
        arn = "arn:aws-cn:iam::111122223333:policy" + Path + PolicyName
        state["exist"].append(arn)
        state["rights"][arn] = json.loads(PolicyDocument)

    def attach_role_policy(self, RoleName, PolicyArn):
        calls.append("attach " + PolicyArn)
        if not state.get("loses"):
            state["attached"].append(PolicyArn)

    def detach_role_policy(self, RoleName, PolicyArn):
        calls.append("detach " + PolicyArn)
        state["attached"].remove(PolicyArn)


class EC2:
    def __init__(self, region):
        self.region = region

    def describe_regions(self):
        return {"Regions": [{"RegionName": "eu-central-1"}, {"RegionName": "ap-south-1"}, {"RegionName": "us-east-1"}]}

    def get_paginator(self, name):
        assert name == "describe_instances", name
        if self.region == "us-east-1":
            raise PermissionError("denied")
        if self.region == "ap-south-1":
            return Pages(lambda: [])
        return Pages(lambda: [{"Reservations": [{"Instances": [{"InstanceId": "i-2", "State": {"Name": "running"}}, {"InstanceId": "i-9", "State": {"Name": "terminated"}}]}]},
                              {"Reservations": [{"Instances": [{"InstanceId": "i-1", "State": {"Name": "stopped"}}]}]}])


class SSM:
    def __init__(self, region):
        self.region = region

    def get_paginator(self, name):
        assert name == "describe_instance_information", name
        return Pages(lambda: [{"InstanceInformationList": [{"InstanceId": "mi-1"}] if self.region == "ap-south-1" else []}])


def client(name, region_name="eu-central-1"):
    return {"iam": lambda: IAM(), "ec2": lambda: EC2(region_name), "ssm": lambda: SSM(region_name)}[name]()
