package causes

import (
	"slices"
	"strings"

	"ssm-doctor/checks/pattern"
)

var (
	reCmdlet = pattern.New(`(?:^|[;|{(=!]\s*|\n\s*)([A-Z][a-z]+-[A-Z][A-Za-z]+)\b`)
	// reWindows are programs of Windows, at the begin of a statement.
	reWindows = pattern.New(`(?:^|[;|{&]\s*|\n)"?(?:[^"\s]*\\)?(sc\.exe|icacls\.exe|takeown\.exe|w32tm|netsh|ipconfig|route|Dism\.exe|sysprep\.exe|powershell\.exe|curl\.exe|EC2Launch\.exe|amazon-ssm-agent\.exe)"? ([^;|}\n]*)`)
	reCalled  = pattern.New(`& "?[^"]*\\(sysprep\.exe|EC2Launch\.exe|amazon-ssm-agent\.exe)"? ([^;|}\n]*)`)
)

// isPowerShell reports whether a command is for Windows.
func isPowerShell(script string) bool {
	return reCmdlet.MatchString(script) || strings.Contains(script, ".exe") || strings.HasPrefix(script, "[Net.") ||
		strings.HasPrefix(script, "netsh ") || strings.HasPrefix(script, "w32tm ") || strings.HasPrefix(script, "route print") || strings.HasPrefix(script, "route delete") || strings.HasPrefix(script, "route -p")
}

// powerShellChanges is ChangesOf for PowerShell: by the cmdlets and programs that occur.
func powerShellChanges(script string) (list []Change, known bool) {
	add := func(c ...Change) {
		for _, x := range c {
			if !slices.Contains(list, x) {
				list = append(list, x)
			}
		}
	}
	known = true
	for _, m := range reCmdlet.FindAllStringSubmatch(script, -1) {
		cmdlet := m[1]
		_, rest, _ := strings.Cut(script, cmdlet)
		rest, _, _ = strings.Cut(rest, ";")
		var args []string
		if w := simple(rest); len(w) > 0 {
			args = w[0].list
		}
		first := target(args)
		service := func(k Kind) {
			if first == "AmazonSSMAgent" {
				add(Change{k, "", ""})
			} else {
				add(Change{OtherService, first, ""})
			}
		}
		switch verb, _, _ := strings.Cut(cmdlet, "-"); {
		case slices.Contains([]string{"Get", "Select", "Sort", "Where", "Format", "Resolve", "Find", "Test", "Convert", "Join", "Measure", "Copy"}, verb), strings.HasPrefix(cmdlet, "ConvertFrom"),
			slices.Contains([]string{"New-Object", "Import-Module", "Invoke-WebRequest", "Add-ADGroupMember"}, cmdlet):
		case cmdlet == "Restart-Service":
			service(ServiceRestarted)
		case cmdlet == "Start-Service":
			service(ServiceStarted)
		case cmdlet == "Stop-Service":
			service(ServiceStopped)
		case cmdlet == "Set-Service":
			service(ServiceEnabled)
		case cmdlet == "Rename-Item" || cmdlet == "Move-Item":
			add(Change{FileMoved, first, ""})
		case cmdlet == "Remove-Item":
			add(Change{FileRemoved, first, ""})
		case cmdlet == "Set-Content" && strings.Contains(script, `etc\hosts`):
			add(Change{HostsLine, between(script, `\s(`, ")"), ""})
		case cmdlet == "Set-Content":
			add(Change{FileEdited, first, ""})
		case cmdlet == "Set-ItemProperty":
			add(Change{UnitSet, "the registry", between(script, "-Value ", "\n")})
		case cmdlet == "Remove-ItemProperty":
			add(Change{UnitUnset, "proxy", ""})
		case cmdlet == "Start-Process" && strings.Contains(script, "'/S'"):
			add(Change{AgentInstalled, "", release(script)})
		case cmdlet == "New-NetFirewallRule" && option(args, "-Action") == "Block":
			add(Change{RouteStopped, option(args, "-RemoteAddress"), ""})
		case cmdlet == "New-NetFirewallRule" || cmdlet == "Disable-NetFirewallRule":
			add(Change{FirewallRule, "443", ""}, Change{FirewallRule, "169.254.169.254", ""})
		case cmdlet == "Set-DnsClientServerAddress":
			add(Change{ResolverSet, "", "of DHCP"})
		case cmdlet == "Set-NetIPInterface":
			add(Change{AddressAsked, "the network", ""})
		case cmdlet == "Set-CimInstance":
			add(Change{MemoryAdded, "", ""})
		case cmdlet == "Import-Certificate":
			add(Change{CAAdded, "YOUR-CA.cer", ""})
		case cmdlet == "New-ADUser", cmdlet == "New-LocalUser":
			add(Change{UserCreated, first, ""})
		case cmdlet == "Add-Routes":
			add(Change{RouteSet, "169.254.169.254", "the default gateway"})
		default:
			known = false
		}
	}
	for _, m := range append(reWindows.FindAllStringSubmatch(script, -1), reCalled.FindAllStringSubmatch(script, -1)...) {
		program, rest := m[1], m[2]
		args := strings.Fields(rest)
		has := func(s string) bool { return strings.Contains(rest, s) }
		switch {
		case program == "sc.exe" && has("delayed-auto"):
			add(Change{ServiceEnabled, "", ""})
		case program == "sc.exe" && has("obj="):
			add(Change{UnitUnset, "User", ""})
		case program == "takeown.exe" && len(args) > 1:
			add(Change{OwnerSet, args[1], "Administrators"})
		case program == "icacls.exe" && has("/grant"):
			add(Change{RightsGranted, args[0], ""})
		case program == "icacls.exe" && has("/remove:d"): // with what it is granted then
		case program == "w32tm" && has("/resync"):
			add(Change{ClockSet, "", ""})
		case program == "netsh" && has("mtu="):
			add(Change{MTUSet, "the interface", "1400"})
		case program == "netsh" && has("reset proxy"):
			add(Change{UnitUnset, "proxy", ""})
		case program == "ipconfig" && has("/renew"):
			add(Change{AddressAsked, "the network", ""})
		case program == "route" && has("delete ") && len(args) > 1:
			add(Change{RouteRemoved, args[1], ""})
		case program == "route" && has("add ") && len(args) > 2:
			add(Change{RouteSet, args[2], "the other interface"})
		case program == "Dism.exe":
			add(Change{SpaceFreed, "", ""})
		case program == "sysprep.exe":
			add(Change{ShutDown, "", ""})
		case program == "EC2Launch.exe":
			add(Change{RouteSet, "169.254.169.254", "the default gateway"})
		case program == "amazon-ssm-agent.exe":
			c, ok := agentChanges(args, "", nil)
			add(c...)
			known = known && ok
		}
	}
	return list, known
}

// target is what a cmdlet acts on: what is named, or the first word that is no parameter.
func target(args []string) string {
	for i, a := range args[:max(len(args)-1, 0)] {
		if slices.ContainsFunc([]string{"-Name", "-Path", "-LiteralPath"}, func(p string) bool { return strings.EqualFold(a, p) }) {
			return args[i+1]
		}
	}
	for i, a := range args {
		if a == "(Join-Path" && i+2 < len(args) {
			return args[i+1] + `\` + strings.TrimRight(args[i+2], ")")
		}
		if !strings.HasPrefix(a, "-") {
			return a
		}
	}
	return ""
}
