package iam

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rights evaluates documents as the only policies of a role.
func rights(t *testing.T, names ...string) func(string) Verdict {
	t.Helper()
	l := Layers{Identity: []*Policy{}}
	for _, n := range names {
		if n == "everything" {
			l.Identity = append(l.Identity, doc(t, n, allowAll))
			continue
		}
		d := documentByName(n)
		if d == nil {
			t.Fatalf("no document %s", n)
		}
		l.Identity = append(l.Identity, d.Policy)
	}
	return func(action string) Verdict {
		a, ok := ActionByName(action)
		if !ok {
			t.Fatalf("no action %s", action)
		}
		return Evaluate(l, requestFor(a)).Verdict
	}
}

func TestDeprecatedSignature(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		policies string
		want     Signature
	}{
		{Deprecated, Signature{Policy: Deprecated, Likely: true}},
		{Deprecated + " " + Core, Signature{Policy: Deprecated, With: []string{Core}, Likely: true}},
		{Deprecated + " AmazonSSMDirectoryServiceAccess", Signature{Policy: Deprecated, Likely: true}},
		{"AmazonSSMFullAccess", Signature{Policy: "AmazonSSMFullAccess", Likely: true}},
		{"everything", Signature{Policy: Deprecated, With: []string{"CloudWatchAgentServerPolicy"}, Or: []string{"ReadOnlyAccess", "PowerUserAccess", "AdministratorAccess"}}},
		{"RunCommandInstance", Signature{Policy: "RunCommandInstance", Or: []string{"a copy of it"}, Excluded: true}},
		{Core, Signature{Excluded: true}},
		{"AmazonSSMManagedEC2InstanceDefaultPolicy", Signature{Excluded: true}},
		{"CloudWatchAgentServerPolicy", Signature{Excluded: true}},
		{"AmazonSSMReadOnlyAccess", Signature{Excluded: true}},
	} {
		if d := cmp.Diff(c.want, DeprecatedSignature(rights(t, strings.Fields(c.policies)...))); d != "" {
			t.Errorf("%s\n%s", c.policies, d)
		}
	}
	none := DeprecatedSignature(func(string) Verdict { return Unknown })
	if none.Policy != "" || none.Excluded || len(none.Missing) != 5 {
		t.Errorf("nothing known: %+v", none)
	}
	old := rights(t, Deprecated)
	for _, hidden := range SignatureActions[:5] {
		s := DeprecatedSignature(func(a string) Verdict {
			if a == hidden {
				return Unknown
			}
			return old(a)
		})
		if s.Policy != "" || !slices.Equal(s.Missing, []string{hidden}) {
			t.Errorf("without %s: %+v", hidden, s)
		}
	}
}

// No carried policy but the deprecated one looks like it alone.
func TestSignatureIsUnique(t *testing.T) {
	t.Parallel()
	for _, d := range loadDocuments() {
		if d.Kind == "trust" || d.Name == Deprecated {
			continue
		}
		if s := DeprecatedSignature(rights(t, d.Name)); s.Policy == Deprecated {
			t.Errorf("%s is taken for it: %+v", d.Name, s)
		}
	}
}

func TestMigration(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		used []string
		want []string
		lost []string // among others
		kept []string
	}{
		{nil, []string{Core + " []"}, []string{"s3:PutObject", "ds:CreateComputer", "ec2:DescribeInstanceStatus", "logs:PutLogEvents"}, []string{"ssm:GetParameters", "ec2messages:GetMessages"}},
		{[]string{"core", "messaging", "domain-join", "cloudwatch-agent", "run-command-output-s3", "managed-buckets", "vss-snapshots"},
			[]string{Core + " [core messaging]", "custom-RunCommandOutputS3 [run-command-output-s3]", "AmazonSSMDirectoryServiceAccess [domain-join]",
				"CloudWatchAgentServerPolicy [cloudwatch-agent]", "custom-ManagedBucketsRead [managed-buckets]"},
			[]string{"ec2:DescribeInstanceStatus", "s3:ListBucket"}, []string{"s3:PutObject", "s3:GetObject", "ds:CreateComputer", "logs:PutLogEvents"}},
	} {
		p := Migration(c.used)
		var got []string
		for _, r := range p.Attach {
			got = append(got, fmt.Sprint(r.Policy, " ", r.Features))
			if r.Managed != (PolicyARN(r.Policy, "") != "") {
				t.Errorf("%s: managed %v", r.Policy, r.Managed)
			}
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Error(d)
		}
		for _, a := range c.lost {
			if !slices.Contains(p.Lost, a) {
				t.Errorf("%v: %s is lost and not listed", c.used, a)
			}
		}
		for _, a := range c.kept {
			if slices.Contains(p.Lost, a) {
				t.Errorf("%v: %s is listed as lost", c.used, a)
			}
		}
	}
}

// TestTable compares cells that the announcement of the deprecation and the
// user guide give in words.
func TestTable(t *testing.T) {
	t.Parallel()
	column := map[string]int{}
	for i, c := range Codes() {
		column[c.Code] = i
	}
	cells := map[string][]string{}
	for _, r := range Table() {
		cells[r.Feature.ID] = r.Cells
	}
	for _, c := range []struct{ feature, code, want string }{
		{"core", "MIC", "yes"}, {"core", "CWS", ""}, {"session-manager", "MIC", "yes"}, {"session-manager", "RCI", "part"}, {"parameter-store", "OLD", "part"},
		{"parameter-store", "DHM", ""}, {"domain-join", "DSA", "yes"}, {"domain-join", "MIC", ""}, {"cloudwatch-agent", "CWS", "yes"}, {"cloudwatch-agent", "MIC", ""},
		{"run-command-output-s3", "S3P", "yes~"}, {"run-command-output-s3", "MIC", ""}, {"vss-snapshots", "VSS", "yes~"}, {"vss-snapshots", "OLD", ""}, {"session-kms", "MIC", ""},
	} {
		if got := cells[c.feature][column[c.code]]; got != c.want {
			t.Errorf("%s with %s: %q, want %q", c.feature, c.code, got, c.want)
		}
	}
	for _, f := range Features() {
		if got, want := cells[f.ID] != nil, len(f.Of(Mandatory)) > 0; got != want {
			t.Errorf("%s in the table: %v, has actions it always needs: %v", f.ID, got, want)
		}
	}
	if cells["dhmc"] != nil {
		t.Error("a policy cannot serve what the instance profile must not allow")
	}
}
