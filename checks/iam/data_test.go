package iam

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/packaging/gen/golden"
)

// grantOf reads from a document how it grants an action.
func grantOf(p *Policy, a Action) Grant {
	r := Request{Action: a.Action}
	if len(a.ResourceTypes) == 0 {
		r.Resource = "*"
	}
	switch Evaluate(Layers{Identity: []*Policy{p}}, r).Verdict {
	case Allow:
		return Grant{Scope: "all"}
	case ImplicitDeny, ExplicitDeny:
		return Grant{}
	}
	g := Grant{Scope: "limited"}
	for _, s := range p.Statements {
		if s.Allow && slices.ContainsFunc(s.Actions, func(x string) bool { return MatchAction(x, a.Action) }) {
			g.Resources = append(g.Resources, s.Resources...)
			g.Conditional = g.Conditional || len(s.Conditions) > 0
		}
	}
	slices.Sort(g.Resources)
	g.Resources = slices.Compact(g.Resources)
	if slices.Equal(g.Resources, []string{"*"}) {
		g.Resources = nil // a condition limits it
	}
	return g
}

// TestGoldenGrants holds grants.json to the documents and the rows of actions.
func TestGoldenGrants(t *testing.T) {
	t.Parallel()
	grants := map[string]map[string]Grant{}
	for _, a := range Actions() {
		for _, c := range Codes() {
			d := documentByName(c.Name)
			if d == nil {
				t.Fatalf("no document of %s (%s)", c.Name, c.Code)
			}
			g := grantOf(d.Policy, a)
			if g.Scope == "" {
				continue
			}
			if grants[a.Action] == nil {
				grants[a.Action] = map[string]Grant{}
			}
			grants[a.Action][c.Name] = g
		}
	}
	var want bytes.Buffer
	for i, action := range slices.Sorted(maps.Keys(grants)) {
		row, err := json.Marshal(grants[action])
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&want, "%c\n %q: %s", "{,"[min(i, 1)], action, row)
	}
	want.WriteString("\n}\n")
	golden.File(t, "data/grants.json", want.Bytes())
}

// TestDataCoverage: the coverage of each feature follows from the documents.
func TestDataCoverage(t *testing.T) {
	t.Parallel()
	for _, f := range Features() {
		need := f.Of(Mandatory)
		for _, c := range Codes() {
			d := documentByName(c.Name)
			var want Coverage
			full, limited := 0, 0
			for _, n := range need {
				a, _ := ActionByName(n)
				switch grantOf(d.Policy, a).Scope {
				case "all":
					full++
				case "limited":
					limited++
				default:
					want.Missing = append(want.Missing, n)
				}
			}
			switch {
			case len(need) == 0 || full+limited == 0:
				want = Coverage{}
			case full == len(need):
				want.Result = "full"
			case full+limited == len(need):
				want.Result = "full-limited-scope"
			default:
				want.Result = "partial"
			}
			got := f.CoverageBy(c.Name)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s with %s, documents against table\n%s", f.ID, c.Name, diff)
			}
		}
	}
}

// TestDataMembers: rows have no members but those that are read.
func TestDataMembers(t *testing.T) {
	t.Parallel()
	var m matrix
	d := json.NewDecoder(bytes.NewReader(featureData))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		t.Error(err)
	}
}

// TestDataFeatures: rows are complete and name what exists.
func TestDataFeatures(t *testing.T) {
	t.Parallel()
	needs := []string{Mandatory, Conditional, Optional, Legacy, Forbidden, NotInRole}
	ids, told := map[string]bool{}, map[string]bool{}
	sources := []string{SourceProfile, SourceDHMC, SourceHybrid}
	used := map[string]bool{"sts:GetCallerIdentity": true, "iam:SimulatePrincipalPolicy": true, "ec2:DescribeInstanceStatus": true, "ssm:GetServiceSetting": true}
	for _, f := range Features() {
		if ids[f.ID] || !regexp.MustCompile(`^[a-z0-9-]+$`).MatchString(f.ID) || f.Title == "" || len(f.Applies) == 0 || len(f.Actions) == 0 || len(f.Recommend) == 0 {
			t.Errorf("incomplete or double: %+v", f)
		}
		ids[f.ID] = true
		if f.Parent != "" && !ids[f.Parent] {
			t.Errorf("%s: parent %s must come before it", f.ID, f.Parent)
		}
		for _, s := range f.Applies {
			if !slices.Contains(sources, s) {
				t.Errorf("%s applies to %q", f.ID, s)
			}
		}
		if f.JudgedRole != "" && !slices.Contains(sources, f.JudgedRole) || f.GrantTo != "" && !slices.Contains(sources, f.GrantTo) || f.InUse != nil && (f.InUse.Why == "" || f.InUse.Source != "" && !slices.Contains(sources, f.InUse.Source)) {
			t.Errorf("%s: a source that there is not, or in use without a reason: %q %q %+v", f.ID, f.JudgedRole, f.GrantTo, f.InUse)
		}
		seen := map[string]bool{}
		for _, n := range f.Actions {
			if _, ok := ActionByName(n.Action); !ok || seen[n.Action] || !slices.Contains(needs, n.Need) {
				t.Errorf("%s: %+v", f.ID, n)
			}
			seen[n.Action], used[n.Action] = true, true
			if grantResources[n.Resource] == nil && n.Resource != "" {
				t.Errorf("%s: %s on %q, which is no kind of resource", f.ID, n.Action, n.Resource)
			}
		}
		for _, a := range slices.Concat(f.Polled, f.ToldBy) {
			if !seen[a] {
				t.Errorf("%s: %s is none of its actions", f.ID, a)
			}
		}
		for _, a := range f.ToldBy {
			if told[a] {
				t.Errorf("%s: %s tells of another feature too", f.ID, a)
			}
			told[a] = true
		}
		for _, id := range f.GrantWith {
			if _, ok := FeatureByID(id); !ok {
				t.Errorf("%s: granted with %q, which is no feature", f.ID, id)
			}
		}
		for _, p := range f.Recommend {
			if documentByName(p) == nil {
				t.Errorf("%s recommends %s, of which there is no document", f.ID, p)
			}
		}
		if f.Instead != nil {
			for _, a := range slices.Concat(f.Instead.Of, f.Instead.Use) {
				if !seen[a] {
					t.Errorf("%s: alternative names %s, which is none of its actions", f.ID, a)
				}
			}
		}
	}
	names := []string{}
	for _, a := range Actions() {
		names = append(names, a.Action)
		if a.Level == "" || !used[a.Action] {
			t.Errorf("%s: no level, or no feature uses it", a.Action)
		}
		for p := range a.GrantedBy {
			if !slices.ContainsFunc(Codes(), func(c Code) bool { return c.Name == p }) {
				t.Errorf("%s is granted by %s, which has no code", a.Action, p)
			}
		}
	}
	if !slices.IsSorted(names) {
		t.Error("the action table is not sorted")
	}
}

// TestDataDocuments: file names, ARNs, versions and dates are in order.
func TestDataDocuments(t *testing.T) {
	t.Parallel()
	if len(loadDocuments()) == 0 {
		t.Error("no documents")
	}
	placeholder := regexp.MustCompile(`\b(REGION|ACCOUNT_ID|BUCKET_NAME|PREFIX|LOG_GROUP|PATH|ROLE_NAME|DIRECTORY_ID|[A-Z]+_KEY_ID|SUFFIX)\b`)
	for _, d := range loadDocuments() {
		b, ok := Document(d.Name)
		if !ok {
			t.Errorf("%s: name and file name differ", d.Name)
		}
		_, err := time.Parse(time.DateOnly, d.Date)
		managed := d.Kind == "aws-managed"
		if managed != (d.ARN != "") || managed != regexp.MustCompile(`^v[1-9][0-9]*$`).MatchString(d.Version) || managed != (err == nil) {
			t.Errorf("%s: kind %s, ARN %q, version %q, date %q", d.Name, d.Kind, d.ARN, d.Version, d.Date)
		}
		if managed && (!strings.HasPrefix(d.ARN, "arn:aws:iam::aws:policy/") || !strings.HasSuffix(d.ARN, "/"+d.Name)) {
			t.Errorf("%s: ARN %s", d.Name, d.ARN)
		}
		if managed && placeholder.Match(d.raw) {
			t.Errorf("%s: placeholder in an AWS-managed document", d.Name)
		}
		if d.Note == "" || !slices.Contains([]string{"instance", "role", "user", "quick-setup"}, d.Audience) {
			t.Errorf("%s: no note, or audience %q", d.Name, d.Audience)
		}
		var doc any
		if json.Unmarshal(d.raw, &doc) != nil || !bytes.Contains(b, []byte(`"document"`)) {
			t.Errorf("%s: no document", d.Name)
		}
		trust := d.Kind == "trust"
		if trust != strings.HasPrefix(d.Name, "TrustPolicy-") {
			t.Errorf("%s: kind %s", d.Name, d.Kind)
		}
		for _, s := range d.Policy.Statements {
			if trust != (s.Principals != nil) || trust != (s.Resources == nil) {
				t.Errorf("%s: a principal only in trust policies, a resource only in others", d.Name)
			}
		}
	}
	if got := PolicyARN("AmazonEC2RoleforSSM", "aws-cn"); got != "arn:aws-cn:iam::aws:policy/service-role/AmazonEC2RoleforSSM" {
		t.Error(got)
	}
	if PolicyARN("custom-ParameterRead", "aws") != "" || PolicyARN("none", "") != "" {
		t.Error("an ARN for a policy that is not AWS-managed")
	}
}
