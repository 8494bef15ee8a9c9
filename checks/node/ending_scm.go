package node

import (
	"fmt"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/text"
)

// Steps that several rows share.
var (
	// Reinstall brings a program back, on every system.
	Reinstall  = Step{"Install the agent again over the present one; its registration stays", "{reinstall}", false}
	scmScan    = Step{"Let the antivirus product (Defender or another) allow the agent: add an exclusion for its folder", `Get-MpThreatDetection | Select-Object -Last 5; Add-MpPreference -ExclusionPath 'C:\Program Files\Amazon\SSM'`, false}
	scmPolicy  = Step{"Check which rule refused it, and allow programs signed by Amazon", `Get-WinEvent -LogName 'Microsoft-Windows-AppLocker/EXE and DLL','Microsoft-Windows-CodeIntegrity/Operational' -MaxEvents 20`, false}
	scmAccount = Step{"Let the service run as the system account, as the installer sets it", "sc.exe config AmazonSSMAgent obj= LocalSystem", false}
	scmDepend  = Step{"Check what the service depends on, and start that", "sc.exe qc AmazonSSMAgent; Get-Service AmazonSSMAgent -RequiredServices", true}
	scmEvents  = Step{"Read what Windows logged of its end", "Get-WinEvent -FilterHashtable @{LogName='System','Application'} -MaxEvents 200 | Where-Object Message -match 'ssm' | Format-List TimeCreated,Id,Message", true}
	scmMemory  = Step{"Give the host more memory or a larger paging file; see what takes it", "Get-Process | Sort-Object WorkingSet64 -Descending | Select-Object -First 10", true}
	// A slow start is a slow boot: Windows waits 30 s by itself, and starts delayed
	// services after the others.
	scmSlow = []Step{
		{"Start it now: the machine is up by now", "Start-Service AmazonSSMAgent", false},
		{"So that it lasts, let it start after the other services, and be started again when it fails", "sc.exe config AmazonSSMAgent start= delayed-auto; sc.exe failure AmazonSSMAgent reset= 86400 actions= restart/30000/restart/60000/restart/60000", false},
		{"If it still takes longer at boot, let Windows wait 60 s (ServicesPipeTimeout; from the next boot on)", `New-ItemProperty -Force -Path HKLM:\SYSTEM\CurrentControlSet\Control -Name ServicesPipeTimeout -PropertyType DWord -Value 60000`, false},
	}
	scmAgain = Step{"Let Windows start the service again when it ends, also when it says that it ended with an error", "sc.exe failure AmazonSSMAgent reset= 86400 actions= restart/30000/restart/60000/restart/60000; sc.exe failureflag AmazonSSMAgent 1", false}
)

// scmErrors are what the service manager of Windows gives as the reason of an end.
// Source: Microsoft, "System Error Codes" (winerror.h), and for those above 0xC0000000
// "NTSTATUS Values" (ntstatus.h).
var scmErrors = map[uint32]ended{
	2:    {"FILE_NOT_FOUND", EndMissing, "the program of the service is not there", []Step{Reinstall}},
	3:    {"PATH_NOT_FOUND", EndMissing, "the folder of the program is not there", []Step{Reinstall}},
	5:    {"ACCESS_DENIED", EndExec, "Windows may not execute the program: its file permissions or a security product", []Step{{"Check who may execute it", `icacls 'C:\Program Files\Amazon\SSM\amazon-ssm-agent.exe'`, true}, scmPolicy}},
	8:    {"NOT_ENOUGH_MEMORY", EndMemory, "there was no memory for it", []Step{scmMemory}},
	14:   {"OUTOFMEMORY", EndMemory, "there was no memory for it", []Step{scmMemory}},
	193:  {"BAD_EXE_FORMAT", EndMissing, "the program is damaged, or made for another processor", []Step{Reinstall}},
	216:  {"EXE_MACHINE_TYPE_MISMATCH", EndMissing, "the program is made for another processor", []Step{Reinstall}},
	225:  {"VIRUS_INFECTED", EndExec, "an antivirus product takes the program for a virus", []Step{scmScan}},
	226:  {"VIRUS_DELETED", EndExec, "an antivirus product took the program for a virus and removed it", []Step{scmScan, Reinstall}},
	577:  {"INVALID_IMAGE_HASH", EndExec, "Code Integrity does not accept the signature of the program", []Step{scmPolicy, Reinstall}},
	1053: {"SERVICE_REQUEST_TIMEOUT", EndTimeout, "it did not answer the service manager in time, 30 seconds unless set otherwise: usual on a machine that is slow while it boots", scmSlow},
	1055: {"SERVICE_DATABASE_LOCKED", EndTimeout, "another service was being changed", []Step{{"Start it again", "Start-Service AmazonSSMAgent", false}}},
	1057: {"INVALID_SERVICE_ACCOUNT", EndSetup, "the account of the service does not exist, or its password is wrong", []Step{scmAccount}},
	1058: {"SERVICE_DISABLED", EndCondition, "the service is disabled, or has no enabled device", nil},
	1067: {"PROCESS_ABORTED", EndCrash, "its process ended unexpectedly", []Step{scmEvents, scmAgain}},
	1068: {"SERVICE_DEPENDENCY_FAIL", EndCondition, "a service that it depends on did not start", []Step{scmDepend}},
	1069: {"SERVICE_LOGON_FAILED", EndSetup, "the account of the service could not log on: its password changed, or it may not log on as a service", []Step{scmAccount}},
	1072: {"SERVICE_MARKED_FOR_DELETE", EndCondition, "the service is being deleted, which ends when all consoles that show it are closed", []Step{{"Restart Windows, then install the agent again", "Restart-Computer", false}, Reinstall}},
	1075: {"SERVICE_DEPENDENCY_DELETED", EndCondition, "a service that it depends on does not exist", []Step{scmDepend, Reinstall}},
	1079: {"DIFFERENT_SERVICE_ACCOUNT", EndSetup, "another service of its process runs under another account", []Step{scmAccount}},
	1077: {"SERVICE_NEVER_STARTED", EndCondition, "it was not started since the boot", nil},
	1260: {"ACCESS_DISABLED_BY_POLICY", EndExec, "a policy (AppLocker, software restriction) forbids the program", []Step{scmPolicy}},
	1450: {"NO_SYSTEM_RESOURCES", EndMemory, "Windows lacked resources", []Step{scmMemory}},
	1455: {"COMMITMENT_LIMIT", EndMemory, "the paging file is too small", []Step{scmMemory}},
	4551: {"SYSTEM_INTEGRITY_POLICY_VIOLATION", EndExec, "a policy of Code Integrity (WDAC, App Control) forbids the program", []Step{scmPolicy}},

	0xC0000005: {"STATUS_ACCESS_VIOLATION", EndCrash, "it used memory that is not its own", []Step{scmEvents}},
	0xC0000017: {"STATUS_NO_MEMORY", EndMemory, "there was no memory for it", []Step{scmMemory}},
	0xC000007B: {"STATUS_INVALID_IMAGE_FORMAT", EndMissing, "the program or a library of it is damaged, or made for another processor", []Step{Reinstall}},
	0xC00000FD: {"STATUS_STACK_OVERFLOW", EndCrash, "it used up its stack", []Step{scmEvents}},
	0xC0000135: {"STATUS_DLL_NOT_FOUND", EndMissing, "a library that the program needs is not there", []Step{Reinstall}},
	0xC000013A: {"STATUS_CONTROL_C_EXIT", EndSignal, "somebody ended it with Ctrl-C or by closing its window", []Step{scmAgain}},
	0xC0000142: {"STATUS_DLL_INIT_FAILED", EndMissing, "a library of the program could not start", []Step{Reinstall}},
	0xC0000428: {"STATUS_INVALID_IMAGE_HASH", EndExec, "Code Integrity does not accept the signature of the program", []Step{scmPolicy, Reinstall}},
}

// StepsAgainst are the steps that let the agent's program run again, by what blocks it.
func StepsAgainst(by string) []Step {
	if by == facts.ByDefender {
		return []Step{scmScan}
	}
	return []Step{scmPolicy}
}

// MarkedForDeletion is the code of a service that is being deleted.
const MarkedForDeletion = 1072

// EndingByCode is what the service manager of Windows means by one of its codes.
func (n *Node) EndingByCode(code uint32) Ending {
	row := scmErrors[code]
	return Ending{Class: row.class, How: text.New("error %d (%s)", code, row.name), Meaning: row.meaning, Do: row.do}
}

// agentStartFailed is the agent's own code for a start that failed.
const agentStartFailed = 1

// endingOfWindows reads the exit code that the service manager keeps. A code of the
// service's own is one of the agent.
// Source: amazon-ssm-agent 3.3, core/agent_windows.go and agent/appconfig/constants_windows.go.
func endingOfWindows(u *facts.Unit) Ending {
	if u.ExitStatus == 0 || u.Active == "active" {
		return Ending{}
	}
	c := uint32(int64(u.ExitStatus)) //nolint:gosec // a code of 32 bits
	how := text.New("exit code %d", u.ExitStatus)
	if c >= 1<<31 {
		how = text.New("exit code %s", fmt.Sprintf("0x%08X", c))
	}
	row, ok := scmErrors[c]
	e := Ending{Class: row.class, How: how.Add(" (%s)", row.name), Meaning: row.meaning, Do: row.do}
	if !ok || u.Ended == "exited" {
		e = Ending{Class: EndCode, How: how, Do: []Step{scmEvents}}
		if u.Ended == "exited" && u.ExitStatus == agentStartFailed {
			e.Meaning = "the agent itself gave up its start; its log says why"
		}
	}
	switch { // see facts.Unit.Restart
	case u.Restart == "no":
		e.Again, e.NotAgain = No, text.New("the service has no recovery actions, so that Windows does not start it again")
	case u.Restart == "on-abnormal" && e.Class == EndCode:
		e.Again, e.NotAgain = No, text.New("the recovery actions of the service cover crashes only, and it said by itself that it ended")
	}
	if e.Again == No && e.Class == EndCode {
		e.Do = append(e.Do, scmAgain)
	}
	return e
}
