"""An IAM with one role, in place of the AWS SDK. State and calls go to stdout."""
import json
import os

state = json.loads(os.environ["IAM"])
calls = []


class Pages:
    def __init__(self, pages):
        self.pages = pages

    def paginate(self, **kwargs):
        return self.pages()


class IAM:
    def get_role(self, RoleName):
        if RoleName != state["name"]:
            raise KeyError("NoSuchEntity")
        return {"Role": {"RoleName": RoleName, "RoleId": state["id"]}}

    def get_paginator(self, name):
        if name == "list_roles":
            return Pages(lambda: [{"Roles": [{"RoleName": "other", "RoleId": "AROAOTHER"}]}, {"Roles": [{"RoleName": state["name"], "RoleId": state["id"]}]}])
        assert name == "list_attached_role_policies", name
        return Pages(lambda: [{"AttachedPolicies": [{"PolicyArn": p}]} for p in state["attached"]])

    def get_policy(self, PolicyArn):
        if PolicyArn not in state["exist"]:
            raise KeyError("NoSuchEntity")

    def get_account_summary(self):
        return {"SummaryMap": {"AttachedPoliciesPerRoleQuota": state.get("quota", 10)}}

    def attach_role_policy(self, RoleName, PolicyArn):
        calls.append("attach " + PolicyArn)
        if not state.get("loses"):
            state["attached"].append(PolicyArn)

    def detach_role_policy(self, RoleName, PolicyArn):
        calls.append("detach " + PolicyArn)
        state["attached"].remove(PolicyArn)


def client(name):
    assert name == "iam", name
    return IAM()
