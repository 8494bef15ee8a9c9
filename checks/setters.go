package checks

import (
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
)

// ieOff switches the proxy of the internet options of the system account off.
const ieOff = `Set-ItemProperty 'Registry::HKEY_USERS\.DEFAULT\Software\Microsoft\Windows\CurrentVersion\Internet Settings' -Name ProxyEnable -Value 0`

// proxySetters are, by what of Windows sets the proxy of the agent's service, the words
// for it and the step that takes a wrong one away. What is left then wins.
var proxySetters = map[facts.Setter]struct{ name, says, command string }{
	facts.ByService: {"the service's own variables", "Correct the proxy of the service, or take it away where there is a direct way",
		`$k = 'HKLM:\SYSTEM\CurrentControlSet\Services\AmazonSSMAgent'; Set-ItemProperty $k -Name Environment -Type MultiString -Value @((Get-ItemProperty $k).Environment -notmatch '^https?_proxy=')`},
	facts.ByMachine: {"the variables of the machine", "Correct the proxy among the variables of the machine, or take it away where there is a direct way; services may keep them until the next boot",
		`'https_proxy','http_proxy' | ForEach-Object { [Environment]::SetEnvironmentVariable($_, $null, 'Machine') }`},
	facts.BySystemAccount: {"the variables of the system account", "Correct the proxy among the variables of the system account, or take it away where there is a direct way",
		`Remove-ItemProperty 'Registry::HKEY_USERS\.DEFAULT\Environment' -Name https_proxy,http_proxy -ErrorAction SilentlyContinue`},
	facts.ByInternetOptions: {"the internet options of the system account", "Correct the proxy in the internet options of the system account, or switch it off where there is a direct way; a group policy may set it again",
		ieOff},
	facts.ByWinHTTP: {"WinHTTP", "Correct the proxy of WinHTTP, or reset it where there is a direct way", `netsh winhttp show proxy; netsh winhttp reset proxy`},
}

// withProxySteps puts the step for what sets the proxy of the service before the others,
// and says what that is. Systems besides Windows have one place.
func withProxySteps(n *node.Node, fd Finding) Finding {
	p, ok := n.Facts.Agent.ServiceProxy.Get()
	by, known := proxySetters[p.By]
	if !ok || !known {
		return fd
	}
	fd = fd.add("; it is set by %s", by.name)
	if fd.Cause != "proxy-unreachable" {
		return fd // there the proxy is right, or its own address has to be written in another way
	}
	if by.command == ieOff && strings.HasPrefix(p.From, `registry:HKLM\`) { // a policy: one for all users
		by.command = strings.Replace(ieOff, `Registry::HKEY_USERS\.DEFAULT`, `Registry::HKEY_LOCAL_MACHINE`, 1)
	}
	return fd.fix(
		causes.Step{Text: "Try it; AWS itself answers 404 there", Command: "[Net.ServicePointManager]::SecurityProtocol = 'Tls12'; Invoke-WebRequest -UseBasicParsing -TimeoutSec 5 -Proxy {proxy} https://ssm.{region}.{domain}/", Where: causes.OnHost, GOOS: "windows"},
		causes.Step{Text: by.says, Command: by.command, Where: causes.OnHost, Root: true, GOOS: "windows"},
	).fix(causes.Reload...)
}
