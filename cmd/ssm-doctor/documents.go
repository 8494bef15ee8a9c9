package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/report"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
)

// maxDocument bounds a file of policies; the description of a large account
// has some 20 MB.
const maxDocument = 64 << 20

// supplied is what a set of files holds.
type supplied struct {
	layers iam.Layers
	// endpoints are endpoint policies by service, "" for all.
	endpoints map[string][]*iam.Policy
	missing   []string // attached policies whose documents are not there
	names     []string
	notes     []string
}

// policyFiles reads documents of one layer.
func (a *app) policyFiles(files []string, parse func([]byte) (*iam.Policy, error)) ([]*iam.Policy, error) {
	out := []*iam.Policy{}
	for _, name := range files {
		b, err := a.readInput(name, maxDocument)
		if err != nil {
			return nil, err
		}
		d, err := parse(b)
		if err != nil {
			return nil, usagef("%s: %w", name, err)
		}
		nameIt(d, name)
		out = append(out, d)
	}
	return out, nil
}

// nameIt calls a document without a name after its file.
func nameIt(d *iam.Policy, file string) {
	if d.Name == "" {
		d.Name = strings.TrimSuffix(filepath.Base(file), ".json")
	}
}

// supply reads all layers.
func (p *permissionFlags) supply(a *app, files []string, f *facts.Facts) (supplied, error) {
	s := supplied{}
	s.layers.Identity = []*iam.Policy{}
	for _, name := range files {
		b, err := a.readInput(name, maxDocument)
		if err != nil {
			return s, err
		}
		if !iam.IsAuthorizationDetails(b) {
			d, err := iam.ParseGrant(b)
			if err != nil {
				return s, usagef("%s: %w", name, err)
			}
			nameIt(d, name)
			s.layers.Identity = append(s.layers.Identity, d)
			continue
		}
		roles, err := iam.ParseAuthorizationDetails(b)
		if err != nil {
			return s, usagef("%s: %w", name, err)
		}
		role, err := p.choose(roles, f)
		if err != nil {
			return s, usagef("%s: %w", name, err)
		}
		s.layers.Identity = append(s.layers.Identity, role.Identity...)
		s.missing = append(s.missing, role.Missing...)
		if role.Boundary != nil {
			s.layers.Boundary = append(s.layers.Boundary, role.Boundary...)
		}
		s.notes = append(s.notes, "role "+role.Name)
	}
	for _, d := range s.layers.Identity {
		s.names = append(s.names, d.Name)
	}
	for _, x := range []struct {
		files []string
		to    *[]*iam.Policy
	}{{p.boundary, &s.layers.Boundary}, {p.session, &s.layers.Session}} {
		if len(x.files) == 0 {
			continue
		}
		ds, err := a.policyFiles(x.files, iam.ParseGrant)
		if err != nil {
			return s, err
		}
		*x.to = ds
	}
	for _, v := range p.endpointPolicy {
		service, name, ok := strings.Cut(v, "=")
		if !ok {
			service, name = "", v
		}
		if s.endpoints == nil {
			s.endpoints = map[string][]*iam.Policy{}
		}
		ds, err := a.policyFiles([]string{name}, iam.ParsePolicy)
		if err != nil {
			return s, err
		}
		switch service { // the names of endpoints where actions have another
		case "monitoring":
			service = "cloudwatch"
		case "tagging":
			service = "tag"
		}
		if service != "" && !slices.ContainsFunc(iam.Actions(), func(a iam.Action) bool { return strings.HasPrefix(a.Action, service+":") }) {
			return s, usagef("--endpoint-policy: no action of a feature belongs to %q", service)
		}
		s.endpoints[service] = append(s.endpoints[service], ds...)
	}
	for _, x := range []struct {
		values []string
		kind   string
		parse  func([]byte) (*iam.Policy, error)
		to     *[][]*iam.Policy
	}{{p.scp, "service control policies", iam.ParseGrant, &s.layers.SCP}, {p.rcp, "resource control policies", iam.ParsePolicy, &s.layers.RCP}} {
		for _, v := range x.values {
			level, err := a.policyFiles(strings.Split(v, ","), x.parse)
			if err != nil {
				return s, err
			}
			if !allowsAnything(level) {
				level = append(level, fullAccess)
				s.notes = append(s.notes, "the "+x.kind+" "+v+" only deny; taken together with the policy that allows everything, which AWS attaches at first")
			}
			*x.to = append(*x.to, level)
		}
	}
	return s, nil
}

// fullAccess is what AWS attaches to every level of an organisation at first.
var fullAccess = &iam.Policy{Name: "FullAWSAccess", Version: "2012-10-17", Statements: []iam.Statement{{Sid: "FullAWSAccess", Allow: true, Actions: []string{"*"}, Resources: []string{"*"}}}}

func allowsAnything(level []*iam.Policy) bool {
	for _, p := range level {
		for _, s := range p.Statements {
			if s.Allow {
				return true
			}
		}
	}
	return false
}

// choose finds the role of the node among those of an account.
func (p *permissionFlags) choose(roles []iam.Role, f *facts.Facts) (iam.Role, error) {
	want := p.role
	if want == "" && f != nil {
		want = engine.Judge(f, engine.Options{}).Credentials.Role
	}
	var names, inProfile []string
	var one iam.Role
	for _, r := range roles {
		if r.Name == want && want != "" {
			return r, nil
		}
		names = append(names, r.Name)
		if len(r.Profiles) > 0 {
			inProfile = append(inProfile, r.Name)
			one = r
		}
	}
	switch {
	case want != "":
		return one, fmt.Errorf("no role %q in it%s", want, didYouMean(want, names, ""))
	case len(names) == 1:
		return roles[0], nil
	case len(inProfile) == 1:
		return one, nil
	}
	return one, fmt.Errorf("holds %d roles, %d of them in an instance profile; name one with --role", len(names), len(inProfile))
}

// judgeDocuments prints the matrix of documents.
func (p *permissionFlags) judgeDocuments(a *app) error {
	var f *facts.Facts
	var err error
	if p.from != "" {
		if f, err = a.readFacts(p.from); err != nil {
			return err
		}
	}
	s, err := p.supply(a, p.policies, f)
	if err != nil {
		return err
	}
	for _, n := range s.notes {
		fmt.Fprintf(a.err, "%s\n", report.Printable(n))
	}
	if len(s.missing) > 0 {
		fmt.Fprintf(a.err, "not in the files: %s; what they may grant is unknown\n", report.Printable(strings.Join(s.missing, ", ")))
	}
	t := p.targetOf(f)
	o := engine.Offline{Layers: s.layers, Endpoints: s.endpoints, Target: t, Facts: f, Asked: p.features, Incomplete: s.missing}
	r := &report.Report{Version: versionString(), Node: report.Node{Region: t.Region, Account: t.Account, Partition: t.Partition}}
	if f != nil {
		r.GeneratedAt, r.Redacted = f.CollectedAt, f.Redacted
		r.Node = engine.Judge(f, engine.Options{}).Node
	}
	r.Credentials = report.Credentials{Source: engine.FromPolicies, Why: "documents given with --policy"}
	r.Features, r.Permissions = o.Evaluate()
	verdicts := map[string]iam.Verdict{}
	for _, x := range r.Permissions {
		switch x.Verdict {
		case facts.AllowedPredicted:
			verdicts[x.Action] = iam.Allow
		case facts.DeniedPredicted:
			verdicts[x.Action] = iam.ImplicitDeny
		}
	}
	if c := deprecatedNote(verdicts, s.names, p.asked(f)); c != nil {
		r.Also = append(r.Also, *c)
	}
	if err := p.print(a, r); err != nil {
		return err
	}
	return p.verdict(r)
}

// asked are facts with the features that the user named; f may be nil.
func (p *permissionFlags) asked(f *facts.Facts) *facts.Facts {
	c := facts.Facts{}
	if f != nil {
		c = *f
	}
	c.Asked = slices.Concat(c.Asked, p.features)
	return &c
}

// printDiff says what a change gains and loses; losing a feature is exit code 1.
func (p *permissionFlags) printDiff(a *app, before, after string) error {
	o, err := p.supply(a, []string{before}, nil)
	if err != nil {
		return err
	}
	n, err := p.supply(a, []string{after}, nil)
	if err != nil {
		return err
	}
	for _, m := range append(o.missing, n.missing...) {
		fmt.Fprintf(a.err, "not in the files: %s; what it may grant is unknown\n", report.Printable(m))
	}
	t := p.targetOf(nil)
	side := func(s supplied) iam.Side {
		return engine.Offline{Layers: s.layers, Endpoints: s.endpoints, Target: t, Incomplete: s.missing}.Side()
	}
	d := iam.Diff(t.Region, side(o), side(n))
	lost := false
	for _, c := range d.Features {
		lost = lost || c.Lost()
	}
	err = a.create(p.file, func(w io.Writer) error {
		if p.format == "json" {
			return encode(w, map[string]any{"features": changes(d.Features), "actions": changes(d.Actions)})
		}
		_, err := io.WriteString(w, diffText(d))
		return err
	})
	if err == nil && lost && p.failOn != "never" {
		return &exitError{code: exitDegraded}
	}
	return err
}

func diffText(d iam.Difference) string {
	if len(d.Features)+len(d.Actions) == 0 {
		return "no feature and no action changes\n"
	}
	var b strings.Builder
	for _, part := range []struct {
		title string
		list  []iam.Change
	}{{"FEATURES", d.Features}, {"ACTIONS", d.Actions}} {
		if len(part.list) == 0 {
			continue
		}
		fmt.Fprintln(&b, part.title)
		for _, word := range []string{"lost", "gained", "unclear"} {
			for _, c := range part.list {
				if turn(c) == word {
					fmt.Fprintf(&b, "  %-7s %-44s %s -> %s\n", word, c.ID, c.Old, c.New)
				}
			}
		}
	}
	return b.String()
}

// turn is a change in a word.
func turn(c iam.Change) string {
	switch {
	case !c.Known():
		return "unclear"
	case c.Lost():
		return "lost"
	}
	return "gained"
}

func changes(list []iam.Change) []map[string]any {
	out := []map[string]any{}
	for _, c := range list {
		out = append(out, map[string]any{"id": c.ID, "old": c.Old, "new": c.New, "lost": c.Lost()})
	}
	return out
}

func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// printTrust prints a trust policy.
func (p *permissionFlags) printTrust(ctx context.Context, a *app) error {
	var f *facts.Facts
	var err error
	if p.trust == "hybrid" { // the only one that names account and Region
		if f, err = p.facts(ctx, a); err != nil {
			return err
		}
	}
	b, err := iam.Trust(p.trust, p.targetOf(f))
	if err != nil {
		return usagef("%w", err)
	}
	return a.create(p.file, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s\n", b)
		return err
	})
}
