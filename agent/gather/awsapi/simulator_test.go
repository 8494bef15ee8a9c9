package awsapi

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
)

func member(action, decision, more string) string {
	return "<member><EvalActionName>" + action + "</EvalActionName><EvalResourceName>*</EvalResourceName><EvalDecision>" + decision + "</EvalDecision>" + more + "</member>"
}

func simulated(members ...string) func(http.ResponseWriter) {
	return xmlAnswer(200, `<SimulatePrincipalPolicyResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><SimulatePrincipalPolicyResult><IsTruncated>false</IsTruncated><EvaluationResults>`+
		strings.Join(members, "")+`</EvaluationResults></SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>`)
}

func TestParseSimulation(t *testing.T) {
	t.Parallel()
	rec := func(members ...string) []byte {
		var b strings.Builder
		simulated(members...)(plainWriter{&b})
		return []byte(b.String())
	}
	var got []string
	for _, p := range parseSimulation(rec(
		member("ssm:PutInventory", "allowed", ""),
		member("SSM:getdocument", "implicitDeny", ""),
		member("ssm:GetManifest", "explicitDeny", ""),
		member("ssm:GetParameter", "implicitDeny", "<OrganizationsDecisionDetail><AllowedByOrganizations>false</AllowedByOrganizations></OrganizationsDecisionDetail>"),
		member("ssm:GetParameters", "implicitDeny", "<OrganizationsDecisionDetail><AllowedByOrganizations>true</AllowedByOrganizations></OrganizationsDecisionDetail><PermissionsBoundaryDecisionDetail><AllowedByPermissionsBoundary>false</AllowedByPermissionsBoundary></PermissionsBoundaryDecisionDetail>"),
		member("ssmmessages:OpenDataChannel", "implicitDeny", "<MissingContextValues><member>aws:SourceVpce</member></MissingContextValues>"),
		member("iam:DeleteRole", "allowed", ""),
		member("ssm:PutInventory", "perhaps", ""),
	)) {
		got = append(got, fmt.Sprint(p.Action, " ", p.Verdict, " ", p.Layer, " ", p.Explicit))
	}
	want := []string{"ssm:PutInventory allowed-predicted  false", "ssm:GetDocument denied-predicted identity false", "ssm:GetManifest denied-predicted identity true",
		"ssm:GetParameter denied-predicted scp false", "ssm:GetParameters denied-predicted boundary false", "ssmmessages:OpenDataChannel unknown-inconclusive  false"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if parseSimulation([]byte("<html>")) != nil || parseSimulation(nil) != nil {
		t.Error("reads verdicts from something else")
	}
}

// plainWriter is as much of a ResponseWriter as an answer needs.
type plainWriter struct{ *strings.Builder }

func (plainWriter) Header() http.Header { return http.Header{} }

func (plainWriter) WriteHeader(int) {}

func TestSimulator(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		answers []func(http.ResponseWriter)
		calls   int
		verdict string // on the simulator itself
		put     string // on ssm:PutInventory
	}{
		{"answers", []func(http.ResponseWriter){simulated(member("ssm:PutInventory", "allowed", "")), simulated(member("ssm:UpdateInstanceInformation", "allowed", ""))}, 2, facts.AllowedProven, facts.AllowedPredicted},
		{"the role has a path", []func(http.ResponseWriter){xmlAnswer(404, "<ErrorResponse><Error><Code>NoSuchEntity</Code><Message>x</Message></Error></ErrorResponse>"), simulated(member("ssm:PutInventory", "implicitDeny", "")), simulated()}, 3, facts.AllowedProven, facts.DeniedPredicted},
		{"refused", []func(http.ResponseWriter){xmlAnswer(403, "<ErrorResponse><Error><Code>AccessDenied</Code><Message>"+refusal("iam:SimulatePrincipalPolicy", " because no identity-based policy allows the iam:SimulatePrincipalPolicy action")+"</Message></Error></ErrorResponse>")}, 1, facts.DeniedProven, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n := 0
			s := &fakeAWS{answers: map[string]func(http.ResponseWriter){}}
			s.answers["iam:SimulatePrincipalPolicy"] = func(w http.ResponseWriter) { n++; c.answers[min(n, len(c.answers))-1](w) }
			env, f := awsEnv(t, s)
			env.Probes = []string{"simulator"}
			look(t, env, f)
			verdicts := map[string]string{}
			for _, x := range f.Permissions.Actions.Value {
				verdicts[x.Action] = x.Verdict
			}
			if verdicts[node.SimulatorFrom] != c.verdict || verdicts["ssm:PutInventory"] != c.put || f.Permissions.Calls[node.SimulatorFrom] != c.calls {
				t.Errorf("%d calls, %v", f.Permissions.Calls[node.SimulatorFrom], verdicts)
			}
			for _, r := range s.got {
				if !strings.HasPrefix(r.action, "iam:") {
					continue
				}
				q, err := url.ParseQuery(r.body)
				if err != nil || !strings.HasPrefix(q.Get("PolicySourceArn"), "arn:aws:iam::111122223333:role/") || q.Get("ActionNames.member.1") == "" || !strings.Contains(r.auth, "/us-east-1/iam/aws4_request") {
					t.Errorf("%+v", r)
				}
			}
			if c.verdict != facts.DeniedProven {
				return
			}
			if p := look(t, env, f)[node.SimulatorFrom]; p.Verdict != facts.NotProbed || n != c.calls {
				t.Errorf("asked again within a day: %+v", p)
			}
		})
	}
}

func TestIAMRole(t *testing.T) {
	t.Parallel()
	for arn, want := range map[string]string{
		"arn:aws-cn:sts::111122223333:assumed-role/NodeRole/i-0":      "arn:aws-cn:iam::111122223333:role/NodeRole",
		"arn:aws:sts::111122223333:assumed-role/aws:ec2-instance/i-0": "",
		"arn:aws:iam::111122223333:user/x":                            "",
		"":                                                            "",
	} {
		if got := iamRole(arn, ""); got != want {
			t.Errorf("%q: %q, want %q", arn, got, want)
		}
	}
	node, free := simulatedActions()
	if len(node) < 3 || len(free) < 15 {
		t.Errorf("node %v, free %v", node, free)
	}
}

func FuzzParseSimulation(f *testing.F) {
	var b strings.Builder
	simulated(member("ssm:PutInventory", "allowed", ""), member("ssm:GetDocument", "implicitDeny", "<MissingContextValues><member>a</member></MissingContextValues>"))(plainWriter{&b})
	f.Add([]byte(b.String()))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, p := range parseSimulation(body) {
			if p.Verdict == facts.AllowedProven || p.Verdict == facts.DeniedProven || p.Action == "" || len(p.Message) > 1200 {
				t.Errorf("%+v", p)
			}
		}
	})
}
