package cloudtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

func noSuch(what, name string) *Error {
	return &Error{"NoSuchEntity", what + " " + name + " cannot be found.", 404}
}

func (c *Cloud) roleObject(name string) Object {
	r := c.Roles[name]
	path := or(r.Path, "/")
	return Object{"Path": path, "RoleName": name, "RoleId": "AROAIOSFODNN7EXAMPLE", "Arn": "arn:aws:iam::" + c.Account + ":role" + path + name, "CreateDate": c.Now.Add(-9000 * time.Hour), "AssumeRolePolicyDocument": document(r.Trust)}
}

func (c *Cloud) instanceProfile(in Object) (Object, *Error) {
	name := text(in["InstanceProfileName"])
	list, ok := c.Profiles[name]
	if !ok {
		return nil, noSuch("Instance Profile", name)
	}
	roles := []any{}
	for _, r := range list {
		roles = append(roles, c.roleObject(r))
	}
	return Object{"InstanceProfile": Object{"Path": "/", "InstanceProfileName": name, "InstanceProfileId": "AIPAIOSFODNN7EXAMPLE", "Arn": "arn:aws:iam::" + c.Account + ":instance-profile/" + name, "CreateDate": c.Now, "Roles": roles}}, nil
}

func (c *Cloud) role(in Object) (Object, *Error) {
	name := text(in["RoleName"])
	r, ok := c.Roles[name]
	if !ok {
		return nil, &Error{"NoSuchEntity", "The role with name " + name + " cannot be found.", 404}
	}
	out := c.roleObject(name)
	out["MaxSessionDuration"] = 3600
	if r.Boundary != "" {
		out["PermissionsBoundary"] = Object{"PermissionsBoundaryType": "PermissionsBoundaryPolicy", "PermissionsBoundaryArn": r.Boundary}
	}
	return Object{"Role": out}, nil
}

func (c *Cloud) roles(Object) (Object, *Error) {
	out := []any{}
	for _, name := range slices.Sorted(maps.Keys(c.Roles)) {
		out = append(out, c.roleObject(name))
	}
	return Object{"Roles": out}, nil
}

func (c *Cloud) entities(in Object) (Object, *Error) {
	out := []any{}
	for _, name := range slices.Sorted(maps.Keys(c.Roles)) {
		if slices.Contains(c.Roles[name].Attached, text(in["PolicyArn"])) {
			out = append(out, Object{"RoleName": name, "RoleId": "AROAIOSFODNN7EXAMPLE"})
		}
	}
	return Object{"PolicyRoles": out, "PolicyGroups": []any{}, "PolicyUsers": []any{}}, nil
}

func (c *Cloud) profilesOf(in Object) (Object, *Error) {
	name := text(in["RoleName"])
	if _, ok := c.Roles[name]; !ok {
		return nil, noSuch("The role with name", name)
	}
	out := []any{}
	for _, profile := range slices.Sorted(maps.Keys(c.Profiles)) {
		if slices.Contains(c.Profiles[profile], name) {
			x, _ := c.instanceProfile(Object{"InstanceProfileName": profile})
			out = append(out, x["InstanceProfile"])
		}
	}
	return Object{"InstanceProfiles": out}, nil
}

func lastPart(s string) string { return s[strings.LastIndexByte(s, '/')+1:] }

func (c *Cloud) attachedPolicies(in Object) (Object, *Error) {
	name := text(in["RoleName"])
	r, ok := c.Roles[name]
	if !ok {
		return nil, noSuch("The role with name", name)
	}
	out := []any{}
	for _, a := range r.Attached {
		out = append(out, Object{"PolicyName": lastPart(a), "PolicyArn": a})
	}
	return Object{"AttachedPolicies": out}, nil
}

func (c *Cloud) rolePolicies(in Object) (Object, *Error) {
	name := text(in["RoleName"])
	r, ok := c.Roles[name]
	if !ok {
		return nil, noSuch("The role with name", name)
	}
	out := []any{}
	for _, n := range slices.Sorted(maps.Keys(r.Inline)) {
		out = append(out, n)
	}
	return Object{"PolicyNames": out}, nil
}

func (c *Cloud) rolePolicy(in Object) (Object, *Error) {
	doc, ok := c.Roles[text(in["RoleName"])].Inline[text(in["PolicyName"])]
	if !ok {
		return nil, noSuch("The role policy with name", text(in["PolicyName"]))
	}
	return Object{"RoleName": in["RoleName"], "PolicyName": in["PolicyName"], "PolicyDocument": document(doc)}, nil
}

func (c *Cloud) policy(in Object) (Object, *Error) {
	arn := text(in["PolicyArn"])
	if _, ok := c.Policies[arn]; !ok {
		return nil, &Error{"NoSuchEntity", "Policy " + arn + " was not found.", 404}
	}
	return Object{"Policy": Object{"PolicyName": lastPart(arn), "PolicyId": "ANPAIOSFODNN7EXAMPLE", "Arn": arn, "Path": "/", "DefaultVersionId": "v2", "AttachmentCount": 1, "PermissionsBoundaryUsageCount": 0, "IsAttachable": true, "CreateDate": c.Now, "UpdateDate": c.Now}}, nil
}

func (c *Cloud) policyVersion(in Object) (Object, *Error) {
	doc, ok := c.Policies[text(in["PolicyArn"])]
	if !ok || in["VersionId"] != "v2" {
		return nil, &Error{"NoSuchEntity", fmt.Sprintf("Policy %s version %s does not exist or is not attachable.", in["PolicyArn"], in["VersionId"]), 404}
	}
	return Object{"PolicyVersion": Object{"Document": document(doc), "VersionId": "v2", "IsDefaultVersion": true, "CreateDate": c.Now}}, nil
}
