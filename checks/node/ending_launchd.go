package node

import (
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/text"
)

var (
	macEnable = Step{"Enable the service and start it", "{enable}", false}
	macLog    = Step{"Read what launchd logged of it", "log show --last 1h --predicate 'process == \"launchd\" AND eventMessage CONTAINS \"com.amazon.aws.ssm\"' | tail -n 50", true}
)

// macSignals are the signals of macOS that have another number or meaning than on Linux.
// Source: signal(3) of macOS.
var macSignals = map[int]ended{
	6:  {"ABRT", EndCrash, "the program gave up by itself", nil},
	7:  {"EMT", EndCrash, "a debugger or a damaged program", nil},
	9:  {"KILL", EndSignal, "kill -9, or macOS for lack of memory", nil},
	10: {"BUS", EndCrash, "memory or a file that it used went away", nil},
	12: {"SYS", EndCrash, "a system call that is not allowed", nil},
	15: {"TERM", EndSignal, "it was asked to stop: by launchctl, a shutdown, or somebody", nil},
	24: {"XCPU", EndSignal, "a limit of processor time", nil},
	25: {"XFSZ", EndSignal, "a limit of the size of files", nil},
	30: {"USR1", EndSignal, "somebody sent it", nil},
	31: {"USR2", EndSignal, "somebody sent it", nil},
}

// launchdErrors are exit codes and errors with which launchd says that it could not
// start a service.
// Source: sysexits(3), launchctl(1) and what "launchctl error" prints.
var launchdErrors = map[int]ended{
	78:  {"EX_CONFIG", EndMissing, "launchd could not start the program: it is not there, may not be executed, or its property list is wrong", []Step{Reinstall}},
	111: {"no program", EndMissing, "the property list names no program that is there", []Step{Reinstall}},
	119: {"disabled", EndCondition, "the service is disabled", []Step{macEnable}},
	126: {"not executable", EndExec, "the program may not be executed", []Step{Reinstall}},
	127: {"not found", EndMissing, "the program is not there", []Step{Reinstall}},
	155: {"quarantined", EndExec, "macOS refuses to execute a program that is quarantined or not signed as it expects", []Step{Reinstall}},
}

// endingOfMac reads the last exit code or signal of launchd. LastExitStatus of
// "launchctl list" is a wait status; "launchctl print" shows code and signal.
func endingOfMac(u *facts.Unit) Ending {
	switch {
	case u.ExitStatus == 0 || u.Active == "active":
		return Ending{}
	case u.Ended == "killed":
		s, ok := macSignals[u.ExitStatus]
		if !ok {
			s = signalOf(u.ExitStatus)
		}
		return Ending{Class: s.class, How: text.New("killed by signal %d (%s)", u.ExitStatus, s.name), Meaning: s.meaning, Do: []Step{macLog}}
	}
	if s, ok := launchdErrors[u.ExitStatus]; ok {
		return Ending{Class: s.class, How: text.New("exit code %d (%s)", u.ExitStatus, s.name), Meaning: s.meaning, Do: s.do}
	}
	return Ending{Class: EndCode, How: text.New("exit code %d", u.ExitStatus), Do: []Step{macLog}}
}
