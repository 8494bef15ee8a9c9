package facts

// Layout is where the agent of one system keeps its things. Paths are those of
// a root that begins with /; on Windows they are below the system's drive, those on another
// one begin with it: /D:/Data.
// Source: amazon-ssm-agent, agent/appconfig/constants_unix.go,
// constants_windows.go and constants_darwin.go.
type Layout struct {
	Data    string `json:"data"`    // state of the agent
	Vault   string `json:"vault"`   // keys and registrations
	Runtime string `json:"runtime"` // identity_config.json
	Log     string `json:"log"`
	Config  string `json:"config"` // amazon-ssm-agent.json
	Hosts   string `json:"hosts"`  // the hosts file of the system
}

// LayoutOf is the layout on a system by Go's name; that of Linux for others.
func LayoutOf(goos string) Layout {
	switch goos {
	case "windows":
		return Layout{
			Data: "/ProgramData/Amazon/SSM/InstanceData", Vault: "/ProgramData/Amazon/SSM/InstanceData/Vault", Runtime: "/ProgramData/Amazon/SSM/runtimeconfig",
			Log: "/ProgramData/Amazon/SSM/Logs", Config: "/Program Files/Amazon/SSM/amazon-ssm-agent.json", Hosts: "/Windows/System32/drivers/etc/hosts",
		}
	case "darwin":
		return Layout{
			Data: "/opt/aws/ssm/data", Vault: "/opt/aws/ssm/data/Vault", Runtime: "/opt/aws/ssm/runtimeconfig",
			Log: "/var/log/amazon/ssm", Config: "/opt/aws/ssm/amazon-ssm-agent.json", Hosts: "/etc/hosts",
		}
	}
	return Layout{
		Data: "/var/lib/amazon/ssm", Vault: "/var/lib/amazon/ssm/Vault", Runtime: "/var/lib/amazon/ssm/runtimeconfig",
		Log: "/var/log/amazon/ssm", Config: "/etc/amazon/ssm/amazon-ssm-agent.json", Hosts: "/etc/hosts",
	}
}
