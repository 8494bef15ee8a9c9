package checks

import (
	"regexp"
	"strings"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
)

var reRoleName = regexp.MustCompile(`(?i)assume (?:the )?role:? (?:arn:[a-z-]+:iam::[0-9]*:role/)?([A-Za-z0-9+=,.@_/-]{1,64})`)

var _ = register(Check{
	ID: "profile-vs-dhmc", Group: "credentials", Title: "The instance profile does not keep Default Host Management from being tried",
	Causes: []string{"profile-shadows-dhmc"},
	Needs:  []string{"credential-source", "instance-profile-trust", "network-egress", "websocket", "clock", "tls-trust", "permission-registration"},
	Doc: "A profile that may call ssm:UpdateInstanceInformation is taken, whatever else it lacks, and Default Host Management is then never tried. Named when the heartbeat with the profile was accepted " +
		"while the message channel is refused to it. Whether Default Host Management is on is not visible here.",
	Eval: func(f *facts.Facts) Finding {
		if !onProfile(f) {
			return skip("the instance profile is not in use")
		}
		r, refused := channelRefusal(f)
		if !refused {
			return pass("the profile is not refused the channel")
		}
		if messagesWork(f, r) {
			return pass("the profile works over ec2messages")
		}
		ok, accepted := f.Log.Last(facts.SigProfileOK)
		rt, _ := f.Credentials.Runtime.Get()
		if !accepted && rt.Source != "EC2" {
			return unknown("whether the heartbeat was accepted with the profile is not on record")
		}
		switch n, denied := readsDenied(f); {
		case n == 0:
			return unknown("whether the profile has other Systems Manager permissions, and so is meant to be used, was not asked")
		case !denied:
			return pass("the profile has other Systems Manager permissions: it is meant to be used")
		}
		role := orWord(RoleName(f), "of the instance profile")
		fd := fail("profile-shadows-dhmc", Likely, "the role %s may call ssm:UpdateInstanceInformation but not open the message channel, so it is used and Default Host Management is never tried", role).
			with("role", RoleName(f), "profile", f.IMDS.Profile.Value.Name)
		if accepted {
			fd = fd.logged(ok)
		}
		fd = fd.sawAt("agent log", r.Text, "file:"+r.File, r.Last)
		for _, p := range f.Permissions.Actions {
			if p.Identity == facts.SourceProfile && p.Verdict == facts.DeniedProven {
				fd = fd.sawAt(p.Action, "denied: "+cut(p.Message, 160), p.From, p.At)
			}
		}
		return fd.blocking()
	},
})

// channelRefusal is the latest refusal of the message channel that no later
// success took back.
func channelRefusal(f *facts.Facts) (facts.Match, bool) {
	for _, id := range []string{facts.SigChannelToken, facts.SigChannelFailed} {
		if m, ok := currentChannel(f, id); ok && refusedText(m.Text) && !foreign(f, iam.ParseRefusal("", m.Text).Principal) {
			return m, true
		}
	}
	return facts.Match{}, false
}

func refusedText(s string) bool {
	low := strings.ToLower(s)
	return strings.Contains(low, "accessdenied") || strings.Contains(low, "unauthorized request") || strings.Contains(low, "not authorized to perform")
}

// messagesWork reports whether the agent fell back to ec2messages after the refusal.
func messagesWork(f *facts.Facts, refused facts.Match) bool {
	m, ok := f.Log.Last(facts.SigChannelMDS)
	bad, failed := f.Log.Last(facts.SigMDSFailed)
	return ok && !m.Last.Before(refused.First) && (!failed || m.Last.After(bad.Last))
}

// readsAllowed reports whether harmless reads with the identity in use were
// answered and none of them was refused.
func readsAllowed(f *facts.Facts) bool {
	some := false
	for _, p := range f.Permissions.Actions {
		if p.Identity != source(f) || p.Invented || !strings.HasPrefix(p.Action, "ssm:") {
			continue
		}
		if p.Verdict == facts.DeniedProven {
			return false
		}
		some = some || p.Verdict == facts.AllowedProven
	}
	return some
}

// readsDenied says how many harmless reads with the identity in use were
// answered, and whether all of them were refused.
func readsDenied(f *facts.Facts) (n int, denied bool) {
	denied = true
	for _, p := range f.Permissions.Actions {
		if p.Identity != source(f) || !strings.HasPrefix(p.Action, "ssm:") {
			continue
		}
		switch p.Verdict {
		case facts.AllowedProven:
			n++
			denied = false
		case facts.DeniedProven:
			if !p.Invented { // what a made-up name is refused says nothing of others
				n++
			}
		}
	}
	return n, denied
}
