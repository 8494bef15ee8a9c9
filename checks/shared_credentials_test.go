package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

func TestSharedCredentials(t *testing.T) {
	t.Parallel()
	const path = "/root/.aws/credentials"
	// file puts a shared credentials file into root's home.
	file := func(changes ...func(*facts.Facts)) func(*facts.Facts) {
		return func(f *facts.Facts) {
			f.Credentials.RootFile = facts.Known(facts.SharedFile{Path: path, ModifiedAt: f.CollectedAt.Add(-48 * time.Hour), Profiles: []facts.Keys{
				{Profile: "backup", KeyPrefix: "ASIA"}, {Profile: "default", KeyPrefix: "AKIA"},
			}}, "file:"+path)
			for _, change := range changes {
				change(f)
			}
		}
	}
	version := func(v string) func(*facts.Facts) {
		return func(f *facts.Facts) {
			s := facts.Known(v, "rpm -q")
			f.Agent.Installed, f.Agent.Running = s, s
		}
	}
	refused := func(principal string) func(*facts.Facts) {
		return func(f *facts.Facts) {
			refuse(f, facts.SigDownload, time.Hour, "AccessDeniedException", "User: "+principal+" is not authorized to perform: s3:GetObject")
		}
	}
	vault := func(s facts.Seen[facts.Key]) func(*facts.Facts) {
		return func(f *facts.Facts) {
			f.Registration.Hybrid = s
			f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "")
		}
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	named := func(effect Effect, says, saw, value string) want {
		return want{status: Warn, effect: effect, cause: "shared-credentials-shadow", confidence: Likely, says: says, saw: saw, value: value}
	}
	const (
		tools   = path + " holds a default profile; commands that call AWS as root use it and not the role WebServerRole"
		workers = path + " holds a default profile that takes the place of the role WebServerRole"
	)
	table := []row{
		{name: "profile", want: is(Pass, "no shared credentials file of root")},
		{name: "dhmc", kind: "dhmc", want: is(Pass, "no shared credentials file of root")},
		{name: "hybrid", kind: "hybrid", want: is(Skip, "the agent writes this file itself")},
		{name: "windows", kind: "windows", want: is(Skip, "the agent writes this file itself")},
		{name: "task", kind: "task", want: is(Pass, "no shared credentials file of root")},

		{name: "default profile", fault: file(), want: named(Notes, tools, path+": profile default, key AKIA… (file:/root/.aws/credentials)", "path="+path)},
		{name: "the role for the remedy", fault: file(), want: named(Notes, tools, "", "role=WebServerRole")},
		{name: "whose keys", fault: file(func(f *facts.Facts) {
			f.Permissions.Identities.Value = append(f.Permissions.Identities.Value, facts.Identity{Source: facts.SourceShared, ARN: "arn:aws:iam::111122223333:user/backup", From: "sts:GetCallerIdentity", Outcome: facts.CallOK})
		}), want: named(Notes, tools, "sts:GetCallerIdentity with "+path+": arn:aws:iam::111122223333:user/backup", "")},
		{name: "no role", kind: "dhmc", fault: file(), want: named(Notes, "not the role of the instance profile", "", "")},
		{name: "before 3.2.1377", fault: file(version("3.2.1376.0")), want: named(Breaks, workers, "agent version: 3.2.1376.0, before 3.2.1377.0 its workers use this file", "")},
		{name: "from 3.2.1377 on", fault: file(version("3.2.1377.0")), want: named(Notes, tools, "", "")},
		{name: "version not known", fault: file(func(f *facts.Facts) {
			f.Agent.Installed, f.Agent.Running = facts.Unknown[string]("permission denied", ""), facts.Unknown[string]("permission denied", "")
		}), want: named(Notes, tools, "", "")},
		{name: "its user is refused", fault: file(refused("arn:aws:iam::111122223333:user/backup")), want: named(Breaks, tools, "agent log: User: arn:aws:iam::111122223333:user/backup is not authorized", "")},
		{name: "a role is refused", fault: file(refused("arn:aws:sts::111122223333:assumed-role/WebServerRole/i-0a1b2c3d4e5f60718")), want: named(Notes, tools, "", "")},
		{name: "log unread", fault: file(unreadLogOf), want: named(Notes, tools, "", "")},

		{name: "no default profile", fault: file(func(f *facts.Facts) {
			f.Credentials.RootFile.Value.Profiles = f.Credentials.RootFile.Value.Profiles[:1]
		}), want: is(Pass, path+" has no default profile")},
		{name: "the agent's own", kind: "dhmc", fault: file(func(f *facts.Facts) { f.Credentials.Runtime.Value.ShareFile = path }), want: is(Pass, path+" is the agent's own")},
		{name: "file unread", fault: func(f *facts.Facts) {
			f.Credentials.RootFile = facts.Unknown[facts.SharedFile]("permission denied", "file:"+path).Because(facts.NeedsRoot)
		}, want: is(Unknown, "root's shared credentials file: permission denied")},
		{name: "file unread, a user is refused", fault: netAll(refused("arn:aws:iam::111122223333:user/backup"), func(f *facts.Facts) {
			f.Credentials.RootFile = facts.Unknown[facts.SharedFile]("input/output error", "file:"+path)
		}), want: want{status: Unknown, effect: Breaks, says: "input/output error; the agent was refused s3:GetObject as an IAM user"}},
		{name: "file unread, workers that take it", fault: netAll(version("3.2.1297.0"), func(f *facts.Facts) {
			f.Credentials.RootFile = facts.Unknown[facts.SharedFile]("input/output error", "file:"+path)
		}), want: want{status: Unknown, effect: Breaks, says: "workers of agent 3.2.1297.0 take such a file"}},
		{name: "hybrid or not, workers that take it", fault: netAll(file(vault(facts.Unknown[facts.Key]("input/output error", ""))), version("3.2.1297.0")), want: want{status: Unknown, effect: Breaks, says: "whether this is a hybrid node"}},
		{name: "no file, hybrid or not, old workers", fault: netAll(vault(facts.Unknown[facts.Key]("input/output error", "")), version("3.2.1297.0")), want: is(Unknown, "whether this is a hybrid node")},
		{name: "cannot be parsed", fault: file(func(f *facts.Facts) {
			f.Credentials.RootFile.Value.Profiles, f.Credentials.RootFile.Value.ParseError = nil, "line 3: no ="
		}), want: is(Unknown, path+" cannot be parsed: line 3: no =")},
		{name: "parsed in part", fault: file(func(f *facts.Facts) { f.Credentials.RootFile.Value.ParseError = "line 9: no =" }), want: named(Notes, tools, "", "")},
		{name: "whose file", fault: file(func(f *facts.Facts) {
			f.Credentials.Runtime = facts.Unknown[facts.Runtime]("permission denied", "")
		}), want: is(Unknown, "whether the agent wrote it is not known")},
		{name: "nothing stored", fault: file(func(f *facts.Facts) { f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "") }), want: named(Notes, tools, "", "")},
		{name: "hybrid or not", fault: file(vault(facts.Unknown[facts.Key]("input/output error", ""))), want: is(Unknown, "whether this is a hybrid node")},
		{name: "vault needs root", fault: file(vault(facts.Unknown[facts.Key]("permission denied", "").Because(facts.NeedsRoot))), want: named(Notes, tools, "", "")},
	}
	judge(t, SharedCredentials, table)
	judgeUnread(t, SharedCredentials, table)
}
