package engine

import (
	"slices"
	"testing"

	"ssm-doctor/agent/report"
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/text"
)

// TestOperators: of the steps that a way lists, those for a case that may not be are an
// operator's too.
func TestOperators(t *testing.T) {
	t.Parallel()
	attach := report.Step{Text: text.New("If the role was deleted, attach the profile again"), Where: causes.OperatorCLI,
		Command: text.New("aws ec2 replace-iam-instance-profile-association --association-id iip-assoc-0123456789abcdef0 --iam-instance-profile Name=P")}
	start := report.Step{Text: text.New("Start the agent"), Command: text.New("systemctl start amazon-ssm-agent"), Where: causes.OnHost, Root: true}
	look := report.Step{Text: text.New("Look"), Command: text.New("aws sts get-caller-identity"), Where: causes.OperatorCLI}
	r := &report.Report{State: report.NotManaged, RootCause: &report.Cause{ID: "agent-stopped", Fix: []report.Step{look, start, attach}}}
	p, err := Plan(factstest.Healthy(t, "profile"), r, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Ways) != 1 {
		t.Fatalf("%d ways", len(p.Ways))
	}
	if w := p.Ways[0]; w.State == report.Unknown || !slices.Equal(w.Steps, []int{1, 2, 3}) || !slices.Equal(w.Operator, []int{3}) {
		t.Errorf("%s, steps %v, of an operator %v; not known: %v", w.State, w.Steps, w.Operator, w.NotKnown)
	}
}
