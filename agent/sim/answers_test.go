package sim_test

import (
	"slices"
	"strings"
	"testing"

	"ssm-doctor/agent/report"
	"ssm-doctor/agent/sim"
	"ssm-doctor/checks/causes"
)

// commandsOf are the commands of steps, a line each.
func commandsOf(fix []report.Step) string {
	var out []string
	for _, s := range fix {
		out = append(out, s.Command.String())
	}
	return strings.Join(out, "\n")
}

// TestNoRestartForAnAnswer: what AWS or the metadata service answers now, with the same
// credentials, a restart of the agent does not change. Where the state cannot be told, the
// steps do not offer one.
func TestNoRestartForAnAnswer(t *testing.T) {
	t.Parallel()
	answered := func(code, message string) func(*sim.Scenario) {
		return func(s *sim.Scenario) {
			sim.Refused(s, sim.Skipped+code+": "+message+sim.RequestID)
			for _, a := range []string{"ssm:GetDocument", "ssm:DescribeDocument", "ssm:ListInstanceAssociations", "sts:GetCallerIdentity"} {
				s.Faults = append(s.Faults, sim.Fault{Action: a, Status: 400, Code: code, Message: message})
			}
		}
	}
	document := func(i sim.Impostor) func(*sim.Scenario) {
		return func(s *sim.Scenario) {
			sim.Refused(s, sim.Skipped+"SerializationError: failed to decode WebServerRole EC2 instance role credentials")
			s.IMDS.Overrides = map[string]sim.Impostor{"/meta-data/iam/security-credentials/WebServerRole": i}
		}
	}
	const associate = "aws ec2 replace-iam-instance-profile-association"
	for _, x := range []struct {
		name, has string
		put       func(*sim.Scenario)
	}{
		{"signature lost on the way", "ssm-doctor explain MissingAuthenticationTokenException", answered("MissingAuthenticationTokenException", "Missing Authentication Token")},
		{"signature cut", "ssm-doctor explain IncompleteSignature", answered("IncompleteSignature", "x")},
		{"request changed", "ssm-doctor explain InvalidSignatureException", answered("InvalidSignatureException", "The request signature we calculated does not match the signature you provided.")},
		{"not the service", "ssm-doctor explain UnknownOperationException", answered("UnknownOperationException", "")},
		{"an answer of no known code", "ssm-doctor explain StrangeException", answered("StrangeException", "x")},
		{"instance not known", "aws ec2 describe-instances", func(s *sim.Scenario) { sim.Refused(s, sim.Skipped+"InvalidInstanceId: "+sim.RequestID) }},
		{"service busy", "aws health describe-events", answered("ThrottlingException", "Rate exceeded")},
		{"service down", "aws health describe-events", answered("InternalServerError", "")},
		{"role document 500", associate, document(sim.Impostor{Status: 500})},
		{"role document 503", associate, document(sim.Impostor{Status: 503})},
		{"role document 404", associate, document(sim.Impostor{Status: 404})},
		{"role document cut", associate, document(sim.Impostor{Body: `{"Code": "Succ`})},
		{"role document a page", associate, document(sim.Impostor{Body: "<html></html>"})},
		{"role list 500", associate, func(s *sim.Scenario) {
			sim.Refused(s, sim.ProfileFailed+"EC2RoleRequestError: no EC2 instance role found", sim.DHMCOff, sim.NoneValid)
			s.IMDS.Overrides = map[string]sim.Impostor{"/meta-data/iam/security-credentials": {Status: 500}}
		}},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			s := sim.HealthyProfile()
			s.Now = now
			x.put(&s)
			r, h := examine(t, s)
			if r.State != report.Unknown || r.RootCause != nil || r.CannotTell == nil {
				id, _ := answer(r)
				t.Fatalf("%s %s: %s", r.State, id, r.Summary)
			}
			got := commandsOf(r.CannotTell.Fix)
			if strings.Contains(got, "restart") || !strings.Contains(got, x.has) || strings.Count(got, "ssm-doctor check --wait") != 1 {
				t.Errorf("steps:\n%s\nwant %s, one look at what the agent does, and no restart", got, x.has)
			}
			harmless(t, h)
		})
	}
}

// TestRegionNotEnabled: keys that AWS does not know are those of a role that is gone, or any
// in a Region that the account has not enabled. Both are named where both can be, and the
// steps of each close its own case alone.
func TestRegionNotEnabled(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		name, region string
		off          bool
		both         bool
	}{
		{"enabled everywhere, role gone", "eu-central-1", false, false},
		{"to enable, role gone", "af-south-1", false, true},
		{"to enable, and not enabled", "af-south-1", true, true},
		{"a Region of later", "xx-new-9", true, true},
		{"another partition", "cn-north-1", false, false},
		{"GovCloud", "us-gov-west-1", false, false},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			s := sim.HealthyProfile()
			s.Now, s.Region, s.RegionOff = now, x.region, x.off
			s.Principals["profile"].Revoked = !x.off
			sim.Refused(&s, sim.Skipped+"UnrecognizedClientException: The security token included in the request is invalid."+sim.RequestID)
			r, _ := examine(t, s)
			list := named(r)
			ids := func() (out []string) {
				for _, c := range list {
					out = append(out, c.ID)
				}
				return out
			}()
			want := []string{"instance-profile-trust-broken"}
			if x.both {
				want = append(want, "account-not-enabled")
			}
			slices.Sort(ids)
			slices.Sort(want)
			if !slices.Equal(ids, want) {
				t.Fatalf("named %q, want %q: %s", ids, want, r.Summary)
			}
			for _, c := range list {
				if possible := c.Confidence == "possible"; possible != x.both {
					t.Errorf("%s is %s", c.ID, c.Confidence)
				}
				if c.ID != "account-not-enabled" {
					continue
				}
				var changes []causes.Change
				for _, f := range c.Fix {
					list, _ := causes.ChangesOf(f.Command.String(), f.Where)
					changes = append(changes, list...)
				}
				after, err := sim.After(s, changes)
				if err != nil {
					t.Fatal(err)
				}
				after.Now = s.Now
				if r, _ := examine(t, after); (r.State == report.Managed) != x.off {
					t.Errorf("after it was enabled: %s %s", r.State, r.Summary)
				}
			}
		})
	}
}
