package iam

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Role is a role as get-account-authorization-details describes it.
type Role struct {
	Name, ARN string
	Profiles  []string // instance profiles that hold it
	Trust     *Policy
	Identity  []*Policy // attached and inline
	Boundary  []*Policy // nil: none
	// Missing names attached policies whose document is not in the output and
	// not carried here: what the role may do is then not fully known.
	Missing []string
}

// errNotDetails is returned for JSON of another kind.
var errNotDetails = errors.New("not the output of get-account-authorization-details")

// maxRoles bounds the roles of one account; the quota is 5,000.
const maxRoles = 20000

// IsAuthorizationDetails reports whether a document is the output of aws iam
// get-account-authorization-details rather than a policy.
func IsAuthorizationDetails(b []byte) bool {
	var m struct{ RoleDetailList json.RawMessage }
	b = trimText(b)
	return len(b) > 0 && b[0] == '{' && len(b) <= maxDetails && json.Unmarshal(b, &m) == nil && m.RoleDetailList != nil
}

// authorizationDetails is what is read of the output.
type authorizationDetails struct {
	RoleDetailList []roleDetail
	Policies       []struct {
		PolicyName, Arn   string
		PolicyVersionList []struct {
			Document         json.RawMessage
			IsDefaultVersion bool
		}
	}
}

type roleDetail struct {
	RoleName, Arn            string
	AssumeRolePolicyDocument json.RawMessage
	InstanceProfileList      []struct{ InstanceProfileName string }
	RolePolicyList           []struct {
		PolicyName     string
		PolicyDocument json.RawMessage
	}
	AttachedManagedPolicies []struct{ PolicyName, PolicyArn string }
	PermissionsBoundary     *struct{ PermissionsBoundaryArn string }
}

// ParseAuthorizationDetails reads the output of aws iam
// get-account-authorization-details: roles with all their policies. Attached
// AWS-managed policies that the output leaves out are taken from those carried
// here.
func ParseAuthorizationDetails(b []byte) ([]Role, error) {
	if len(b) > maxDetails {
		return nil, ErrTooLarge
	}
	var in authorizationDetails
	if err := json.Unmarshal(trimText(b), &in); err != nil {
		return nil, fmt.Errorf("%w: %w", errNotDetails, err)
	}
	if in.RoleDetailList == nil {
		return nil, errNotDetails
	}
	if len(in.RoleDetailList) > maxRoles || len(in.Policies) > maxRoles {
		return nil, ErrTooLarge
	}
	policies, err := in.policiesByARN()
	if err != nil {
		return nil, err
	}
	var out []Role
	for _, r := range in.RoleDetailList {
		role, err := r.parse(policies)
		if err != nil {
			return nil, err
		}
		out = append(out, role)
	}
	return out, nil
}

// policiesByARN are the managed policies of the output, in their default version.
func (in *authorizationDetails) policiesByARN() (map[string]*Policy, error) {
	out := map[string]*Policy{}
	for _, p := range in.Policies {
		for _, v := range p.PolicyVersionList {
			if !v.IsDefaultVersion {
				continue
			}
			d, err := ParseGrant(v.Document)
			if err != nil {
				return nil, fmt.Errorf("policy %s: %w", shownName(p.PolicyName), err)
			}
			d.Name, d.ARN = shownName(p.PolicyName), p.Arn
			out[p.Arn] = d
		}
	}
	return out, nil
}

// findPolicy finds a managed policy in the output or among those carried here;
// nil when it is in neither.
func findPolicy(arn string, policies map[string]*Policy) *Policy {
	if p := policies[arn]; p != nil {
		return p
	}
	// Of another partition the documents are the same but for ARNs in them.
	if d := documentByName(lastSegment(arn)); d != nil && strings.Contains(arn, ":iam::aws:policy/") && strings.HasPrefix(arn, "arn:aws:") {
		p := *d.Policy
		p.Name, p.ARN = d.Name, d.ARN
		return &p
	}
	return nil
}

// lastSegment is the name in the ARN of a policy, without its path.
func lastSegment(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// parse reads a role; policies are the managed ones by ARN.
func (r *roleDetail) parse(policies map[string]*Policy) (Role, error) {
	role := Role{Name: shownName(r.RoleName), ARN: r.Arn, Identity: []*Policy{}}
	for _, p := range r.InstanceProfileList {
		role.Profiles = append(role.Profiles, shownName(p.InstanceProfileName))
	}
	if r.AssumeRolePolicyDocument != nil {
		t, err := ParsePolicy(r.AssumeRolePolicyDocument)
		if err != nil {
			return Role{}, fmt.Errorf("trust of %s: %w", shownName(r.RoleName), err)
		}
		role.Trust = t
	}
	for _, p := range r.RolePolicyList {
		d, err := ParseGrant(p.PolicyDocument)
		if err != nil {
			return Role{}, fmt.Errorf("inline policy %s of %s: %w", shownName(p.PolicyName), shownName(r.RoleName), err)
		}
		d.Name = shownName(p.PolicyName)
		role.Identity = append(role.Identity, d)
	}
	for _, a := range r.AttachedManagedPolicies {
		if d := findPolicy(a.PolicyArn, policies); d != nil {
			role.Identity = append(role.Identity, d)
		} else {
			role.Missing = append(role.Missing, a.PolicyName)
		}
	}
	if r.PermissionsBoundary != nil && r.PermissionsBoundary.PermissionsBoundaryArn != "" {
		arn := r.PermissionsBoundary.PermissionsBoundaryArn
		if d := findPolicy(arn, policies); d != nil {
			role.Boundary = []*Policy{d}
		} else {
			role.Missing = append(role.Missing, lastSegment(arn))
		}
	}
	return role, nil
}
