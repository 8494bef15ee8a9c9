package cloudtest

import (
	"fmt"
	"slices"
	"strings"
)

func (c *Cloud) inOrganization(policies bool) *Error {
	switch {
	case c.Organization == nil:
		return &Error{"AWSOrganizationsNotInUseException", "Your account is not a member of an organization.", 400}
	case policies && c.Organization.Outside:
		return &Error{"AccessDeniedException", "You don't have permissions to access this resource.", 400}
	}
	return nil
}

func (c *Cloud) organization(Object) (Object, *Error) {
	if e := c.inOrganization(false); e != nil {
		return nil, e
	}
	m := c.Organization.Manager
	return Object{"Organization": Object{"Id": "o-exampleorg1", "Arn": "arn:aws:organizations::" + m + ":organization/o-exampleorg1", "FeatureSet": map[bool]string{false: "ALL", true: "CONSOLIDATED_BILLING"}[c.Organization.Billing], "MasterAccountArn": "arn:aws:organizations::" + m + ":account/o-exampleorg1/" + m, "MasterAccountId": m, "MasterAccountEmail": "root@example.com"}}, nil
}

func (c *Cloud) parents(in Object) (Object, *Error) {
	if e := c.inOrganization(true); e != nil {
		return nil, e
	}
	p, ok := c.Organization.Parents[text(in["ChildId"])]
	if !ok {
		return nil, &Error{"ChildNotFoundException", "You specified a child that doesn't exist.", 400}
	}
	return Object{"Parents": []any{Object{"Id": p, "Type": map[bool]string{true: "ROOT", false: "ORGANIZATIONAL_UNIT"}[strings.HasPrefix(p, "r-")]}}}, nil
}

func (c *Cloud) policiesForTarget(in Object) (Object, *Error) {
	if e := c.inOrganization(true); e != nil {
		return nil, e
	}
	target := text(in["TargetId"])
	if _, child := c.Organization.Parents[target]; !child && !strings.HasPrefix(target, "r-") {
		return nil, &Error{"TargetNotFoundException", "You specified a target that doesn't exist.", 400}
	}
	kind := text(in["Filter"])
	names := map[string][]string{"SERVICE_CONTROL_POLICY": append([]string{"FullAWSAccess"}, c.Organization.SCP[target]...), "RESOURCE_CONTROL_POLICY": append([]string{"RCPFullAWSAccess"}, c.Organization.RCP[target]...)}[kind]
	out := []any{}
	if c.Organization.Billing || c.Organization.Bare[target] || slices.Contains(c.Organization.Off, kind) {
		names = nil
	}
	for _, n := range names {
		out = append(out, c.summary(n, kind))
	}
	return Object{"Policies": out}, nil
}

// policyID is the id of a policy of the organization.
func policyID(name string) string {
	if strings.HasSuffix(name, "FullAWSAccess") {
		return "p-" + name
	}
	return fmt.Sprintf("p-%08x", name)
}

func (c *Cloud) summary(name, kind string) Object {
	aws := strings.HasSuffix(name, "FullAWSAccess")
	owner, path := c.Organization.Manager+":policy/o-exampleorg1", strings.ToLower(kind)
	if aws {
		owner = "aws:policy"
	}
	return Object{"Id": policyID(name), "Arn": "arn:aws:organizations::" + owner + "/" + path + "/" + policyID(name), "Name": name, "Description": "", "Type": kind, "AwsManaged": aws}
}

func (c *Cloud) organizationPolicy(in Object) (Object, *Error) {
	if e := c.inOrganization(true); e != nil {
		return nil, e
	}
	switch in["PolicyId"] {
	case "p-FullAWSAccess":
		return Object{"Policy": Object{"PolicySummary": c.summary("FullAWSAccess", "SERVICE_CONTROL_POLICY"), "Content": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`}}, nil
	case "p-RCPFullAWSAccess":
		return Object{"Policy": Object{"PolicySummary": c.summary("RCPFullAWSAccess", "RESOURCE_CONTROL_POLICY"), "Content": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}`}}, nil
	}
	for name, doc := range c.Organization.Text {
		if policyID(name) == in["PolicyId"] {
			kind := "SERVICE_CONTROL_POLICY"
			if strings.Contains(doc, `"Principal"`) {
				kind = "RESOURCE_CONTROL_POLICY"
			}
			return Object{"Policy": Object{"PolicySummary": c.summary(name, kind), "Content": doc}}, nil
		}
	}
	return nil, &Error{"PolicyNotFoundException", "You specified a policy that doesn't exist.", 400}
}
