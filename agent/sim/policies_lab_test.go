//go:build lab

package sim_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ssm-doctor/agent/gather/awsapi"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
)

// every probe family but that which needs rights over its own role.
func families() string {
	return strings.Join(slices.DeleteFunc(slices.Clone(awsapi.ProbeFamilies), func(s string) bool { return s == "simulator" }), ",")
}

// TestVerdictsAgreeInLab attaches every document alone, in each way a node gets
// its role, and compares what the program says of every action it asked with
// what the lab's evaluator answered. With -short the roles that the agent gets
// from the service carry a fourth of the documents.
func TestVerdictsAgreeInLab(t *testing.T) {
	for _, way := range []struct{ tree, principal, kind string }{
		{"healthy-profile", "profile", "instance-profile"},
		{"healthy-dhmc", "dhmc", "dhmc"},
		{"hybrid-healthy", "hybrid", "hybrid"},
	} {
		t.Run(way.principal, func(t *testing.T) {
			t.Parallel()
			b := newBox(t, "agree-"+way.principal)
			proven, tried := 0, 0
			for i, name := range carriedPolicies(t) {
				if testing.Short() && (i%4 != 0 && way.principal != "profile" || i%2 != 0) {
					continue
				}
				raw, ok := iam.Document(name)
				if !ok {
					t.Fatalf("no text of %s", name)
				}
				t.Run(name, func(t *testing.T) {
					b.up(t, way.tree, func(s map[string]any) {
						s["principals"] = map[string]any{way.principal: map[string]any{"kind": way.kind, "policies": []any{
							map[string]any{"arn": "inline", "document": json.RawMessage(raw)}}}}
					})
					r, _ := b.doctor(t, "permissions --no-redact --probe "+families())
					answered := map[string]map[string]bool{}
					for _, q := range b.journal(t) {
						if q.Action != "" && q.Verdict != "" && q.Service != "dns" {
							if answered[q.Action] == nil {
								answered[q.Action] = map[string]bool{}
							}
							answered[q.Action][q.Verdict] = true
						}
					}
					agree, unknown, why := 0, 0, ""
					for _, p := range r.Permissions {
						said, asked := answered[p.Action]
						if !asked {
							continue
						}
						tried++
						switch p.Verdict {
						case facts.AllowedProven, facts.AllowedPredicted:
							if !said["allow"] {
								t.Errorf("%s is held for %s, the lab said %v", p.Action, p.Verdict, said)
							}
							agree++
						case facts.DeniedProven, facts.DeniedPredicted:
							if len(said) == 1 && said["allow"] {
								t.Errorf("%s is held for %s, the lab allowed it", p.Action, p.Verdict)
							}
							agree++
						default:
							unknown++
							why = p.Evidence
						}
					}
					proven += agree
					if agree == 0 {
						t.Errorf("nothing was asked and answered: %s", why)
					}
					t.Logf("%d agree, %d unknown", agree, unknown)
				})
			}
			t.Logf("%d of %d actions have a verdict", proven, tried)
			if proven*10 < tried*8 {
				t.Errorf("%d of %d actions have a verdict", proven, tried)
			}
		})
	}
}

// TestProbesInLab holds down what a default run and every family of probes sends.
func TestProbesInLab(t *testing.T) {
	b := newBox(t, "probes")
	b.up(t, "healthy-profile", nil)
	var text strings.Builder
	sent := func(args string) []string {
		before := len(b.journal(t))
		b.doctor(t, args)
		actions := map[string]bool{}
		for _, q := range b.journal(t)[before:] {
			switch q.Service {
			case "dns", "imds", "tls", "ntp":
			default:
				if q.AccessKey == "" {
					q.Action = strings.TrimSuffix(fmt.Sprintf("unsigned %s %s", q.Method, q.Service+q.Path), "/")
				}
				actions[q.Action] = true
			}
		}
		return slices.Sorted(maps.Keys(actions))
	}
	plain := sent("check")
	fmt.Fprintf(&text, "default\n  %s\n", strings.Join(plain, "\n  "))
	for _, family := range awsapi.ProbeFamilies {
		more := slices.DeleteFunc(sent("check --probe "+family), func(a string) bool { return slices.Contains(plain, a) })
		if len(more) == 0 {
			more = []string{"nothing: the lab has no such endpoint"}
		}
		fmt.Fprintf(&text, "--probe %s\n  %s\n", family, strings.Join(more, "\n  "))
	}
	golden := filepath.Join("testdata", "lab-probes.txt")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(golden, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if text.String() != string(want) {
		t.Errorf("what is sent changed:\n%s\nwant:\n%s", text.String(), want)
	}
}
