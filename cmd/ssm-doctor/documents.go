package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/report"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
)

// maxDocument bounds a file with one policy, with what is around it.
const maxDocument = 1 << 20

// supplied is what a set of files holds.
type supplied struct {
	layers iam.Layers
	// endpoints are endpoint policies by service, "" for all.
	endpoints map[string][]*iam.Policy
	missing   []string // attached policies whose documents are not there
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
		b, err := a.readInput(name, iam.MaxDetails)
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
		want := p.role
		if want == "" && f != nil {
			want = engine.RoleInUse(f)
		}
		role, err := engine.ChooseRole(roles, want)
		if err != nil {
			return s, usagef("%s: %w%s", name, err, didYouMean(want, roleNames(roles), ""))
		}
		if role, err = role.WithDocuments(b); err != nil {
			return s, usagef("%s: %w", name, err)
		}
		s.layers.Identity = append(s.layers.Identity, role.Identity...)
		s.missing = append(s.missing, role.Missing...)
		if role.Boundary != nil {
			s.layers.Boundary = append(s.layers.Boundary, role.Boundary...)
		}
		s.notes = append(s.notes, "role "+role.Name)
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
		endpoint, name, ok := strings.Cut(v, "=")
		if !ok {
			endpoint, name = "", v
		}
		if s.endpoints == nil {
			s.endpoints = map[string][]*iam.Policy{}
		}
		ds, err := a.policyFiles([]string{name}, iam.ParsePolicy)
		if err != nil {
			return s, err
		}
		service, err := engine.EndpointService(endpoint)
		if err != nil {
			return s, usagef("--endpoint-policy: %w", err)
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
			policies, err := a.policyFiles(strings.Split(v, ","), x.parse)
			if err != nil {
				return s, err
			}
			level, completed := engine.OrganizationLevel(policies)
			if completed {
				s.notes = append(s.notes, "the "+x.kind+" "+v+" only deny; taken together with the policy that allows everything, which AWS attaches at first")
			}
			*x.to = append(*x.to, level)
		}
	}
	return s, nil
}

func roleNames(roles []iam.Role) []string {
	var out []string
	for _, r := range roles {
		out = append(out, r.Name)
	}
	return out
}

// judgeDocuments prints the matrix of documents.
func (p *permissionFlags) judgeDocuments(a *app) error {
	var f *facts.Facts
	var err error
	if p.from != "" {
		if f, err = a.readFacts(p.from, p.noRedact); err != nil {
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
	r := engine.Offline{Layers: s.layers, Endpoints: s.endpoints, Target: p.targetOf(f), Facts: f, Asked: p.features, Incomplete: s.missing}.Report(versionString())
	if err := p.print(a, r); err != nil {
		return err
	}
	return p.verdict(r)
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
	node, err := p.nodeWith(a, side(o), side(n))
	if err != nil {
		return err
	}
	lost := false
	for _, c := range d.Features {
		lost = lost || c.Lost()
	}
	err = a.create(p.file, func(w io.Writer) error {
		if p.format == "json" {
			out := map[string]any{"features": changes(d.Features), "actions": changes(d.Actions)}
			if node != nil {
				out["node"] = node
			}
			return encode(w, out)
		}
		_, err := io.WriteString(w, printableLines(diffText(d)+nodeText(node)))
		return err
	})
	if err == nil && lost && p.failOn != "never" {
		return &exitError{code: exitDegraded}
	}
	return err
}

// changedNode is what policies make of the node of facts.
type changedNode struct {
	Old report.Way `json:"old"`
	New report.Way `json:"new"`
}

// nodeWith is what the old and the new policies make of the node whose facts are given;
// nil: none are.
func (p *permissionFlags) nodeWith(a *app, before, after iam.Side) (*changedNode, error) {
	if p.from == "" {
		return nil, nil
	}
	f, err := a.readFacts(p.from, p.noRedact)
	if err != nil {
		return nil, err
	}
	var out changedNode
	for way, side := range map[*report.Way]iam.Side{&out.Old: before, &out.New: after} {
		if *way, err = engine.PlanPolicies(f, side.Verdicts, engine.Options{}); err != nil {
			return nil, err
		}
	}
	return &out, nil
}

func nodeText(n *changedNode) string {
	if n == nil {
		return ""
	}
	var b strings.Builder
	fmt.Fprintln(&b, "NODE")
	for i, w := range []report.Way{n.Old, n.New} {
		fmt.Fprintf(&b, "  %s  %s\n", []string{"with the old policies:", "with the new policies:"}[i], w.Outcome())
		for _, x := range w.NotKnown {
			fmt.Fprintf(&b, "    - %s\n", x)
		}
	}
	return b.String()
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

func encode(w io.Writer, v any) error { return report.WriteJSON(w, v, "  ") }

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
