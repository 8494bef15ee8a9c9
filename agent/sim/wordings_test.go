package sim_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"ssm-doctor/checks/facts"
)

// wording is how two ranges of releases say the same: an entry that holds one text holds
// the other in the other range. Which range writes which is in facts.Signatures: the text
// is one of a row with a range.
// Source: the public releases 2.3 to 3.3.1142 of amazon-ssm-agent.
type wording struct{ newer, older string }

var wordings = []wording{
	{"Error setting up control channel", "Failed to setup control channel"},
	{"[CredentialRefresher] Retrieve credentials produced error: error calling RequestManagedInstanceRoleToken: ", "error occurred in RequestManagedInstanceRoleToken: "},
	{"[CredentialRefresher] Retrieve credentials produced error: ", "error occurred in RequestManagedInstanceRoleToken: "},
	{"Failed to get instance info from IMDS. Err: ", ""}, // then it begins with the reason, which is a row as well
	{". Skipping default host management fallback", ""},
	{"Core Agent crashed with message", "Agent crashed with message"},
	{"Agent Worker crashed with message", "Agent crashed with message"},
	{"Agent service crashed with message", "Agent crashed with message"},
	{"[CredentialRefresher] unable to load shared credentials", "shared credentials are already expired"},
	{"failed to find identity, retrying: failed to find agent identity", "error occurred when starting amazon-ssm-agent: Failed to fetch region. Data from vault is empty. RequestError: send request failed"},
}

// modules are the names of modules of the worker before and since 3.1.
var modules = strings.NewReplacer("[MessageService] [MGSInteractor]", "[MessageGatewayService]", "[MessageService] [MDSInteractor]", "[MessagingDeliveryService]",
	"[MGSInteractor]", "[MessageGatewayService]", "[MDSInteractor]", "[MessagingDeliveryService]", "[MessageService] ", "")

// rowOf is the row of facts.Signatures that an entry has; false: none.
func rowOf(entry string) (facts.Signature, bool) {
	entry = strings.ToLower(entry)
	i := slices.IndexFunc(facts.Signatures, func(s facts.Signature) bool {
		return !slices.ContainsFunc(s.Fragments, func(f string) bool { return !strings.Contains(entry, strings.ToLower(f)) })
	})
	if i < 0 {
		return facts.Signature{}, false
	}
	return facts.Signatures[i], true
}

// writes reports whether a release writes what is in a range.
func writes(r facts.Releases, version string) bool {
	return (r.Since == "" || !olderThan(version, r.Since)) && (r.Until == "" || !olderThan(r.Until, version))
}

// saidBy is an entry as another release writes it; false: it writes none.
func saidBy(entry, version string) (string, bool) {
	if olderThan(version, "3.1.0.0") {
		entry = modules.Replace(entry)
	}
	if olderThan(version, "3.0.0.0") {
		entry = strings.ReplaceAll(entry, "[ssm-agent-worker] ", "")
	}
	if strings.Contains(entry, "GetMessages Error") && strings.Contains(entry, "AccessDenied") && !olderThan(version, "3.3.4268.0") {
		// Written at debug; that ssmmessages was refused before it is still told.
		return "INFO [ssm-agent-worker] [MessageService] [MGSInteractor] SSM Connection channel status is set to ec2messages", true
	}
	for range wordings { // one may take the place of another
		row, ok := rowOf(entry)
		if !ok || writes(row.Releases(), version) {
			return entry, true
		}
		was := entry
		for _, w := range wordings {
			if olderThan(version, row.Releases().Since) && strings.Contains(entry, w.newer) {
				entry = strings.Replace(entry, w.newer, w.older, 1)
			} else if row.Releases().Until != "" && olderThan(row.Releases().Until, version) && w.older != "" && strings.Contains(entry, w.older) {
				entry = strings.Replace(entry, w.older, w.newer, 1)
			}
			if entry != was {
				break
			}
		}
		if entry == was {
			return "", false
		}
	}
	return "", false
}

// boundaries are releases on both sides of every change of words.
var boundaries = []string{"2.3.1644.0", "3.0.284.0", "3.0.732.0", "3.0.1181.0", "3.1.459.0", "3.1.804.0", "3.1.1927.0", "3.2.582.0", "3.2.1297.0", "3.2.2303.0", "3.3.0.0", "3.3.1142.0", "3.3.4177.0", "3.3.4515.0"}

// otherRelease lets a release write the log on the other side of a change of the words
// of one of its entries. What that release never wrote is left out.
func otherRelease(r *rand.Rand, m spec) bool {
	version, lines := m.text("observable", "agent_version"), m.log()
	if version == "" || len(lines) == 0 || m.has("previous_agent_version", "history") || slices.Contains(byRelease, m.text("expected", "root_cause_id")) {
		return false
	}
	var to []string
	for _, b := range boundaries {
		if olderThan(b, leastRelease(m)) {
			continue
		}
		if slices.ContainsFunc(lines, func(l string) bool {
			_, rest, ok := stamped(l)
			row, known := rowOf(saying(rest))
			return ok && known && writes(row.Releases(), version) && !writes(row.Releases(), b)
		}) {
			to = append(to, b)
		}
	}
	if len(to) == 0 {
		return false
	}
	next := to[r.IntN(len(to))]
	var out []string
	for _, l := range lines {
		at, rest, ok := stamped(l)
		if !ok {
			return false
		}
		s, said := saidBy(strings.ReplaceAll(saying(rest), "v"+version, "v"+next), next)
		if said {
			out = append(out, at.Format("2006-01-02 15:04:05")+fraction(next)+" "+s)
		}
	}
	if slices.ContainsFunc(lines, saysFailed) && !slices.ContainsFunc(out, saysFailed) {
		return false // what it writes instead of the failure is not known
	}
	m.setLog(out)
	m.observable()["agent_version"] = next
	return true
}

// saysFailed reports whether an entry of a log says that the node is not accepted.
func saysFailed(line string) bool {
	_, rest, _ := stamped(line)
	row, ok := rowOf(saying(rest))
	return ok && (row.Kind == facts.KindNode || row.Kind == facts.KindBackoff)
}

// byRelease are the causes that are about the release itself.
var byRelease = []string{"agent-version-too-old", "agent-version-regression", "ipv6-no-endpoint", "shared-credentials-shadow", "imdsv2-required-old-agent"}

// leastRelease is the oldest release that can do what a scenario's node does.
func leastRelease(m spec) string {
	switch {
	case m.text("platform") == "ecs":
		return "3.0.1181.0"
	case m.text("platform") == "ec2" && m.text("observable", "imds", "GET iam/security-credentials/", "body") == "" && m.text("expected", "root_cause_id") != "imds-disabled":
		return "3.2.582.0" // Default Host Management
	case m.text("platform") == "ec2" && strings.Contains(strings.Join(m.log(), ""), "[CredentialRefresher]"):
		return "3.1.501.0" // before, an instance did without
	}
	return "2.3.0.0"
}

// TestOtherWords: every wording is of rows with ranges, and what another release says
// instead has the same meaning, or is not written.
func TestOtherWords(t *testing.T) {
	t.Parallel()
	for _, w := range wordings {
		row, ok := rowOf("ERROR [EC2Identity] " + w.newer + "failed to get identity instance id")
		if !ok || row.Releases() == (facts.Releases{}) {
			t.Errorf("%q is of no row with a range: %q", w.newer, row.Words())
		}
	}
	for _, c := range []struct{ entry, version, want string }{
		{"ERROR [MessageService] [MGSInteractor] Error setting up control channel: x", "3.1.804.0", "ERROR [MessageService] [MGSInteractor] Failed to setup control channel: x"},
		{"ERROR [ssm-agent-worker] [MessageService] [MGSInteractor] Error setting up control channel: x", "2.3.1644.0", "ERROR [MessageGatewayService] Failed to setup control channel: x"},
		{"ERROR [MessageGatewayService] Failed to setup control channel: x", "3.3.0.0", "ERROR [MessageGatewayService] Error setting up control channel: x"},
		{"ERROR [CredentialRefresher] Retrieve credentials produced error: error calling RequestManagedInstanceRoleToken: no", "3.1.459.0", "ERROR error occurred in RequestManagedInstanceRoleToken: no"},
		{"ERROR [EC2Identity] Failed to get instance info from IMDS. Err: failed to get identity instance id. x", "3.2.582.0", "ERROR [EC2Identity] failed to get identity instance id. x"},
		{"INFO [CredentialRefresher] Next credential rotation will be in 29 minutes", "3.1.1927.0", ""},
		{"INFO nothing known", "2.3.1644.0", "INFO nothing known"},
	} {
		if got, _ := saidBy(c.entry, c.version); got != c.want {
			t.Errorf("%s of %s: %q, want %q", c.entry, c.version, got, c.want)
		}
	}
}
