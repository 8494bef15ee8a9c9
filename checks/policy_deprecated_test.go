package checks

import (
	"strings"
	"testing"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/node"
)

// policyDeprecatedRights answers reads of the signature: one letter for each of
// iam.SignatureActions, y for allowed, n for denied, - for not asked.
func policyDeprecatedRights(answers string) func(*facts.Facts) {
	return func(f *facts.Facts) {
		source := node.Of(f).Credentials.Source
		for i, a := range answers {
			p := facts.Permission{Action: iam.SignatureActions[i], Identity: source, Verdict: facts.AllowedProven, From: iam.SignatureActions[i], At: f.CollectedAt}
			switch a {
			case '-':
				continue
			case 'n':
				p.Verdict = facts.DeniedProven
			}
			f.Permissions.Actions.Value = append(f.Permissions.Actions.Value, p)
		}
	}
}

func TestPolicyDeprecated(t *testing.T) {
	t.Parallel()
	is := func(s Status, says string) want { return want{status: s, says: says} }
	named := func(c Confidence, says, saw string) want {
		return want{status: Warn, effect: Notes, cause: "policy-deprecated", confidence: c, says: says, saw: saw, value: "role=WebServerRole"}
	}
	const notAsked = "not asked: --probe deprecated looks for its signs"
	alone := policyDeprecatedRights("yynnn")
	table := []row{
		{name: "profile", want: is(Skip, notAsked)},
		{name: "dhmc", kind: "dhmc", want: is(Skip, notAsked)},
		{name: "hybrid", kind: "hybrid", want: is(Skip, notAsked)},
		{name: "windows", kind: "windows", want: is(Skip, notAsked)},
		{name: "alone", fault: alone, want: named(Likely, "the role WebServerRole allows what AmazonEC2RoleforSSM does, alone; that policy is deprecated", "ec2:DescribeInstanceStatus: allowed-proven")},
		{name: "what it lacks", fault: alone, want: named(Likely, "allows access to every S3 bucket", "ssm:GetParameter: denied-proven")},
		{name: "with the Core policy", fault: policyDeprecatedRights("yyynnn"), want: named(Likely, "together with AmazonSSMManagedInstanceCore; that policy", "ssm:DescribePatchBaselines: denied-proven")},
		{name: "with Core, or full access", fault: policyDeprecatedRights("yyynn-"), want: named(Possible, "together with AmazonSSMManagedInstanceCore; AmazonSSMFullAccess would look the same", "ec2:DescribeVolumes: denied-proven")},
		{name: "alone, hybrid", kind: "hybrid", fault: alone, want: want{status: Warn, effect: Notes, cause: "policy-deprecated", confidence: Likely, says: "allows what AmazonEC2RoleforSSM does, alone"}},
		{name: "full access", fault: policyDeprecatedRights("yyynny"), want: is(Pass, "the role WebServerRole allows what AmazonSSMFullAccess does")},
		{name: "a broad role", fault: policyDeprecatedRights("yyyyy"), want: is(Unknown, "allows what AmazonEC2RoleforSSM with CloudWatchAgentServerPolicy does, and so would ReadOnlyAccess, PowerUserAccess, AdministratorAccess")},
		{name: "its narrow sister", fault: policyDeprecatedRights("ynnnn"), want: is(Pass, "the role WebServerRole allows what RunCommandInstance does, not what AmazonEC2RoleforSSM does")},
		{name: "denied", fault: policyDeprecatedRights("n"), want: is(Pass, "ec2:DescribeInstanceStatus is denied, which that policy allows")},
		{name: "part of the signs", fault: policyDeprecatedRights("yy-n"), want: is(Unknown, "the signs do not decide: nothing is known of ssm:GetParameter, ec2:DescribeVolumes")},
		{name: "signs of no known policy", fault: policyDeprecatedRights("ynyny"), want: is(Unknown, "the signs do not decide: the role WebServerRole has the shape of no known policy")},
		{name: "reads unread", fault: func(f *facts.Facts) {
			f.Permissions.Actions = facts.Unknown[[]facts.Permission]("offline", "").Because(facts.NotAskable)
		}, want: is(Unknown, "this run's own reads: offline")},
		{name: "no source known", fault: func(f *facts.Facts) {
			neverAccepted(f)
			f.IMDS.Profile = facts.Unknown[facts.Profile]("timeout", "")
		}, want: is(Unknown, "what the agent signs with is not known")},
	}
	judge(t, PolicyDeprecated, table)
	judgeUnread(t, PolicyDeprecated, table)

	t.Run("remedy", func(t *testing.T) {
		t.Parallel()
		f := factstest.Healthy(t, "profile")
		f.Asked = []string{"cloudwatch-agent"}
		alone(f)
		fix := PolicyDeprecated.Judge(node.Of(f)).Fix
		var all strings.Builder
		for _, s := range fix {
			all.WriteString(string(s.Where) + ": " + s.Text + ": " + s.Command + "\n")
		}
		at := -1
		for _, piece := range []string{
			"attach-role-policy --role-name {role} --policy-arn arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore",
			"attach-role-policy --role-name {role} --policy-arn arn:aws:iam::aws:policy/CloudWatchAgentServerPolicy",
			"ssm-doctor check --probe deprecated",
			"detach-role-policy --role-name {role} --policy-arn arn:aws:iam::aws:policy/service-role/AmazonEC2RoleforSSM",
			"ssm-doctor check --wait 5m",
		} {
			i := strings.Index(all.String(), piece)
			if i <= at {
				t.Errorf("%q is missing, or too early, in:\n%s", piece, all.String())
			}
			at = i
		}
		if last := fix[len(fix)-1]; last.Where != causes.OnHost {
			t.Errorf("last step %+v", last)
		}
		f.Asked = []string{"run-command-output-s3"}
		if fix := MigrationSteps(node.Of(f)); !strings.Contains(fix[1].Command, "ssm-doctor permissions --minimal --feature run-command-output-s3") {
			t.Errorf("no policy to print for an own bucket: %+v", fix)
		}
	})
}
