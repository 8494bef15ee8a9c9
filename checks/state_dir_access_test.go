package checks

import (
	"slices"
	"strings"
	"testing"
	"time"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/node"
)

// stateOwned gives the first of the agent's paths, its state directory, an owner.
func stateOwned(owner facts.Seen[int]) func(*facts.Facts) {
	return func(f *facts.Facts) { f.Registration.Paths.Value[0].Owner = owner }
}

// stateNowhere takes all of the agent's files and directories away.
func stateNowhere(f *facts.Facts) {
	for i := range f.Registration.Paths.Value {
		p := &f.Registration.Paths.Value[i]
		p.Exists, p.Owner = false, facts.Absent[int]("no such file", "")
	}
}

// everyAccess gives all of the agent's paths an owner and an access list of Windows.
func everyAccess(a facts.Access) func(*facts.Facts) {
	return func(f *facts.Facts) {
		for i := range f.Registration.Paths.Value {
			f.Registration.Paths.Value[i].Access = facts.Known(a, "access list")
		}
	}
}

// accessOf gives the first of the agent's paths an owner and an access list of Windows.
func accessOf(a facts.Seen[facts.Access]) func(*facts.Facts) {
	return func(f *facts.Facts) { f.Registration.Paths.Value[0].Access = a }
}

func TestStateDirAccess(t *testing.T) {
	t.Parallel()
	refused := func(before time.Duration) func(*facts.Facts) {
		return func(f *facts.Facts) {
			log(f, facts.SigVaultPermission, before, "Failed to set permission for vault folder or its content. chown /var/lib/amazon/ssm/Vault: operation not permitted")
		}
	}
	user := func(name string) func(*facts.Facts) {
		return func(f *facts.Facts) { f.Agent.Units.Value[0].User = name }
	}
	alice := stateOwned(facts.Known(1000, ""))
	mac := func(f *facts.Facts) {
		f.Host.GOOS = "darwin"
		f.Agent.Manager = facts.Known("launchd", "launchctl print")
		f.Agent.Units.Value = f.Agent.Units.Value[:1]
		f.Agent.Units.Value[0].Name = "com.amazon.aws.ssm"
		f.Registration.Paths.Value[0].Path = "/opt/aws/ssm/data"
	}
	both := func(faults ...func(*facts.Facts)) func(*facts.Facts) {
		return func(f *facts.Facts) {
			for _, fault := range faults {
				fault(f)
			}
		}
	}
	readOnlyConfig := func(lacks string) func(*facts.Facts) {
		return func(f *facts.Facts) {
			f.Registration.Paths.Value[0].Path = f.Agent.ConfigPath
			accessOf(facts.Known(facts.Access{Owner: "S-1-5-21-1-2-3-1001", Lacks: lacks}, "access list"))(f)
		}
	}
	const cause = "state-dir-permissions"
	table := []row{
		{name: "profile", want: want{status: Pass, says: "state directories belong to root"}},
		{name: "dhmc", kind: "dhmc", want: want{status: Pass}},
		{name: "hybrid", kind: "hybrid", want: want{status: Pass}},
		{name: "windows", kind: "windows", want: want{status: Pass, says: "the log shows no refusal; access lists were not looked at"}},
		{name: "task", kind: "task", want: want{status: Pass}},

		{name: "another user, accepted", fault: user("ssm"), want: want{status: Warn, effect: Breaks, cause: cause, confidence: Proven,
			says: `the agent's service runs as user "ssm", but /var/lib/amazon/ssm needs root`, saw: "systemctl show amazon-ssm-agent.service: User=ssm (systemd:amazon-ssm-agent.service)", value: "unit=amazon-ssm-agent.service"}},
		{name: "another user", fault: both(neverAccepted, user("ssm")), want: want{status: Fail, effect: Blocks, cause: cause, confidence: Proven}},
		{name: "access list with SYSTEM", kind: "windows", fault: everyAccess(facts.Access{Owner: "SYSTEM", System: true}), want: want{status: Pass, says: "nothing keeps SYSTEM"}},
		{name: "access list without SYSTEM", kind: "windows", fault: both(neverAccepted, accessOf(facts.Known(facts.Access{Owner: "S-1-5-21-1-2-3-1001"}, "access list"))), want: want{status: Fail, effect: Blocks, cause: cause, confidence: Proven,
			says: "the access list of /ProgramData/Amazon/SSM/InstanceData keeps the agent's account SYSTEM out", saw: "access list of /ProgramData/Amazon/SSM/InstanceData: of S-1-5-21-1-2-3-1001, no right for SYSTEM (access list)"}},
		{name: "access list that denies, accepted", kind: "windows", fault: accessOf(facts.Known(facts.Access{Owner: "S-1-5-21-1-2-3-1001", Denies: "Everyone"}, "access list")), want: want{status: Warn, effect: Breaks, cause: cause,
			saw: "access list of /ProgramData/Amazon/SSM/InstanceData: of S-1-5-21-1-2-3-1001, Everyone is denied it"}},
		{name: "access list that denies, of administrators", kind: "windows", fault: accessOf(facts.Known(facts.Access{Owner: "Administrators", System: true, Lacks: "reading and writing", Denies: "SYSTEM"}, "access list")),
			want: want{status: Unknown, effect: Breaks, says: "keeps SYSTEM from reading and writing; whether the agent gives itself the right again is not known", saw: "access list of /ProgramData/Amazon/SSM/InstanceData: of Administrators, SYSTEM is denied it"}},
		{name: "access list that denies, of administrators, and refused", kind: "windows", fault: both(neverAccepted, refused(time.Minute), accessOf(facts.Known(facts.Access{Owner: "Administrators", System: true, Lacks: "writing", Denies: "SYSTEM"}, "access list"))),
			want: want{status: Fail, effect: Blocks, cause: cause, confidence: Likely, saw: "access list of /ProgramData/Amazon/SSM/InstanceData: of Administrators, SYSTEM is denied it"}},
		{name: "access list without SYSTEM, accepted", kind: "windows", fault: accessOf(facts.Known(facts.Access{Owner: "S-1-5-21-1-2-3-1001", Lacks: "reading and writing"}, "access list")), want: want{status: Warn, effect: Breaks, cause: cause, confidence: Likely}},
		{name: "a configuration that may only be read", kind: "windows", fault: both(neverAccepted, readOnlyConfig("writing")), want: want{status: Pass}},
		{name: "a configuration that may not be read", kind: "windows", fault: both(neverAccepted, readOnlyConfig("reading and writing")), want: want{status: Fail, effect: Blocks, cause: cause, says: "amazon-ssm-agent.json keeps the agent's account SYSTEM out"}},
		{name: "access list unread", kind: "windows", fault: accessOf(facts.Unknown[facts.Access]("Access is denied.", "")), want: want{status: Unknown, says: "access list of /ProgramData/Amazon/SSM/InstanceData: Access is denied."}},
		{name: "access list that cannot be asked", kind: "windows", fault: accessOf(facts.Unknown[facts.Access]("Wine", "").Because(facts.NotAskable)), want: want{status: Pass}},
		{name: "another user on Windows", kind: "windows", fault: both(neverAccepted, user(`.\svc`)), want: want{status: Fail, effect: Blocks, cause: cause,
			says: `runs as user ".\\svc", but /ProgramData/Amazon/SSM/InstanceData needs SYSTEM`, saw: `sc query AmazonSSMAgent: User=.\svc (scm:AmazonSSMAgent)`}},
		{name: "root by number", fault: user("0"), want: want{status: Pass}},

		{name: "refused", fault: both(neverAccepted, refused(time.Minute)), want: want{status: Fail, effect: Blocks, cause: cause, confidence: Likely,
			says: "the agent is refused access to /var/lib/amazon/ssm, which must belong to root", saw: "agent log: Failed to set permission for vault folder"}},
		{name: "refused, accepted since", fault: refused(time.Hour), want: want{status: Pass}},

		{name: "another owner", fault: both(neverAccepted, alice), want: want{status: Fail, effect: Blocks, cause: cause, confidence: Likely,
			says: "/var/lib/amazon/ssm belongs to uid 1000, not to root; the agent runs as root and owns /var/lib/amazon/ssm", saw: "owner of /var/lib/amazon/ssm: uid 1000, drwx------ (file:/var/lib/amazon/ssm)", value: "path=/var/lib/amazon/ssm"}},
		{name: "another owner, and refused", fault: both(neverAccepted, alice, refused(time.Minute)), want: want{status: Fail, effect: Blocks, cause: cause, says: "belongs to uid 1000", saw: "agent log: Failed to set permission"}},
		{name: "another owner, accepted", fault: alice, want: want{status: Pass, says: "belongs to uid 1000"}},
		{name: "another owner, accepted or not", fault: both(alice, func(f *facts.Facts) { f.Credentials = facts.Credentials{} }, neverAccepted, func(f *facts.Facts) { f.Agent.Processes.Value.Worker = []facts.Process{{PID: 811}} }),
			want: want{status: Unknown, says: "whether that stops the agent is not known"}},
		{name: "another owner, log unread", fault: both(alice, unreadLogOf), want: want{status: Unknown, says: "agent log: "}},
		{name: "another owner elsewhere", fault: both(neverAccepted, func(f *facts.Facts) {
			f.Registration.Paths.Value[0].Path = "/var/log/amazon/ssm"
			alice(f)
		}), want: want{status: Pass, says: "/var/log/amazon/ssm belongs to uid 1000"}},
		{name: "another owner on macOS", fault: both(mac, neverAccepted, alice), want: want{status: Fail, effect: Blocks, cause: cause, says: "/opt/aws/ssm/data belongs to uid 1000"}},
		{name: "another user on macOS", fault: both(mac, neverAccepted, user("ssm")), want: want{status: Fail, effect: Blocks, cause: cause, saw: "launchctl print system/com.amazon.aws.ssm: User=ssm (launchd:com.amazon.aws.ssm)"}},
		{name: "owner numbers on Windows", kind: "windows", fault: both(neverAccepted, alice), want: want{status: Pass}},
		{name: "owner not known", fault: stateOwned(facts.Unknown[int]("the file system does not tell", "")), want: want{status: Unknown, says: "owner of /var/lib/amazon/ssm: the file system does not tell"}},

		{name: "another owner, as the configuration allows", fault: both(neverAccepted, alice, func(f *facts.Facts) {
			f.Agent.Running, f.Agent.Config = facts.Known("3.3.5226.0", ""), facts.Known(facts.Config{OwnershipOff: true}, "")
		}), want: want{status: Pass, says: "which Agent.EnforceWorkspaceRootOwnership in /etc/amazon/ssm/amazon-ssm-agent.json allows"}},
		{name: "refused, an agent that enforces its owner", fault: both(neverAccepted, refused(time.Minute), func(f *facts.Facts) { f.Agent.Running = facts.Known("3.3.5226.0", "audit") }),
			want: want{status: Fail, effect: Blocks, cause: cause, saw: "agent 3.3.5226.0: makes root the owner of its workspace at every start"}},

		{name: "no state yet", fault: stateNowhere, want: want{status: Skip, says: "no state directory yet"}},
		{name: "a dangling link", fault: both(stateNowhere, func(f *facts.Facts) { f.Registration.Paths.Value[0].Error = "dangling link" }), want: want{status: Warn, effect: Breaks, cause: cause, says: "/var/lib/amazon/ssm is a link that leads to nothing"}},
		{name: "may not look", fault: both(stateNowhere, func(f *facts.Facts) {
			f.Registration.Paths.Value[1].Error = "permission denied"
			f.Registration.Paths.Value[1].Owner = facts.Unknown[int]("permission denied", "").Because(facts.NeedsRoot)
		}), want: want{status: Unknown, says: "owner of /var/lib/amazon/ssm/Vault: permission denied"}},
		{name: "paths known in part", fault: func(f *facts.Facts) {
			f.Registration.Paths = facts.Partly(f.Registration.Paths.Value, "time was up", "")
		}, want: want{status: Unknown, says: "state directories: time was up"}},
		{name: "nobody looked", fault: func(f *facts.Facts) { f.Registration = facts.Registration{} }, want: want{status: Unknown, says: "state directories: not looked at"}},
		{name: "log unread", fault: unreadLogOf, want: want{status: Unknown, says: "agent log: "}},
		{name: "units unread", fault: func(f *facts.Facts) { f.Agent.Units = facts.Unknown[[]facts.Unit]("no answer in time", "") }, want: want{status: Unknown, says: "user of the agent's service: no answer in time"}},
		{name: "no service manager", fault: func(f *facts.Facts) { f.Agent.Units = facts.Absent[[]facts.Unit]("no systemctl on this host", "") }, want: want{status: Pass}},
	}
	judge(t, StateDirAccess, table)
	judgeUnread(t, StateDirAccess, table)
}

// TestStateDirRemedyOfWindows: what denies goes before anything is allowed, of the path that
// is meant, and only where an access list is the fault.
func TestStateDirRemedyOfWindows(t *testing.T) {
	t.Parallel()
	deny := facts.Known(facts.Access{Owner: "S-1-5-21-1-2-3-1001", Denies: "Everyone", Lacks: "writing"}, "")
	for _, c := range []struct {
		name     string
		fault    func(*facts.Facts)
		path     string
		own, run bool
	}{
		{"an access list", func(f *facts.Facts) {
			for i := range f.Registration.Paths.Value[1:] {
				f.Registration.Paths.Value[i+1].Access = deny
			}
		}, "vault", true, false},
		{"the account of the service", func(f *facts.Facts) { f.Agent.Units.Value[0].User = `.\svc` }, "data", false, true},
		{"both", func(f *facts.Facts) {
			f.Agent.Units.Value[0].User = `.\svc`
			accessOf(deny)(f)
		}, "data", true, true},
	} {
		f := factstest.Healthy(t, "windows")
		neverAccepted(f)
		paths := f.Registration.Paths.Value
		c.fault(f)
		fd := StateDirAccess.Judge(node.Of(f))
		if want := map[string]string{"data": paths[0].Path, "vault": paths[1].Path}[c.path]; fd.Values["path"] != want {
			t.Errorf("%s: path %q, want %q", c.name, fd.Values["path"], want)
		}
		has := func(want causes.Step) bool {
			return slices.ContainsFunc(fd.Fix, func(s causes.Step) bool { return s.Command == want.Command })
		}
		if len(fd.Fix) > 0 && (has(causes.OwnAgain) != c.own || has(causes.RunAsSystem) != c.run) || len(fd.Fix) == 0 && !(c.own && c.run) {
			t.Errorf("%s: %+v", c.name, fd.Fix)
		}
	}
	if own, deny, grant := strings.Index(causes.OwnAgain.Command, "takeown"), strings.Index(causes.OwnAgain.Command, "/remove:d"), strings.Index(causes.OwnAgain.Command, "/grant"); own < 0 || deny < own || grant < deny {
		t.Error(causes.OwnAgain.Command)
	}
}

// TestObstacles: what stands in the place of a folder of the agent, or has a flag, and the step
// that takes just that away.
func TestObstacles(t *testing.T) {
	t.Parallel()
	const data = "/var/lib/amazon/ssm"
	is := func(p facts.PathInfo) func(*facts.Facts) {
		return func(f *facts.Facts) {
			p.Owner = facts.Known(0, "")
			if p.Error != "" {
				p.Owner = facts.Absent[int]("no such file", "")
			}
			f.Registration.Paths.Value = append([]facts.PathInfo{p}, f.Registration.Paths.Value...)
		}
	}
	file := func(name string) facts.PathInfo {
		return facts.PathInfo{Path: name, Folder: true, Exists: true, Mode: "-rw-r--r--"}
	}
	flagged := facts.PathInfo{Path: data, Folder: true, Exists: true, Mode: "drwxr-xr-x", Flag: facts.Immutable}
	refused := func(f *facts.Facts) {
		log(f, facts.SigBusStart, time.Minute, "failed to create IPC folder, mkdir /var/lib/amazon/ssm/ipc/: operation not permitted")
	}
	for _, tt := range []struct {
		name  string
		fault func(*facts.Facts)
		step  string // none: nothing is blamed
	}{
		{"a file", is(file(data)), "mv /var/lib/amazon/ssm /var/lib/amazon/ssm.moved"},
		{"above it", netAll(is(file(data)), is(file("/var/lib/amazon"))), "mv /var/lib/amazon /var/lib/amazon.moved"},
		{"a link", is(facts.PathInfo{Path: data, Folder: true, Error: "dangling link"}), "mv /var/lib/amazon/ssm /var/lib/amazon/ssm.moved"},
		{"of the log", is(file("/var/log/amazon/ssm")), "mv /var/log/amazon/ssm /var/log/amazon/ssm.moved"},
		{"the vault", is(file(data + "/Vault")), ""}, // see registration-store
		{"of another node", is(file(data + "/i-0ffffffffffffffff")), ""},
		{"a folder", is(facts.PathInfo{Path: data, Folder: true, Exists: true, Mode: "drwxr-xr-x"}), ""},
		{"a file that has to be one", is(facts.PathInfo{Path: data + "/registration", Exists: true, Mode: "-rw-------"}), ""},
		{"immutable", netAll(is(flagged), refused, neverAccepted), "chattr -i -a /var/lib/amazon/ssm"},
		{"immutable, and nothing is refused", is(flagged), ""},
		{"refused without a flag", netAll(refused, neverAccepted), ""},
		{"a flag elsewhere", netAll(is(facts.PathInfo{Path: "/var/log/amazon/ssm", Folder: true, Exists: true, Mode: "drwxr-xr-x", Flag: facts.Immutable}), refused, neverAccepted), ""},
	} {
		f := factstest.Healthy(t, "profile")
		tt.fault(f)
		fd := StateDirAccess.Judge(node.Of(f))
		switch {
		case (fd.Cause == "state-dir-permissions") != (tt.step != ""):
			t.Errorf("%s: %q, %s", tt.name, fd.Cause, fd.Summary)
		case tt.step != "" && (len(fd.Fix) != 3 || fd.Fix[0].Command != tt.step):
			t.Errorf("%s: %+v", tt.name, fd.Fix)
		}
	}
}
