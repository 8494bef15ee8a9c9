package iam

import (
	"bytes"
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
	at      int // its place in the output
}

// errNotDetails is returned for JSON of another kind.
var errNotDetails = errors.New("not the output of get-account-authorization-details")

// maxRoles bounds the roles of one account; the quota is 5,000.
const maxRoles = 20000

const (
	// MaxDetails bounds the output, in bytes; that of a large account has some 20 MB.
	MaxDetails = 24 << 20
	// maxMember bounds what it has of one role or policy, in bytes. A policy may have
	// five versions of 6,144 characters each, which are written with indents.
	maxMember = 512 << 10
	// maxProfiles bounds the instance profiles of one role.
	maxProfiles = 1000
)

// IsAuthorizationDetails reports whether a document is the output of aws iam
// get-account-authorization-details rather than a policy.
func IsAuthorizationDetails(b []byte) bool {
	var m struct{ RoleDetailList there }
	b = trimText(b)
	return len(b) > 0 && b[0] == '{' && len(b) <= MaxDetails && json.Unmarshal(b, &m) == nil && bool(m.RoleDetailList)
}

// there is whether a member of an object is there and a list. It keeps no copy.
type there bool

func (t *there) UnmarshalJSON(b []byte) error {
	*t = b[0] == '['
	return nil
}

// The output of a large account is looked through member by member, and of its documents
// only those of one role are read: nothing else fits into the memory of a small instance.
type (
	roleName struct {
		RoleName, Arn       string
		InstanceProfileList []struct{ InstanceProfileName string }
	}
	roleDetail struct {
		AssumeRolePolicyDocument json.RawMessage
		RolePolicyList           []struct {
			PolicyName     string
			PolicyDocument json.RawMessage
		}
		AttachedManagedPolicies []struct{ PolicyName, PolicyArn string }
		PermissionsBoundary     *struct{ PermissionsBoundaryArn string }
	}
	policyDetail struct {
		PolicyName        string
		PolicyVersionList []struct {
			Document         json.RawMessage
			IsDefaultVersion bool
		}
	}
)

// members calls visit with each member of a list at the top of the output; what it is
// given holds until it returns. A list that is not there has none.
func members(b []byte, list string, visit func(i int, member []byte) error) error {
	ahead := &aheadReader{in: bytes.NewReader(trimText(b))}
	dec := json.NewDecoder(ahead)
	ahead.dec = dec
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return errNotDetails
	}
	var member json.RawMessage
	found := false
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return fmt.Errorf("%w: %w", errNotDetails, err)
		}
		if key == list && found {
			return fmt.Errorf("%w: %s stands in it twice", errNotDetails, list)
		}
		found = found || key == list
		if err := eachMember(dec, func(i int) error {
			if key != list {
				var there there
				return dec.Decode(&there)
			}
			if i >= maxRoles {
				return ErrTooLarge
			}
			member = member[:0]
			if err := dec.Decode(&member); err != nil {
				return fmt.Errorf("%w: %w", errNotDetails, err)
			}
			return visit(i, member)
		}); err != nil {
			return err
		}
	}
	return nil
}

// aheadReader ends what is decoded from it where one value is too large.
type aheadReader struct {
	in   *bytes.Reader
	dec  *json.Decoder
	read int64
}

func (r *aheadReader) Read(p []byte) (int, error) {
	if r.read-r.dec.InputOffset() > maxMember {
		return 0, ErrTooLarge
	}
	n, err := r.in.Read(p)
	r.read += int64(n)
	return n, err
}

// eachMember calls read for each value of the list that comes next, and passes over any
// other value.
func eachMember(dec *json.Decoder, read func(i int) error) error {
	list := false
	for depth, i := 0, 0; ; {
		if depth == 1 && list && dec.More() {
			if err := read(i); err != nil {
				return err
			}
			i++
			continue
		}
		t, err := dec.Token()
		if err != nil {
			return fmt.Errorf("%w: %w", errNotDetails, err)
		}
		switch t {
		case json.Delim('['), json.Delim('{'):
			list = list || depth == 0 && t == json.Delim('[')
			depth++
		case json.Delim(']'), json.Delim('}'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}

// ParseAuthorizationDetails reads the output of aws iam
// get-account-authorization-details: its roles, without their documents.
func ParseAuthorizationDetails(b []byte) ([]Role, error) {
	if len(b) > MaxDetails {
		return nil, ErrTooLarge
	}
	if !IsAuthorizationDetails(b) {
		return nil, errNotDetails
	}
	var out []Role
	err := members(b, "RoleDetailList", func(i int, member []byte) error {
		var r roleName
		if err := json.Unmarshal(member, &r); err != nil {
			return fmt.Errorf("%w: %w", errNotDetails, err)
		}
		role := Role{Name: shownName(r.RoleName), ARN: r.Arn, at: i}
		for _, p := range r.InstanceProfileList[:min(len(r.InstanceProfileList), maxProfiles)] {
			role.Profiles = append(role.Profiles, shownName(p.InstanceProfileName))
		}
		out = append(out, role)
		return nil
	})
	return out, err
}

// WithDocuments is the role with the documents that the output, which it is of, has of it.
func (r Role) WithDocuments(b []byte) (Role, error) {
	var detail roleDetail
	err := members(b, "RoleDetailList", func(i int, member []byte) error {
		if i != r.at {
			return nil
		}
		return json.Unmarshal(bytes.Clone(member), &detail)
	})
	if err != nil {
		return Role{}, err
	}
	wanted := map[string]*Policy{}
	for _, a := range detail.AttachedManagedPolicies {
		wanted[a.PolicyArn] = nil
	}
	if detail.PermissionsBoundary != nil {
		wanted[detail.PermissionsBoundary.PermissionsBoundaryArn] = nil
	}
	err = members(b, "Policies", func(_ int, member []byte) error {
		var name struct{ Arn string }
		if err := json.Unmarshal(member, &name); err != nil {
			return fmt.Errorf("%w: %w", errNotDetails, err)
		}
		if _, ok := wanted[name.Arn]; !ok {
			return nil
		}
		p, err := managedPolicy(member)
		if p != nil {
			p.ARN = name.Arn
			wanted[name.Arn] = p
		}
		return err
	})
	if err != nil {
		return Role{}, err
	}
	return r.filled(detail, wanted)
}

// RolesOfProfiles are the roles of instance profiles in the output of aws iam
// get-account-authorization-details, with their documents.
func RolesOfProfiles(b []byte) ([]Role, error) {
	roles, err := ParseAuthorizationDetails(b)
	if err != nil {
		return nil, err
	}
	policies := map[string]*Policy{}
	err = members(b, "Policies", func(_ int, member []byte) error {
		var name struct{ Arn string }
		if err := json.Unmarshal(member, &name); err != nil {
			return fmt.Errorf("%w: %w", errNotDetails, err)
		}
		p, err := managedPolicy(member)
		if p != nil {
			p.ARN = name.Arn
			policies[name.Arn] = p
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var out []Role
	err = members(b, "RoleDetailList", func(i int, member []byte) error {
		if len(roles[i].Profiles) == 0 {
			return nil
		}
		var detail roleDetail
		if err := json.Unmarshal(member, &detail); err != nil {
			return fmt.Errorf("%w: %w", errNotDetails, err)
		}
		r, err := roles[i].filled(detail, policies)
		out = append(out, r)
		return err
	})
	return out, err
}

// managedPolicy is the default version of a policy; nil without one.
func managedPolicy(member []byte) (*Policy, error) {
	var p policyDetail
	if err := json.Unmarshal(member, &p); err != nil {
		return nil, fmt.Errorf("%w: %w", errNotDetails, err)
	}
	var out *Policy
	for _, v := range p.PolicyVersionList {
		if !v.IsDefaultVersion {
			continue
		}
		d, err := ParseGrant(v.Document)
		if err != nil {
			return nil, fmt.Errorf("policy %s: %w", shownName(p.PolicyName), err)
		}
		d.Name = shownName(p.PolicyName)
		out = d
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

// filled is the role with documents; policies are the managed ones by ARN.
func (role Role) filled(r roleDetail, policies map[string]*Policy) (Role, error) {
	role.Identity = []*Policy{}
	if r.AssumeRolePolicyDocument != nil {
		t, err := ParsePolicy(r.AssumeRolePolicyDocument)
		if err != nil {
			return Role{}, fmt.Errorf("trust of %s: %w", role.Name, err)
		}
		role.Trust = t
	}
	for _, p := range r.RolePolicyList {
		d, err := ParseGrant(p.PolicyDocument)
		if err != nil {
			return Role{}, fmt.Errorf("inline policy %s of %s: %w", shownName(p.PolicyName), role.Name, err)
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
