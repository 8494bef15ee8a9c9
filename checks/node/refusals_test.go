package node

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
)

// TestForeignRefusals: a log may come with a machine image, or be older than a change
// of the role.
func TestForeignRefusals(t *testing.T) {
	t.Parallel()
	healthy := hostWith(t, "profile")
	account, id := healthy.Identity.Account, healthy.Identity.ID
	for _, c := range []struct {
		name, principal string
		change          change
		kept            bool
	}{
		{"the node's role", "arn:aws:sts::" + account + ":assumed-role/WebServerRole/" + id, nil, true},
		{"another account", "arn:aws:sts::999999999999:assumed-role/WebServerRole/" + id, nil, false},
		{"another instance", "arn:aws:sts::" + account + ":assumed-role/WebServerRole/i-0fffffffffffffff0", nil, false},
		{"a role that is gone", "arn:aws:sts::" + account + ":assumed-role/OldRole/" + id, nil, false},
		{"the instance itself", "arn:aws:sts::" + account + ":assumed-role/aws:ec2-instance/" + id, nil, true},
		{"an IAM user", "arn:aws:iam::" + account + ":user/ops", nil, true},
		{"no principal", "", nil, true},
		{"nothing to compare with", "arn:aws:sts::999999999999:assumed-role/Other/i-0fffffffffffffff0", func(f *facts.Facts) {
			f.IMDS, f.Permissions = facts.IMDS{}, facts.Permissions{}
			f.Host.DMI = facts.DMI{}
			f.Credentials, f.Registration = facts.Credentials{}, facts.Registration{}
		}, true},
	} {
		n := hostWith(t, "profile", c.change, func(f *facts.Facts) {
			f.Log.Refusals = facts.Known([]facts.Refusal{{Refusal: iam.Refusal{Action: "ssm:PutInventory", Principal: c.principal, Denied: true}, At: f.CollectedAt.Add(-time.Minute)}}, "log")
		})
		if got := len(n.Refusals.Logged) == 1; got != c.kept {
			t.Errorf("%s: kept %v", c.name, got)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	logged := func(action string, before time.Duration) change {
		return func(f *facts.Facts) {
			f.Log.Refusals.Value = append(f.Log.Refusals.Value, facts.Refusal{Refusal: iam.Refusal{Action: action, Denied: true}, At: f.CollectedAt.Add(-before)})
		}
	}
	n := hostWith(t, "profile", logged("ssm:PutInventory", 2*time.Hour), logged("ssm:PutInventory", time.Hour), logged(Heartbeat, time.Hour), logged("ssm:GetManifest", 30*time.Hour), logged("ssm:GetDocument", time.Hour))
	if got := n.OfFeatures(); len(got) != 1 || got[0].Action != "ssm:PutInventory" || n.Age(got[0].At) != time.Hour {
		t.Errorf("the latest refusal of one feature's action, not of the heartbeat, not of another day, not of what this run was allowed: %+v", got)
	}
	if n.Refusals.Read != Yes || n.Refusals.Asked != Yes || len(n.Refusals.Live) != 0 {
		t.Errorf("%+v", n.Refusals)
	}
	if n = hostWith(t, "profile", unreadLog); n.Refusals.Read != Unknown {
		t.Error("refusals of a log that was not read")
	}
	live := func(invented bool) change {
		return func(f *facts.Facts) {
			f.Permissions.Actions.Value = []facts.Permission{{Action: "ssm:GetParameters", Identity: facts.SourceProfile, Verdict: facts.DeniedProven, Invented: invented,
				Refused: iam.Refusal{Resource: "arn:aws:ssm:::parameter/app/" + facts.MadeUp}}}
		}
	}
	if got := hostWith(t, "profile", live(true)).Refusals.Live; len(got) != 0 {
		t.Errorf("a made-up name blames nobody: %+v", got)
	}
	if got := hostWith(t, "profile", live(false)).Refusals.Live; len(got) != 1 || got[0].Resource != "arn:aws:ssm:::parameter/app/*" || got[0].Action != "ssm:GetParameters" {
		t.Errorf("%+v", got)
	}
}

func TestChannelRefused(t *testing.T) {
	t.Parallel()
	refused := func(principal string) change {
		return func(f *facts.Facts) {
			entry(facts.SigChannelToken, time.Minute)(f)
			m := &f.Log.Matches.Value[len(f.Log.Matches.Value)-1]
			m.Text = "CreateControlChannel failed: AccessDeniedException"
			f.Log.Refusals.Value = []facts.Refusal{{Refusal: iam.Refusal{Action: "ssmmessages:CreateControlChannel", Principal: principal, Denied: true}, At: m.Last, Match: facts.SigChannelToken}}
		}
	}
	if e, r := hostWith(t, "profile", refused("")).ChannelRefused(); !e.Yes() || r.Action != "ssmmessages:CreateControlChannel" {
		t.Errorf("%+v %+v", e, r)
	}
	if e, _ := hostWith(t, "profile", refused("arn:aws:sts::999999999999:assumed-role/Other/i-0fffffffffffffff0")).ChannelRefused(); e.Found != No {
		t.Errorf("of another node: %s", e.Found)
	}
	if e, _ := hostWith(t, "profile", refused(""), entry(facts.SigChannelUp, time.Second)).ChannelRefused(); e.Found != No {
		t.Errorf("opened since: %s", e.Found)
	}
	if e, _ := hostWith(t, "profile", unreadLog).ChannelRefused(); e.Found != Unknown {
		t.Errorf("log unread: %s", e.Found)
	}
	n := hostWith(t, "profile", refused(""), entry(facts.SigChannelMDS, time.Second))
	e, _ := n.ChannelRefused()
	if n.MessagesWork(e.Match) != Yes || n.OnMessages() != Yes {
		t.Error("the agent fell back to ec2messages")
	}
	n = hostWith(t, "profile", refused(""), entry(facts.SigChannelMDS, 2*time.Second), entry(facts.SigMDSFailed, time.Second))
	if n.MessagesWork(e.Match) != No || n.OnMessages() != No {
		t.Error("ec2messages fail too")
	}
}
