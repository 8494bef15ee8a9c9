package iam

import "slices"

// Deprecated is the policy that AWS announced to withdraw in 2019.
const Deprecated = "AmazonEC2RoleforSSM"

// Core is the policy that took its place.
const Core = "AmazonSSMManagedInstanceCore"

// SignatureActions are the actions that tell AmazonEC2RoleforSSM from others.
var SignatureActions = []string{"ec2:DescribeInstanceStatus", "ssm:GetParameters", "ssm:GetParameter", "ec2:DescribeTags", "ec2:DescribeVolumes", "ssm:DescribePatchBaselines"}

// Signature is what the rights of a role say about the policies it carries.
type Signature struct {
	// Policy is the policy that the rights look like; empty: none that is told apart.
	Policy string
	With   []string // policies it must be together with
	// Or are policies that would look the same.
	Or []string
	// Likely is true where no other known policy has this shape, false where it
	// is one explanation of several.
	Likely bool
	// Excluded: AmazonEC2RoleforSSM is not attached, or a higher layer denies what it grants.
	Excluded bool
	// Missing are actions whose verdict would be needed to say more.
	Missing []string
}

// DeprecatedSignature recognises AmazonEC2RoleforSSM by what a role may do. A
// host cannot list its role's policies, so the answer is an inference.
func DeprecatedSignature(verdict func(action string) Verdict) Signature {
	var s Signature
	ask := func(action string) (allowed, known bool) {
		switch verdict(action) {
		case Allow:
			return true, true
		case ImplicitDeny, ExplicitDeny:
			return false, true
		}
		s.Missing = append(s.Missing, action)
		return false, false
	}
	status, known := ask("ec2:DescribeInstanceStatus")
	if known && !status {
		s.Excluded = true
		return s
	}
	many, manyKnown := ask("ssm:GetParameters")
	one, oneKnown := ask("ssm:GetParameter")
	tags, tagsKnown := ask("ec2:DescribeTags")
	volumes, volumesKnown := ask("ec2:DescribeVolumes")
	if !known || !manyKnown || !oneKnown || !tagsKnown || !volumesKnown {
		return s
	}
	switch {
	case !many && !one && !tags && !volumes:
		s.Policy, s.Or, s.Excluded = "RunCommandInstance", []string{"a copy of it"}, true
	case many && !one && !tags && !volumes:
		s.Policy, s.Likely = Deprecated, true
	case many && one && !tags && !volumes:
		baselines, known := ask("ssm:DescribePatchBaselines")
		switch {
		case !known:
			s.Policy, s.With, s.Or = Deprecated, []string{Core}, []string{"AmazonSSMFullAccess"}
		case baselines:
			s.Policy, s.Likely = "AmazonSSMFullAccess", true
		default:
			s.Policy, s.With, s.Likely = Deprecated, []string{Core}, true
		}
	case many && one:
		s.Policy, s.With, s.Or = Deprecated, []string{"CloudWatchAgentServerPolicy"}, []string{"ReadOnlyAccess", "PowerUserAccess", "AdministratorAccess"}
	}
	return s
}

// Replacement is one policy to attach in place of AmazonEC2RoleforSSM.
type Replacement struct {
	Policy   string   // name of a carried document
	Managed  bool     // AWS-managed: attach by ARN; else a template to fill in
	Features []string // ids it is for
}

// Plan is the way from AmazonEC2RoleforSSM to narrower policies.
type Plan struct {
	Attach []Replacement
	// Lost are the actions of the old policy that nothing in Attach grants:
	// what else runs on the host and used them needs a statement of its own.
	Lost []string
}

// Migration lists what to attach before AmazonEC2RoleforSSM is detached, for
// the features in use. Core is always among it.
func Migration(used []string) Plan {
	plan := Plan{Attach: []Replacement{{Policy: Core, Managed: true, Features: []string{}}}}
	for _, f := range Features() {
		if !slices.Contains(used, f.ID) || !servedByDeprecated(f) {
			continue
		}
		name := f.Recommend[0]
		i := slices.IndexFunc(plan.Attach, func(r Replacement) bool { return r.Policy == name })
		if i < 0 {
			d := documentByName(name)
			plan.Attach = append(plan.Attach, Replacement{Policy: name, Managed: d != nil && d.ARN != ""})
			i = len(plan.Attach) - 1
		}
		plan.Attach[i].Features = append(plan.Attach[i].Features, f.ID)
	}
	var after []*Policy
	for _, r := range plan.Attach {
		if d := documentByName(r.Policy); d != nil {
			after = append(after, d.Policy)
		}
	}
	for _, a := range Actions() {
		if _, ok := a.GrantedBy[Deprecated]; !ok {
			continue
		}
		if v := Evaluate(Layers{Identity: after}, requestFor(a)).Verdict; v == ImplicitDeny || v == ExplicitDeny {
			plan.Lost = append(plan.Lost, a.Action)
		}
	}
	return plan
}

// servedByDeprecated reports whether AmazonEC2RoleforSSM grants an action that
// the feature needs, if only in some situations.
func servedByDeprecated(f Feature) bool {
	return slices.ContainsFunc(f.Of(Mandatory, Conditional), func(name string) bool {
		a, _ := ActionByName(name)
		_, ok := a.GrantedBy[Deprecated]
		return ok
	})
}

// requestFor asks for an action on a resource that is not known, or on * where
// the action knows none.
func requestFor(a Action) Request {
	r := Request{Action: a.Action}
	if len(a.ResourceTypes) == 0 {
		r.Resource = "*"
	}
	return r
}

// Row is one feature in the table of features and policies.
type Row struct {
	Feature Feature
	// Cells has one entry for each of Codes: yes, part, yes~ (for listed
	// resources or under a condition only), or empty.
	Cells []string
}

// Table says which policy grants what each feature always needs. Features
// without such an action are left out.
func Table() []Row {
	var out []Row
	for _, f := range Features() {
		if len(f.Of(Mandatory)) == 0 {
			continue
		}
		r := Row{Feature: f}
		for _, c := range Codes() {
			cell := ""
			switch f.CoverageBy(c.Name).Result {
			case "full":
				cell = "yes"
			case "full-limited-scope":
				cell = "yes~"
			case "partial":
				cell = "part"
			}
			r.Cells = append(r.Cells, cell)
		}
		out = append(out, r)
	}
	return out
}
