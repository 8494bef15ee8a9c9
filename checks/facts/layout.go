package facts

import "strings"

// Layout is where the agent of one system keeps its things, and as whom it runs. It is
// the one table of this: gatherers, checks, remedies and the simulator take it from here.
// Paths are those of a root that begins with /; on Windows they are below the system's
// drive, those on another one begin with it: /D:/Data.
// Source: amazon-ssm-agent, agent/appconfig/constants_unix.go, constants_windows.go and
// constants_darwin.go; packaging/*/amazon-ssm-agent.service, install.bat and the plist.
type Layout struct {
	Data     string `json:"data"`    // state of the agent
	Vault    string `json:"vault"`   // keys and registrations
	Runtime  string `json:"runtime"` // identity_config.json
	Log      string `json:"log"`
	Config   string `json:"config"`   // amazon-ssm-agent.json
	Hosts    string `json:"hosts"`    // the hosts file of the system
	Programs string `json:"programs"` // the executables
	Exe      string `json:"exe"`      // what their names end in
	DHMC     string `json:"dhmc"`     // credentials of Default Host Management
	Shared   string `json:"shared"`   // the credentials file of the agent's account
	Account  string `json:"account"`  // as whom the service has to run
	System   string `json:"system"`   // its name
	Show     string `json:"show"`     // the command that shows a service, before its name
	// Label names where installations are looked for, in evidence.
	Label string `json:"label"`
}

var layouts = map[string]Layout{
	"linux": {
		Data: "/var/lib/amazon/ssm", Vault: "/var/lib/amazon/ssm/Vault", Runtime: "/var/lib/amazon/ssm/runtimeconfig", Log: "/var/log/amazon/ssm",
		Config: "/etc/amazon/ssm/amazon-ssm-agent.json", Hosts: "/etc/hosts", Programs: "/usr/bin", DHMC: "/var/lib/amazon/ssm/credentials",
		Shared: "/root/.aws/credentials", Account: "root", System: "Linux", Show: "systemctl show ", Label: "package databases and the known places",
	},
	"windows": {
		Data: "/ProgramData/Amazon/SSM/InstanceData", Vault: "/ProgramData/Amazon/SSM/InstanceData/Vault", Runtime: "/ProgramData/Amazon/SSM/runtimeconfig", Log: "/ProgramData/Amazon/SSM/Logs",
		Config: "/Program Files/Amazon/SSM/amazon-ssm-agent.json", Hosts: "/Windows/System32/drivers/etc/hosts", Programs: "/Program Files/Amazon/SSM", Exe: ".exe", DHMC: "/Program Files/Amazon/SSM/credentials",
		Shared: "/Windows/System32/config/systemprofile/.aws/credentials", Account: "SYSTEM", System: "Windows", Show: "sc query ", Label: "service manager and the folder of its programs",
	},
	"darwin": {
		Data: "/opt/aws/ssm/data", Vault: "/opt/aws/ssm/data/Vault", Runtime: "/opt/aws/ssm/runtimeconfig", Log: "/var/log/amazon/ssm",
		Config: "/opt/aws/ssm/amazon-ssm-agent.json", Hosts: "/etc/hosts", Programs: "/opt/aws/ssm/bin", DHMC: "/opt/aws/ssm/data/credentials",
		Shared: "/var/root/.aws/credentials", Account: "root", System: "macOS", Show: "launchctl print system/", Label: "launchd, receipts of packages and the folder of its programs",
	},
}

// LayoutOf is the layout on a system by Go's name; that of Linux for others.
func LayoutOf(goos string) Layout {
	if l, ok := layouts[goos]; ok {
		return l
	}
	return layouts["linux"]
}

// Moved is the layout with all that lies in one folder in another.
func (l Layout) Moved(from, to string) Layout {
	for _, p := range []*string{&l.Data, &l.Vault, &l.Runtime, &l.Log, &l.Config, &l.Programs, &l.DHMC} {
		if rest, ok := strings.CutPrefix(*p, from+"/"); ok {
			*p = to + "/" + rest
		}
	}
	return l
}
