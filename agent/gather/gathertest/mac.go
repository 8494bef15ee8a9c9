package gathertest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"ssm-doctor/agent/gather"
)

const LaunchdPlist = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict>
<key>Label</key><string>com.amazon.aws.ssm</string>
<key>Program</key><string>/opt/aws/ssm/bin/amazon-ssm-agent</string>
<key>ProgramArguments</key><array><string>/opt/aws/ssm/bin/amazon-ssm-agent</string><dict><key>x</key><string>no</string></dict></array>
<key>EnvironmentVariables</key><dict><key>https_proxy</key><string>http://plist:1</string><key>AWS_CA_BUNDLE</key><string>/x</string></dict>
<key>KeepAlive</key><true/><key>RunAtLoad</key><true/>
</dict></plist>`

const LaunchctlPrint = `system/com.amazon.aws.ssm = {
	active count = 1
	path = /Library/LaunchDaemons/com.amazon.aws.ssm.plist
	state = running

	program = /opt/aws/ssm/bin/amazon-ssm-agent
	arguments = {
		state = broken
	}
	runs = 4
	pid = 77
	last exit code = 1
}
`

const ScutilProxy = `<dictionary> {
  ExceptionsList : <array> {
    0 : *.local
    1 : 169.254/16
  }
  FTPPassive : 1
  HTTPEnable : 0
  HTTPProxy : off.corp
  HTTPSEnable : 1
  HTTPSPort : 3128
  HTTPSProxy : proxy.corp
}
`

const PsTable = `    1     0     0 Sun Nov 22 08:00:01 2026 /sbin/launchd
   77     1     0 Sun Nov 22 09:10:22 2026 /opt/aws/ssm/bin/amazon-ssm-agent
   78    77     0 Sun Nov  1 09:10:24 2026 /opt/aws/ssm/bin/ssm-agent-worker
   80     1   501 Sun Nov 22 09:10:24 2026 /Applications/My App.app/x y
`

// MacEnv answers programs by their command line.
func MacEnv(t *testing.T, files, programs map[string]string) *gather.Env {
	t.Helper()
	env := Plain(t, Tree(t, files))
	env.GOOS = "darwin"
	env.Exec = func(_ context.Context, name string, args ...string) ([]byte, error) {
		line := strings.Join(append([]string{name}, args...), " ")
		out, ok := programs[line]
		if msg, failed := strings.CutPrefix(out, "! "); failed {
			return nil, errors.New(msg)
		}
		if !ok {
			return nil, gather.ErrNoProgram
		}
		return []byte(out), nil
	}
	return env
}

func MacPrograms() map[string]string {
	return map[string]string{
		"launchctl print system/com.amazon.aws.ssm": LaunchctlPrint, "launchctl print-disabled system": "disabled services = {\n\t\t\"com.apple.ftpd\" => disabled\n\t\t\"com.amazon.aws.ssm\" => enabled\n}\n",
		"scutil --proxy": ScutilProxy, "ps -axo pid=,ppid=,uid=,lstart=,comm=": PsTable, "pkgutil --pkg-info com.amazon.aws.ssm": "package-id: com.amazon.aws.ssm\nversion: 3.3.1142.0\nvolume: /\n",
		"route -n get 169.254.169.254": "   route to: 169.254.169.254\ndestination: 169.254.169.254\n    gateway: 10.0.0.1\n  interface: en0\n      flags: <UP,GATEWAY,HOST,DONE,STATIC>\n",
		"route -n get default":         "   route to: default\ndestination: default\n       mask: default\n    gateway: 10.0.0.1\n  interface: en0\n", "route -n get -inet6 default": "! run route: exit status 1: route: writing to routing socket: not in table",
	}
}
