package sim_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ssm-doctor/agent/report"
	"ssm-doctor/agent/sim"
)

// situation is one of the recorded situations as the other end of a change.
type situation struct {
	name string
	// causes may be named first once the situation is there; empty: it is healthy.
	causes string
	// unseen: before the agent tries, nothing on the host shows it.
	unseen bool
	// hides: nothing of this run reaches AWS as the agent, so that whether an earlier
	// refusal still stands cannot be seen.
	hides bool
	// after are the lines that a running agent writes soon after the change to it, as
	// recorded ones did: distance to the change in seconds, then the line.
	after []string
}

const (
	dropped  = "4 WARN [ssm-agent-worker] [MessageService] [MGSInteractor] Reach the retry limit 5 for receive messages. Error: websocket: close 1006 (abnormal closure): unexpected EOF"
	tried    = "9 INFO [ssm-agent-worker] [MessageService] [MGSInteractor] SSM Connection channel status is set to ssmmessages"
	fellBack = "6 INFO [ssm-agent-worker] [MessageService] [MGSInteractor] SSM Connection channel status is set to ec2messages"
	reopened = "6 INFO [ssm-agent-worker] [MessageService] [MGSInteractor] Successfully opened websocket connection to: 198.18.1.11:443"
	polls    = "8 ERROR [ssm-agent-worker] [MessageService] [MDSInteractor] error when calling AWS APIs. error details - GetMessages Error: "
	waits    = "agent-backoff-wait|credentials-stale|channel-stale-connection|channel-down|agent-service-stopped|imds-not-ready-at-boot"
	neither  = "profile-shadows-dhmc|iam-missing-channel-action|iam-missing-registration-action"
)

var situations = []situation{
	{name: "healthy-profile", after: []string{dropped, reopened}},
	{name: "healthy-dhmc", after: []string{dropped, reopened}},
	{name: "legacy-AmazonEC2RoleforSSM", after: []string{dropped, reopened}},
	{name: "assume-role-unauthorized", causes: "instance-profile-trust-broken", hides: true, after: []string{dropped, reopened}},
	{name: "blackholed-all", causes: "network-no-egress", hides: true, after: []string{dropped, tried}},
	{name: "clock-skew", causes: "clock-skew", hides: true, after: []string{dropped, tried, polls + "InvalidSignatureException: Signature expired: 20261122T091216Z is now earlier than 20261122T092416Z (20261122T092916Z - 5 min.)"}},
	{name: "imds-disabled", causes: "imds-disabled", hides: true, after: []string{dropped, reopened}},
	{name: "imds-unreachable", causes: "imds-unreachable|imds-blocked-by-host|imds-route-wrong", hides: true, after: []string{dropped, reopened}},
	{name: "missing-ssmmessages", causes: "iam-missing-channel-action", unseen: true, after: []string{dropped, fellBack}},
	{name: "no-profile-no-dhmc", causes: "no-credential-source|credentials-stale", after: []string{dropped, tried, polls + "UnrecognizedClientException: The security token included in the request is invalid."}},
	{name: "profile-blocks-dhmc", causes: neither, unseen: true, after: []string{dropped, fellBack, polls + "AccessDeniedException: User: arn:aws:sts::111122223333:assumed-role/LabInstanceRole/i-0abc1234def567890 is not authorized to perform: ec2messages:GetMessages because no identity-based policy allows the ec2messages:GetMessages action"}},
	{name: "scp-deny", causes: "iam-explicit-deny", after: []string{dropped, fellBack}},
	{name: "tls-intercepting-proxy", causes: "tls-untrusted-ca", hides: true, after: []string{dropped, tried}},
}

// accepted are the situations in which the recorded agent was accepted.
var accepted = []string{"healthy-profile", "healthy-dhmc", "legacy-AmazonEC2RoleforSSM", "missing-ssmmessages", "profile-blocks-dhmc"}

// usesDHMC, without a profile; the others that get credentials use a profile.
func usesDHMC(name string) bool { return name == "healthy-dhmc" }

// TestSwitched puts the world of every situation behind the agent of every other one:
// its log, its files and its processes, and what it writes after the change. A fault
// that began ends or has ended the node, one that is gone is not blamed, and of two
// the one that is there is named.
func TestSwitched(t *testing.T) {
	t.Parallel()
	for _, from := range some(situations) {
		for _, to := range situations {
			if from.name == to.name {
				continue
			}
			for _, after := range []time.Duration{20 * time.Second, 90 * time.Second} {
				t.Run(from.name+"--"+to.name+"/"+after.String(), func(t *testing.T) {
					t.Parallel()
					s, running := switched(t, from, to, after)
					r, h := examine(t, s)
					judgeSwitched(t, from, to, running, r)
					harmless(t, h)
				})
			}
		}
	}
}

// switched is the host of one situation in the world of another.
func switched(t *testing.T, from, to situation, after time.Duration) (s sim.Scenario, running bool) {
	t.Helper()
	s = surroundings(t, to.name)
	s.Files = treeFiles(t, filepath.Join(recorded, from.name), true)
	const log = "/var/log/amazon/ssm/amazon-ssm-agent.log"
	f := s.Files[log]
	stamps := stampOfLog.FindAllString(f.Content, -1)
	last, err := time.Parse(time.DateTime, stamps[len(stamps)-1])
	if err != nil {
		t.Fatal(err)
	}
	changed := last.Add(20 * time.Second)
	s.Now = changed.Add(after)
	running = slices.Contains(accepted, from.name)
	if running {
		lines := to.after
		if usesDHMC(from.name) != usesDHMC(to.name) { // the world no longer knows the role whose credentials the agent holds
			lines = []string{dropped, tried, polls + "UnrecognizedClientException: The security token included in the request is invalid."}
		}
		for _, l := range lines {
			seconds, text, _ := strings.Cut(l, " ")
			d, err := time.ParseDuration(seconds + "s")
			if err != nil {
				t.Fatal(err)
			}
			f.Content += changed.Add(d).Format(time.DateTime) + ".1234 " + text + "\n"
		}
		s.Files[log] = f
	}
	leaveAsThen(t, &s)
	return s, running
}

func judgeSwitched(t *testing.T, from, to situation, running bool, r *report.Report) {
	t.Helper()
	cause := "healthy"
	if r.RootCause != nil {
		cause = r.RootCause.ID
	}
	is := func(list string) bool { return slices.Contains(strings.Split(list, "|"), cause) }
	wrong := func(why string) {
		t.Errorf("%s: %s, %s: %s", why, r.State, cause, r.Summary)
		for _, c := range r.Also {
			t.Logf("also %s %s: %s", c.Severity, c.ID, c.Summary)
		}
	}
	seen, blamed := is(to.causes), false
	for _, c := range named(r) {
		seen = seen || slices.Contains(strings.Split(to.causes, "|"), c.ID)
		blamed = blamed || c.Severity != "info" && from.causes != "" && !to.mayShow(c.ID) && !(to.hides && r.RootCause != nil && c.ID != r.RootCause.ID) && !offBefore(from, to, c.ID) && slices.Contains(strings.Split(from.causes, "|"), c.ID)
	}
	switch {
	case blamed:
		wrong("blames what is gone")
	case running && to.causes == "" && usesDHMC(from.name) == usesDHMC(to.name) && from.causes == "":
		if r.State != report.Managed || cause != "healthy" {
			wrong("want managed")
		}
	case running && to.causes == "":
		if r.State == report.Managed && from.causes == "" || !is(waits+"|healthy|no-credential-source") {
			wrong("want an agent that does not use what is there")
		}
	case running && usesDHMC(from.name) != usesDHMC(to.name) && is("credentials-stale"): // whatever else there is, it shows once it has others
	case running:
		if r.State == report.Managed || !seen && !(to.unseen && is(waits)) {
			wrong("want it named, and the node degraded or lost")
		}
	case r.State == report.Managed, r.State == report.Degraded:
		wrong("never accepted")
	case to.causes == "" || to.unseen:
		if !is(waits+"|healthy|"+to.causes) && !offBefore(from, to, cause) {
			wrong("want a wait")
		}
	case !seen:
		wrong("want the second fault named")
	}
}

// mayShow reports whether a cause may be named in this situation.
func (s situation) mayShow(cause string) bool {
	return slices.Contains(strings.Split(s.causes, "|"), cause) || slices.Contains(strings.Split(waits, "|"), cause)
}

// offBefore: that Default Host Management was turned on shows when the agent asks again;
// until then its log says that it is off, and there is no profile.
func offBefore(from, to situation, cause string) bool {
	return to.name == "healthy-dhmc" && from.causes != "" && cause == "no-credential-source"
}
