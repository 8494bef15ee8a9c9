package awsapi

import (
	"slices"
	"strings"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/pattern"
)

// maxCalls bounds the signed requests of one run, those of the policy simulator
// included; the requests for the identities come on top, one for each.
const maxCalls = 40

// maxPaths bounds the paths of parameters that are asked about.
const maxPaths = 4

// ProbeFamilies are the names that --probe knows. What none of them sends is
// never asked live: registration, heartbeat, channel and message calls, and
// writes of inventory, compliance and status.
var ProbeFamilies = []string{"parameters", "associations", "packages", "patching", "logs", "log-writes", "buckets", "ec2", "vss", "directory", "xray", "dhmc", "deprecated", "simulator"}

// callerIdentity asks who the keys belong to; every principal may.
var callerIdentity = row{action: "sts:GetCallerIdentity", service: "sts", protocol: "query", body: "Action=GetCallerIdentity&Version=2011-06-15"}

// Rules behind "allowed".
const (
	ruleAnswered = "answered 200"
	ruleInferred = "authorises before it looks up (inferred)"
)

// ssmRow is a request of the ssm service.
func ssmRow(op, body, resource string, allowed ...string) row {
	r := row{action: "ssm:" + op, service: "ssm", protocol: "json", target: "AmazonSSM." + op, body: body, resource: resource, allowed: allowed, rule: ruleAnswered}
	if len(allowed) > 0 {
		r.rule = ruleInferred
	}
	return r
}

func jsonRow(action, service, target, body string, allowed ...string) row {
	r := row{action: action, service: service, protocol: "json", target: target, body: body, allowed: allowed, rule: ruleAnswered}
	if len(allowed) > 0 {
		r.rule = ruleInferred
	}
	return r
}

// dryRun is an EC2 request that is authorised and then refused on purpose.
func dryRun(op, query string) row {
	return row{action: "ec2:" + op, service: "ec2", protocol: "query", body: "Action=" + op + "&Version=2016-11-15&DryRun=true&" + query,
		allowed: []string{"DryRunOperation"}, proves: true, rule: "DryRun is answered after authorisation (documented)"}
}

// defaultReads are the harmless reads that every run may send.
var defaultReads = []row{
	ssmRow("GetDocument", `{"Name":"{document}"}`, "document/{document}"),
	ssmRow("DescribeDocument", `{"Name":"{document}"}`, "document/{document}"),
	ssmRow("ListInstanceAssociations", `{"InstanceId":"{node}","MaxResults":20}`, "{node}"),
}

// invented marks a request whose target is a made-up name.
func invented(r row, resource string) row {
	r.resource, r.invented = resource, true
	return r
}

// parameterRows ask for a parameter that does not exist.
func parameterRows(name, resource string) []row {
	one := ssmRow("GetParameter", `{"Name":"`+name+`"}`, resource, "ParameterNotFound")
	one.proves, one.rule = true, "a missing parameter is told only to the authorised (observed)"
	return []row{one, ssmRow("GetParameters", `{"Names":["`+name+`"],"WithDecryption":false}`, resource)}
}

// parameterPath is a path that may stand in a request.
var parameterPath = pattern.New(`^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$`)

// probeRows are the requests of a family; paths are those of parameters that
// the verdict is wanted for. Targets are absent on purpose where the answer to an
// absent one tells enough.
func probeRows(family string, f *facts.Facts, paths []string) []row {
	switch family {
	case "parameters":
		var out []row
		for _, p := range paths[:min(len(paths), maxPaths)] {
			if p = strings.Trim(p, "/"); parameterPath.MatchString(p) {
				out = append(out, parameterRows("/"+p+"/"+facts.MadeUp, "parameter/"+p+"/*")...)
			}
		}
		if len(out) > 0 {
			return out
		}
		for _, r := range parameterRows("/ssm-doctor/probe/none", "") {
			out = append(out, invented(r, "parameter/ssm-doctor/probe/none"))
		}
		return out
	case "associations":
		return []row{
			ssmRow("ListAssociations", `{"AssociationFilterList":[{"key":"InstanceId","value":"{node}"}],"MaxResults":1}`, "{node}"),
			ssmRow("DescribeAssociation", `{"InstanceId":"{node}","Name":"{document}"}`, "{node}", "AssociationDoesNotExist"),
		}
	case "packages":
		return []row{ssmRow("GetManifest", `{"PackageName":"AWSPVDriver","PackageVersion":"latest"}`, "", "ResourceNotFoundException")}
	case "patching":
		return []row{
			ssmRow("DescribePatchBaselines", `{"MaxResults":1}`, ""),
			invented(ssmRow("GetPatchBaseline", `{"BaselineId":"pb-00000000000000000"}`, "", "DoesNotExistException", "InvalidResourceId"), "patchbaseline/pb-00000000000000000"),
			invented(ssmRow("DescribeEffectivePatchesForPatchBaseline", `{"BaselineId":"pb-00000000000000000","MaxResults":1}`, "", "DoesNotExistException", "InvalidResourceId"), "patchbaseline/pb-00000000000000000"),
			jsonRow("tag:GetResources", "tagging", "ResourceGroupsTaggingAPI_20170126.GetResources", `{"ResourcesPerPage":1,"ResourceTypeFilters":["ssm:patchbaseline"]}`),
		}
	case "logs":
		return []row{
			jsonRow("logs:DescribeLogGroups", "logs", "Logs_20140328.DescribeLogGroups", `{"logGroupNamePrefix":"{group}","limit":1}`),
			logStreams(f),
		}
	case "log-writes": // into a group that does not exist, so nothing is stored
		return []row{
			invented(jsonRow("logs:CreateLogStream", "logs", "Logs_20140328.CreateLogStream", `{"logGroupName":"{group}-ssm-doctor-none","logStreamName":"none"}`, "ResourceNotFoundException"), "log-group:{group}-ssm-doctor-none"),
			invented(jsonRow("logs:PutLogEvents", "logs", "Logs_20140328.PutLogEvents", `{"logGroupName":"{group}-ssm-doctor-none","logStreamName":"none","logEvents":[{"timestamp":{millis},"message":"none"}]}`, "ResourceNotFoundException"), "log-group:{group}-ssm-doctor-none"),
		}
	case "buckets":
		return bucketRows(f)
	case "ec2":
		return []row{dryRun("DescribeTags", "Filter.1.Name=resource-id&Filter.1.Value.1={instance}&MaxResults=5"),
			dryRun("DescribeVolumes", "Filter.1.Name=attachment.instance-id&Filter.1.Value.1={instance}&MaxResults=5")}
	case "vss":
		const tag = "&TagSpecification.1.ResourceType=snapshot&TagSpecification.1.Tag.1.Key=AwsVssConfig&TagSpecification.1.Tag.1.Value=probe"
		return []row{
			dryRun("CreateSnapshots", "InstanceSpecification.InstanceId={instance}"+tag),
			dryRun("CreateImage", "InstanceId={instance}&Name=ssm-doctor-probe&NoReboot=true"+tag),
			dryRun("DescribeInstanceAttribute", "InstanceId={instance}&Attribute=blockDeviceMapping"),
			dryRun("DescribeSnapshots", "Owner.1=self&MaxResults=5"),
			dryRun("DescribeImages", "Owner.1=self&MaxResults=5"),
		}
	case "directory":
		return []row{jsonRow("ds:DescribeDirectories", "ds", "DirectoryService_20150416.DescribeDirectories", `{"Limit":1}`),
			invented(jsonRow("secretsmanager:GetSecretValue", "secretsmanager", "secretsmanager.GetSecretValue", `{"SecretId":"aws/directory-services/d-0000000000/seamless-domain-join"}`, "ResourceNotFoundException"), "secret:aws/directory-services/d-0000000000/seamless-domain-join")}
	case "xray":
		return []row{{action: "xray:GetSamplingRules", service: "xray", protocol: "rest", method: "POST", path: "/GetSamplingRules", body: "{}", rule: ruleAnswered}}
	case "dhmc":
		return []row{ssmRow("GetServiceSetting", `{"SettingId":"/ssm/managed-instance/default-ec2-instance-management-role"}`, "")}
	case "deprecated": // the signs of AmazonEC2RoleforSSM
		return slices.Concat([]row{dryRun("DescribeInstanceStatus", "InstanceId.1={instance}")}, probeRows("patching", f, nil)[:1], probeRows("ec2", f, nil), probeRows("parameters", f, nil))
	}
	return nil
}

// logStreams lists one stream of the group that documents write to; where none
// is known, of one with the usual beginning.
func logStreams(f *facts.Facts) row {
	r := jsonRow("logs:DescribeLogStreams", "logs", "Logs_20140328.DescribeLogStreams", `{"logGroupName":"{group}","limit":1}`, "ResourceNotFoundException")
	if logGroup(f) == "" {
		return invented(r, "log-group:{group}")
	}
	r.resource = "log-group:{group}"
	return r
}

// logGroup is the first group that documents write to; empty: none that may
// stand in a request.
func logGroup(f *facts.Facts) string {
	if o, ok := f.Agent.Output.Get(); ok && len(o.LogGroups) > 0 && len(o.LogGroups[0]) <= 400 && groupName.MatchString(o.LogGroups[0]) {
		return o.LogGroups[0]
	}
	return ""
}

// bucketRows ask about the bucket that documents write their output to, and
// about the one that AWS keeps the agent in.
func bucketRows(f *facts.Facts) []row {
	get := func(bucket, key string) row {
		// Without s3:ListBucket an absent key is answered with a refusal of that
		// action; a refusal of s3:GetObject names s3:GetObject.
		return row{action: "s3:GetObject", service: "s3", protocol: "rest", method: "GET", path: "/" + bucket + "/" + key, resource: "{arn}s3:::" + bucket + "/" + key,
			oneByte: true, allowed: []string{"NoSuchKey"}, allowedBy: []string{"s3:ListBucket"}, proves: true, rule: "an absent key is looked up after authorisation (documented)"}
	}
	out := []row{get("amazon-ssm-{region}", "latest/VERSION")}
	o, _ := f.Agent.Output.Get()
	for _, b := range o.Buckets[:min(len(o.Buckets), 2)] {
		if !bucketName.MatchString(b) {
			continue
		}
		out = append(out,
			row{action: "s3:GetEncryptionConfiguration", service: "s3", protocol: "rest", method: "GET", path: "/" + b + "?encryption", resource: "{arn}s3:::" + b,
				allowed: []string{"ServerSideEncryptionConfigurationNotFoundError"}, rule: "answered 200, or authorises before it looks up (inferred)"},
			invented(get(b, "ssm-doctor/none"), "{arn}s3:::"+b+"/ssm-doctor/none"),
			// A part of an upload that nobody began: nothing can be stored.
			invented(row{action: "s3:PutObject", service: "s3", protocol: "rest", method: "PUT", path: "/" + b + "/ssm-doctor/none?partNumber=1&uploadId=ssm-doctor-none", body: "0",
				allowed: []string{"NoSuchUpload"}, rule: ruleInferred}, "{arn}s3:::"+b+"/ssm-doctor/none"))
	}
	return out
}
