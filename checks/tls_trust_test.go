package checks

import (
	"strings"
	"testing"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/node"
)

// tlsShown makes the handshake with services end so.
func tlsShown(kind facts.TLSFault, services ...string) func(*facts.Facts) {
	return netEach(func(e *facts.Endpoint) {
		netNothing(e)
		e.TLS = facts.Known(facts.TLS{Subject: "proxy.corp.example", Issuer: "CN=Corp Inspection CA", Kind: kind, Error: "x509: " + string(kind)}, "tls:"+e.Host+":443")
	}, services...)
}

func TestTlsTrust(t *testing.T) {
	t.Parallel()
	core := []string{"ssm", "ssmmessages"}
	named := func(cause string, c Confidence, says, saw string) want {
		return want{status: Fail, effect: Blocks, cause: cause, confidence: c, says: says, saw: saw}
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	ca := "tls-untrusted-ca"
	table := []row{
		{name: "profile", want: is(Pass, "2 endpoints trusted")},
		{name: "dhmc", kind: "dhmc", want: is(Pass, "2 endpoints trusted")},
		{name: "hybrid", kind: "hybrid", want: is(Pass, "2 endpoints trusted")},
		{name: "windows", kind: "windows", want: is(Pass, "2 endpoints trusted")},
		{name: "task", kind: "task", want: is(Unknown, "endpoints: no Region is known")},
		{name: "a feature's", fault: tlsShown(facts.UnknownAuthority, "logs"), want: is(Pass, "2 endpoints trusted")},

		{name: "unknown authority", fault: tlsShown(facts.UnknownAuthority, core...), want: named(ca, Proven, `the certificate of ssm.eu-central-1.amazonaws.com was issued by "CN=Corp Inspection CA", which this host does not trust`, "TLS to ssm.eu-central-1.amazonaws.com: x509: unknown-authority (tls:ssm.eu-central-1.amazonaws.com:443)")},
		{name: "unknown authority, its issuer", fault: tlsShown(facts.UnknownAuthority, "ssmmessages"), want: want{status: Fail, effect: Ends, cause: ca, saw: "certificate issuer of ssmmessages.eu-central-1.amazonaws.com: CN=Corp Inspection CA", value: "issuer=CN=Corp Inspection CA"}},
		{name: "of the channel alone", fault: netAll(netMessages, tlsShown(facts.UnknownAuthority, "ssmmessages")), want: want{status: Warn, effect: Breaks, cause: ca, confidence: Proven, says: "commands come over ec2messages, sessions do not work"}},
		{name: "no authorities", fault: tlsShown(facts.NoRoots, core...), want: named(ca, Proven, "this host has no trusted CA certificates at all", "")},
		{name: "expired", fault: tlsShown(facts.Expired, core...), want: named(ca, Proven, `the certificate shown for ssm.eu-central-1.amazonaws.com, issued by "CN=Corp Inspection CA", is expired`, "")},
		{name: "expired, clock unread", fault: netAll(tlsShown(facts.Expired, core...), clockUnread), want: named("clock-skew", Likely, "by this host's clock (2026-11-22 09:30) the certificate of ssm.eu-central-1.amazonaws.com is expired: the clock is wrong", "time synchronisation: synchronized: true")},
		{name: "not valid yet, clock off", fault: netAll(tlsShown(facts.NotYetValid, core...), clockOff(40000)), want: named("clock-skew", Likely, "is not valid yet: the clock is wrong", "x509: not-yet-valid")},
		{name: "another name", fault: tlsShown(facts.WrongName, core...), want: named(ca, Proven, `what answers for ssm.eu-central-1.amazonaws.com shows a certificate for another name ("proxy.corp.example", issued by "CN=Corp Inspection CA")`, "")},
		{name: "no TLS", fault: tlsShown(facts.NoTLS, core...), want: named(ca, Likely, "does not speak TLS", "")},
		{name: "as a user", fault: netAll(netUser, tlsShown(facts.UnknownAuthority, core...)), want: named(ca, Proven, "", "")},

		{name: "cut off", fault: tlsShown(facts.TLSReset, core...), want: is(Unknown, "2 of 2 endpoints showed no certificate that can be judged")},
		{name: "one is silent", fault: tlsShown(facts.TLSTimeout, "ssmmessages"), want: is(Unknown, "1 of 2 endpoints")},
		{name: "one is closed", fault: netTimeout("ssmmessages"), want: is(Unknown, "1 of 2 endpoints")},
		{name: "another fault", fault: tlsShown(facts.TLSOther, core...), want: is(Unknown, "2 of 2 endpoints")},
		{name: "offline", fault: netOffline, want: is(Unknown, "endpoints: offline")},
		{name: "partly", fault: netPartly, want: is(Unknown, "the run was interrupted")},
		{name: "dual stack", fault: netAll(netDual, tlsShown(facts.UnknownAuthority, core...)), want: is(Unknown, "but the agent uses dual-stack endpoints")},
		{name: "configuration unread", fault: netAll(netConfigUnread, tlsShown(facts.UnknownAuthority, core...)), want: want{status: Unknown, effect: Blocks, says: "is not known"}},
	}
	judge(t, TlsTrust, table)
	judgeUnread(t, TlsTrust, table)
}

// TestTlsTrustFix: one more trusted authority helps against an unknown one only.
func TestTlsTrustFix(t *testing.T) {
	t.Parallel()
	for kind, want := range map[facts.TLSFault]string{facts.UnknownAuthority: "", facts.Expired: "See whose certificate it is and when it ends", facts.WrongName: "Check where the name leads and what answers there"} {
		f := factstest.Healthy(t, "profile")
		tlsShown(kind, "ssm")(f)
		got := ""
		for _, s := range TlsTrust.Judge(node.Of(f)).Fix {
			got += s.Text + "\n"
		}
		if (want == "") != (got == "") || !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q", kind, got)
		}
	}
}
