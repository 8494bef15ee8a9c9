package node

// ended is a row of the tables of ends.
type ended struct {
	name    string
	class   EndClass
	meaning string
	do      []Step
}

// Steps that several rows share.
var (
	seeUnit = Step{"Look at the unit with its drop-ins, and which of them sets this", "systemctl cat {unit}", true}
	// EditUnit is for a line of a unit of which it is not known where it stands.
	EditUnit = Step{"Correct that line, or remove the drop-in that holds it", "systemctl edit {unit}", false}
)

// signals are those of Linux.
// Source: signal(7).
var signals = map[int]ended{
	1:  {"HUP", EndSignal, "a terminal or session that it belonged to ended, or somebody sent it to make the agent read its configuration, which it does not", nil},
	2:  {"INT", EndSignal, "Ctrl-C on its terminal, or somebody sent it", nil},
	3:  {"QUIT", EndSignal, "somebody sent it for a dump of what the agent does", nil},
	4:  {"ILL", EndCrash, "an instruction that this processor does not know: the program is damaged or made for another one", nil},
	5:  {"TRAP", EndCrash, "a debugger or a damaged program", nil},
	6:  {"ABRT", EndCrash, "the program gave up by itself, or systemd's watchdog ended it", nil},
	7:  {"BUS", EndCrash, "memory or a file that it used went away: a damaged disk, a full one, or a program that was replaced while it ran", nil},
	8:  {"FPE", EndCrash, "a calculation that cannot be done", nil},
	9:  {"KILL", EndSignal, "kill -9, the kernel for lack of memory, or systemd after it waited too long", nil},
	10: {"USR1", EndSignal, "somebody sent it", nil},
	11: {"SEGV", EndCrash, "it used memory that is not its own", nil},
	12: {"USR2", EndSignal, "somebody sent it", nil},
	13: {"PIPE", EndSignal, "what read its output went away", nil},
	14: {"ALRM", EndSignal, "a timer of its own, or somebody sent it", nil},
	15: {"TERM", EndSignal, "it was asked to stop: by systemctl stop, a shutdown, or somebody", nil},
	24: {"XCPU", EndSignal, "a limit of processor time (LimitCPU=)", []Step{seeUnit, EditUnit}},
	25: {"XFSZ", EndSignal, "a limit of the size of files (LimitFSIZE=)", []Step{seeUnit, EditUnit}},
	31: {"SYS", EndCrash, "a system call that SystemCallFilter= or a security tool forbids", []Step{seeUnit, EditUnit}},
}

// signalOf is the row of a signal.
func signalOf(number int) ended {
	if s, ok := signals[number]; ok {
		return s
	}
	return ended{"unnamed", EndSignal, "somebody sent it", nil}
}

// results are the values of Result= that say more than code and signal.
// Source: systemd.exec(5), SERVICE_RESULT.
var results = map[string]ended{
	"oom-kill":        {"", EndMemory, "the kernel or systemd-oomd killed a process of the service for lack of memory", nil},
	"core-dump":       {"", EndCrash, "the program crashed", nil},
	"timeout":         {"", EndTimeout, "it did not start or stop in the time that the unit allows (TimeoutStartSec=, TimeoutStopSec=); the agent's own unit is Type=simple, whose start cannot time out", []Step{seeUnit, EditUnit}},
	"watchdog":        {"", EndTimeout, "WatchdogSec= of the unit expects signs of life that the agent does not give", []Step{seeUnit, {"Remove WatchdogSec= from the unit", "systemctl edit {unit}", false}}},
	"start-limit-hit": {"", EndLimit, "it ended so often within StartLimitIntervalSec= that systemd starts it no more", []Step{{"Once the reason is mended, clear the counter and start it", "systemctl reset-failed {unit} && systemctl start {unit}", false}}},
	"resources":       {"", EndSetup, "systemd itself lacked memory, descriptors or a file that the unit names (EnvironmentFile=, LoadCredential=)", []Step{seeUnit, EditUnit}},
	"protocol":        {"", EndSetup, "Type= of the unit expects a protocol that the agent does not speak; its own unit has Type=simple", []Step{seeUnit, EditUnit}},
	"exec-condition":  {"", EndCondition, "ExecCondition= of the unit said that it must not start", []Step{seeUnit, EditUnit}},
}

// codes are the exit statuses that systemd gives when it cannot prepare a process, and
// those of shells and the dynamic loader.
// Source: systemd.exec(5), "Process Exit Codes"; exit status 126 and 127 of POSIX sh.
var codes = withUnitSteps(map[int]ended{
	126: {"not executable", EndExec, "the program may not be executed", nil},
	127: {"not found", EndMissing, "the program, or a shared library that it needs, is not there", []Step{{"Check what is missing", "ldd {agent}; {journal}", true}}},
	194: {"reboot", EndClean, "a command asked the agent to reboot the machine", nil},

	200: {"CHDIR", EndSetup, "WorkingDirectory= of the unit is not there or may not be entered", nil},
	201: {"NICE", EndSetup, "Nice= could not be set", nil},
	202: {"FDS", EndSetup, "descriptors could not be passed on", nil},
	203: {"EXEC", EndExec, "the program could not be executed", nil},
	204: {"MEMORY", EndMemory, "systemd had no memory to start it", nil},
	205: {"LIMITS", EndSetup, "a limit (LimitNOFILE= and others) could not be set", nil},
	206: {"OOM_ADJUST", EndSetup, "OOMScoreAdjust= could not be set", nil},
	207: {"SIGNAL_MASK", EndSetup, "the signal mask could not be set", nil},
	208: {"STDIN", EndSetup, "StandardInput= could not be opened", nil},
	209: {"STDOUT", EndSetup, "StandardOutput= could not be opened: a full disk, a missing directory, a journal that does not run", nil},
	210: {"CHROOT", EndSetup, "RootDirectory= is not there or cannot be used", nil},
	211: {"IOPRIO", EndSetup, "IOSchedulingPriority= could not be set", nil},
	212: {"TIMERSLACK", EndSetup, "TimerSlackNSec= could not be set", nil},
	213: {"SECUREBITS", EndSetup, "SecureBits= could not be set", nil},
	214: {"SETSCHEDULER", EndSetup, "CPUSchedulingPolicy= could not be set", nil},
	215: {"CPUAFFINITY", EndSetup, "CPUAffinity= names processors that this host does not have", nil},
	216: {"GROUP", EndSetup, "the group of Group= or SupplementaryGroups= does not exist; the agent needs none", nil},
	217: {"USER", EndSetup, "the user of User= does not exist; the agent runs as root and needs none", nil},
	218: {"CAPABILITIES", EndSetup, "CapabilityBoundingSet= or AmbientCapabilities= could not be applied", nil},
	219: {"CGROUP", EndSetup, "its control group could not be made or joined: Slice=, Delegate=, or a container without control groups", nil},
	220: {"SETSID", EndSetup, "a session could not be made", nil},
	221: {"CONFIRM", EndSetup, "somebody at the console refused to start it", nil},
	222: {"STDERR", EndSetup, "StandardError= could not be opened", nil},
	224: {"PAM", EndSetup, "PAMName= of the unit refused the session", nil},
	225: {"NETWORK", EndSetup, "PrivateNetwork= or NetworkNamespacePath= could not be set up", nil},
	226: {"NAMESPACE", EndSetup, "a path of RootDirectory=, ReadWritePaths=, ReadOnlyPaths=, InaccessiblePaths=, BindPaths=, ProtectSystem= or PrivateTmp= is not there or could not be mounted", nil},
	227: {"NO_NEW_PRIVILEGES", EndSetup, "NoNewPrivileges= could not be set", nil},
	228: {"SECCOMP", EndSetup, "SystemCallFilter= could not be applied", nil},
	229: {"SELINUX_CONTEXT", EndSetup, "SELinuxContext= is no context of this host's policy", nil},
	230: {"PERSONALITY", EndSetup, "Personality= could not be set", nil},
	231: {"APPARMOR_PROFILE", EndSetup, "AppArmorProfile= names a profile that is not loaded", nil},
	232: {"ADDRESS_FAMILIES", EndSetup, "RestrictAddressFamilies= could not be applied", nil},
	233: {"RUNTIME_DIRECTORY", EndSetup, "RuntimeDirectory= could not be made", nil},
	235: {"CHOWN", EndSetup, "the owner of a socket or directory could not be set", nil},
	236: {"SMACK_PROCESS_LABEL", EndSetup, "SmackProcessLabel= could not be set", nil},
	237: {"KEYRING", EndSetup, "the kernel's key ring could not be set up", nil},
	238: {"STATE_DIRECTORY", EndSetup, "StateDirectory= could not be made: a full or read-only disk, or a file in its place", nil},
	239: {"CACHE_DIRECTORY", EndSetup, "CacheDirectory= could not be made", nil},
	240: {"LOGS_DIRECTORY", EndSetup, "LogsDirectory= could not be made: a full or read-only disk, or a file in its place", nil},
	241: {"CONFIGURATION_DIRECTORY", EndSetup, "ConfigurationDirectory= could not be made", nil},
	242: {"NUMA_POLICY", EndSetup, "NUMAPolicy= could not be set", nil},
	243: {"CREDENTIALS", EndSetup, "LoadCredential= or SetCredential= names something that is not there", nil},
	245: {"BPF", EndSetup, "RestrictFileSystems= could not be applied", nil},
})

// withUnitSteps gives the rows of what cannot be prepared their steps: it is a line of
// the unit, and that is what to correct.
func withUnitSteps(rows map[int]ended) map[int]ended {
	for status, c := range rows {
		if c.class == EndSetup {
			c.do = []Step{seeUnit, EditUnit}
			rows[status] = c
		}
	}
	return rows
}
