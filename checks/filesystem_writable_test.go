package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

func TestFilesystemWritable(t *testing.T) {
	t.Parallel()
	// The places of a healthy host: /, state, log, configuration, programs, /tmp.
	flag := func(place int, s facts.Seen[bool]) func(*facts.Facts) {
		return func(f *facts.Facts) { f.Host.FileSystems.Value[place].ReadOnly = s }
	}
	const mounts = "file:/proc/self/mountinfo"
	readOnly := func(place int) func(*facts.Facts) { return flag(place, facts.Known(true, mounts)) }
	mountsRead := func(list ...facts.SealedMount) func(*facts.Facts) {
		return func(f *facts.Facts) { f.Agent.Sealed = facts.Known(list, "file:/proc/77/mountinfo") }
	}
	unread := func(f *facts.Facts) { f.Agent.Sealed = facts.Unknown[[]facts.SealedMount]("permission denied", "") }
	dropIn := func(settings ...string) func(*facts.Facts) {
		return func(f *facts.Facts) {
			unread(f)
			for i := 0; i < len(settings); i += 2 {
				u := &f.Agent.Units.Value[0]
				u.Overrides = append(u.Overrides, facts.Override{Key: settings[i], Value: settings[i+1], File: "/etc/systemd/system/amazon-ssm-agent.service.d/hard.conf"})
			}
		}
	}
	sealed := func(by string) want {
		return want{status: Unknown, says: by + " in /etc/systemd/system/amazon-ssm-agent.service.d/hard.conf gives the agent mounts of its own"}
	}
	table := []row{
		{name: "sealed as it runs", fault: netAll(dropIn("ProtectSystem", "strict"), mountsRead(facts.SealedMount{Dir: "/var/log/amazon/ssm", Mount: "/"})), want: want{status: Warn, effect: Breaks, cause: "filesystem-readonly", confidence: Proven,
			says: "/var/log/amazon/ssm is mounted writable, but not for the agent: its service has a read-only mount of its own at /", saw: "mounts of the agent: / ro (file:/proc/77/mountinfo)"}},
		{name: "sealed as it runs, by no drop-in", fault: mountsRead(facts.SealedMount{Dir: "/var/lib/amazon/ssm", Mount: "/var/lib/amazon/ssm/Vault"}), want: want{status: Warn, effect: Breaks, cause: "filesystem-readonly", confidence: Proven, value: "mount=/var/lib/amazon/ssm/Vault"}},
		{name: "a setting that seals nothing as it runs", fault: netAll(dropIn("ProtectSystem", "strict"), mountsRead()), want: want{status: Pass}},
		{name: "sealed", fault: dropIn("ProtectSystem", "strict"), want: sealed("ProtectSystem=strict")},
		{name: "programs sealed", fault: dropIn("ProtectSystem", "full", "ReadOnlyPaths", "/usr /srv/www"), want: want{status: Pass}},
		{name: "a folder sealed", fault: dropIn("ReadOnlyPaths", "/usr -/var/log"), want: sealed("ReadOnlyPaths=/usr -/var/log")},
		{name: "a folder within sealed", fault: dropIn("InaccessiblePaths", "/var/lib/amazon/ssm/Vault"), want: sealed("InaccessiblePaths=/var/lib/amazon/ssm/Vault")},
		{name: "sealed but for the state", fault: dropIn("ProtectSystem", "strict", "ReadWritePaths", "/var/lib/amazon"), want: sealed("ProtectSystem=strict")},
		{name: "sealed but for what is written", fault: dropIn("ProtectSystem", "strict", "ReadWritePaths", "/var/lib/amazon /var/log/amazon/ssm/ +/etc/amazon"), want: want{status: Pass}},
		{name: "sealed, and read-only for all", fault: func(f *facts.Facts) {
			readOnly(1)(f)
			dropIn("ProtectSystem", "strict")(f)
		}, want: want{status: Warn, effect: Breaks, cause: "filesystem-readonly", confidence: Proven}},
		{name: "profile", want: want{status: Pass, says: "3 file systems writable"}},
		{name: "dhmc", kind: "dhmc", want: want{status: Pass}},
		{name: "hybrid", kind: "hybrid", want: want{status: Pass}},
		{name: "a volume of Windows", kind: "windows", want: want{status: Pass, says: "3 file systems writable"}},
		{name: "a volume of Windows that is read-only", kind: "windows", fault: func(f *facts.Facts) { f.Host.FileSystems.Value[1].ReadOnly.Value = true },
			want: want{status: Warn, effect: Breaks, cause: "filesystem-readonly", says: `C:\, which holds /ProgramData/Amazon/SSM/InstanceData, is mounted read-only`}},
		{name: "macOS, whose system volume is read-only", kind: "mac", want: want{status: Pass, says: "4 file systems writable"}},
		{name: "a task", kind: "task", fault: readOnly(1), want: want{status: Skip, says: "ecs-rootfs"}},
		{name: "state, accepted", fault: readOnly(1), want: want{status: Warn, effect: Breaks, cause: "filesystem-readonly", confidence: Proven,
			says: "/, which holds /var/lib/amazon/ssm, is mounted read-only", saw: "mount flags of /: xfs ro (" + mounts + ")", value: "mount=/"}},
		{name: "state, not accepted", fault: func(f *facts.Facts) {
			readOnly(1)(f)
			neverAccepted(f)
		}, want: want{status: Fail, effect: Blocks, cause: "filesystem-readonly", value: "path=/var/lib/amazon/ssm"}},
		{name: "the log says so", fault: func(f *facts.Facts) {
			readOnly(2)(f)
			log(f, facts.SigReadOnly, time.Hour, "open /var/log/amazon/ssm/x: read-only file system")
		}, want: want{status: Warn, effect: Breaks, cause: "filesystem-readonly", says: "which holds /var/log/amazon/ssm", saw: "agent log: open /var/log/amazon/ssm/x: read-only file system"}},
		{name: "programs", fault: readOnly(4), want: want{status: Pass}},
		{name: "the root alone", fault: readOnly(0), want: want{status: Pass}},
		{name: "a flag unread", fault: flag(2, facts.Unknown[bool]("no mount holds it", mounts)), want: want{status: Unknown, says: "mount flags: no mount holds it"}},
		{name: "one unread, another read-only", fault: func(f *facts.Facts) {
			flag(1, facts.Unknown[bool]("no mount holds it", mounts))(f)
			readOnly(2)(f)
		}, want: want{status: Warn, effect: Breaks, cause: "filesystem-readonly"}},
		{name: "nobody looked", fault: func(f *facts.Facts) { f.Host.FileSystems = facts.Seen[[]facts.FileSystem]{} }, want: want{status: Unknown, says: "mount flags: not looked at"}},
		{name: "none of the agent's", fault: func(f *facts.Facts) { f.Host.FileSystems.Value = f.Host.FileSystems.Value[:1] }, want: want{status: Unknown, says: "none of the agent's directories"}},
		{name: "a task or not", fault: func(f *facts.Facts) {
			readOnly(1)(f)
			f.ECS.Task = facts.Unknown[facts.ECSTask]("no answer in time", "")
		}, want: want{status: Unknown, says: "whether this is a task of Amazon ECS: no answer in time"}},
	}
	judge(t, FilesystemWritable, table)
	judgeUnread(t, FilesystemWritable, table)
}
