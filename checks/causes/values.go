package causes

import (
	"slices"
	"strings"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/pattern"
	"ssm-doctor/checks/text"
)

// Values are this host's values for the placeholders of steps. A missing or
// unsafe value leaves an upper-case placeholder that a reader replaces. "goos"
// is the host's system; without it the host runs Linux.
type Values map[string]string

// Placeholders and what stands in their place when the value is not known, on Linux.
var placeholders = map[string]string{
	"instance":  "INSTANCE_ID", // i-...
	"node":      "NODE_ID",     // i-... or mi-...
	"region":    "REGION",
	"account":   "ACCOUNT_ID",
	"partition": "aws",
	"domain":    "amazonaws.com",
	"role":      "ROLE_NAME",    // of the identity in use
	"profile":   "PROFILE_NAME", // instance profile
	// Of a hybrid node: the role that its activation named.
	"servicerole": "SERVICE_ROLE_NAME",
	"unit":        "amazon-ssm-agent.service",
	"agent":       "/usr/bin/amazon-ssm-agent",
	"arch":        "amd64",
	"restart":     "systemctl restart amazon-ssm-agent",
	"stop":        "systemctl stop amazon-ssm-agent",
	"start":       "systemctl start amazon-ssm-agent",
	"enable":      "systemctl unmask amazon-ssm-agent.service\nsystemctl enable --now amazon-ssm-agent.service",
	"journal":     "journalctl -u amazon-ssm-agent.service -n 50 --no-pager; tail -n 50 /var/log/amazon/ssm/amazon-ssm-agent.log",
	"reinstall":   "yum install -y https://s3.REGION.amazonaws.com/amazon-ssm-REGION/latest/linux_amd64/amazon-ssm-agent.rpm",
	"install":     "yum install -y https://s3.REGION.amazonaws.com/amazon-ssm-REGION/latest/linux_amd64/amazon-ssm-agent.rpm",

	"enableonly": "systemctl unmask amazon-ssm-agent.service\nsystemctl enable amazon-ssm-agent.service",
	"repair":     "rpm -Uvh --force https://s3.REGION.amazonaws.com/amazon-ssm-REGION/latest/linux_amd64/amazon-ssm-agent.rpm",

	"downgrade": "yum downgrade -y", // a file or URL follows
	"adduser":   "useradd -m",       // a name follows

	"installscript": "yum install -y util-linux",
	"trustca":       "cp ~root/your-ca.pem /etc/pki/ca-trust/source/anchors/ && update-ca-trust",
	"refreshca":     "yum update -y ca-certificates",
	"rebuildca":     "yum update -y ca-certificates && yum reinstall -y ca-certificates",

	"pinned": "ENDPOINT", // names in a hosts file, of host names with | between them
	// Of a mounted root file system: its directory, and what runs a command in
	// it; both empty on the host itself.
	"root":       "",
	"chroot":     "",
	"imagecheck": "ssm-doctor check --profile image",

	"corepolicy":  "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore", // the managed policy of the identity in use
	"dhmcsetting": "arn:aws:ssm:REGION:ACCOUNT_ID:servicesetting/ssm/managed-instance/default-ec2-instance-management-role",
	"vpc":         "VPC_ID",
	"subnet":      "SUBNET_ID",
	"sg":          "SECURITY_GROUP_ID",
	"cidr":        "VPC_CIDR",
	"cluster":     "CLUSTER", // of ECS
	"task":        "TASK_ID",
	"family":      "TASK_FAMILY",
	"service":     "SERVICE",  // ssm, ssmmessages
	"endpoint":    "ENDPOINT", // host name
	"address":     "ADDRESS",
	"action":      "ACTION",   // ssm:UpdateInstanceInformation
	"actions":     `"ACTION"`, // as policies list them
	"lacks":       "the action that was refused",
	"resource":    "RESOURCE_ARN",
	"policy":      "POLICY_ARN",
	"policyid":    "POLICY_ID", // of the organization, p-...
	"policytype":  "SERVICE_CONTROL_POLICY",
	"proxy":       "http://PROXY:PORT",
	"noproxy":     "NO_PROXY_LIST,169.254.169.254,fd00:ec2::254", // the list in use and the metadata addresses
	"beside":      "ENDPOINT",                                    // names that are reached without the proxy
	"resolver":    "RESOLVER",
	"gateway":     "GATEWAY",
	"interface":   "INTERFACE",
	"path":        "PATH",
	"mount":       "MOUNT",
	"code":        "ERROR_CODE", // with which AWS answered
	"version":     "VERSION",
	"package":     "PACKAGE",
	"issuer":      "ISSUER",
	"user":        "USER_NAME", // that sessions run as
	"bucket":      "BUCKET_NAME",
	"loggroup":    "LOG_GROUP_NAME",
	"key":         "KEY_ID", // of KMS
	"minutes":     "30",
	"refusedwait": "30 min", // the longest pause of the agent after a refusal
	"failedwait":  "60 min", // and after another failure
	"until":       "the time it names",
}

// Commands that install the agent, where the Region is not known.
const (
	installWindows = "[Net.ServicePointManager]::SecurityProtocol = 'Tls12'; Invoke-WebRequest https://s3.REGION.amazonaws.com/amazon-ssm-REGION/latest/windows_amd64/AmazonSSMAgentSetup.exe -OutFile $env:TEMP\\ssm.exe; Start-Process $env:TEMP\\ssm.exe -ArgumentList '/S' -Wait"
	installMac     = "curl -fsSLO https://s3.REGION.amazonaws.com/amazon-ssm-REGION/latest/darwin_$([ \"$(uname -m)\" = arm64 ] && echo arm64 || echo amd64)/amazon-ssm-agent.pkg && installer -pkg amazon-ssm-agent.pkg -target /"
)

// systems are what stands on other systems than Linux.
// Source: AWS Systems Manager user guide, "Checking SSM Agent status and starting the agent".
var systems = map[string]map[string]string{
	"windows": {
		"unit": "AmazonSSMAgent", "restart": "Restart-Service AmazonSSMAgent", "stop": "Stop-Service AmazonSSMAgent", "start": "Start-Service AmazonSSMAgent",
		"install":   installWindows,
		"reinstall": installWindows, "repair": installWindows,
		"enableonly": "Set-Service AmazonSSMAgent -StartupType Automatic",
		"enable":     "Set-Service AmazonSSMAgent -StartupType Automatic; Start-Service AmazonSSMAgent",
		"journal":    `Get-Content C:\ProgramData\Amazon\SSM\Logs\amazon-ssm-agent.log -Tail 50`,
	},
	"darwin": {
		"unit": "com.amazon.aws.ssm", "restart": "launchctl kickstart -k system/com.amazon.aws.ssm", "stop": "launchctl bootout system/com.amazon.aws.ssm",
		"start":     "launchctl bootstrap system /Library/LaunchDaemons/com.amazon.aws.ssm.plist", // kickstart finds nothing after bootout
		"install":   installMac,
		"reinstall": installMac, "repair": installMac,
		"enableonly": "launchctl enable system/com.amazon.aws.ssm",
		"enable":     "launchctl enable system/com.amazon.aws.ssm; launchctl bootstrap system /Library/LaunchDaemons/com.amazon.aws.ssm.plist",
		"journal":    "tail -n 50 /var/log/amazon/ssm/amazon-ssm-agent.log",
	},
}

// safe is what may be put into a command without quoting, up to 300 of them.
var safe = pattern.New(`^[A-Za-z0-9._/:=,@+*-]+$`)

// safeWindows is what may be put into a command of PowerShell in double quotes.
var safeWindows = pattern.New(`^[A-Za-z0-9 ._:\\()-]+$`)

// commands are placeholders that hold a whole command, made of safe parts by
// whoever sets them.
var commands = map[string]bool{
	"restart": true, "stop": true, "start": true, "enable": true, "enableonly": true, "journal": true,
	"reinstall": true, "install": true, "repair": true, "downgrade": true, "adduser": true, "installscript": true, "imagecheck": true,
	"trustca": true, "refreshca": true, "rebuildca": true, "pinned": true, "actions": true,
}

// paths are placeholders that hold a path, quoted in commands of Windows.
var paths = map[string]bool{"data": true, "runtime": true, "log": true, "config": true, "agent": true, "path": true, "mount": true}

// Safe reports whether a value may stand in a command without quoting.
func Safe(s string) bool { return len(s) <= 300 && safe.MatchString(s) }

// ofInstance is what only an EC2 instance has.
var ofInstance = pattern.New(`\{(instance|subnet|sg)\}`)

// Applies reports whether a step is for a host with these values: for its
// system and place, and with no command that the host is known not to have.
func (s Step) Applies(v Values) bool {
	goos := v["goos"]
	if goos == "" {
		goos = "linux"
	}
	if s.GOOS != "" && !slices.Contains(strings.Fields(s.GOOS), goos) {
		return false
	}
	if m := v["manager"]; goos == "linux" && m != "" && m != "systemd" && strings.Contains(s.Command, "systemctl ") {
		return false
	}
	if v["ec2"] == "no" && ofInstance.MatchString(s.Command) && !strings.Contains(s.Command, "{vpc}") {
		return false
	}
	for _, m := range rePlaceholder.FindAllString(s.Command, -1) {
		name := m[1 : len(m)-1]
		if val, ok := v[name]; ok && val == "" && commands[name] {
			return false
		}
	}
	return true
}

// Filled is a step with the values of a host, or words to replace in their place.
type Filled struct {
	Text, Command text.Text
	Where         string
	Root          bool
	Alternative   bool
	Changes       []Changed
}

// Fill replaces the placeholders of a step. Values that could change the
// meaning of a shell command are not put in: the placeholder's name stays.
// Fill(nil) is for readers without a host: the text then names the systems that
// the step is for, and what stands for values is that of the first.
func (s Step) Fill(v Values) Filled {
	systems := ""
	for goos := range strings.FieldsSeq(s.GOOS) {
		if v == nil {
			v = Values{"goos": goos}
			systems = ", on " + systemNames.Replace(s.GOOS)
		}
	}
	f := Filled{Text: fill(s.Text+systems, v, false), Command: fill(s.Command, v, true), Where: s.Where, Root: s.Root, Alternative: s.Alternative}
	f.Changes = changed(f.Command.String(), s.Where)
	return f
}

var systemNames = strings.NewReplacer("linux", "Linux", "darwin", "macOS", "windows", "Windows", " ", " and ")

var rePlaceholder = pattern.New(`\{[a-z]+\}`)

// fill makes a sentence of a template: the words are its format, what stands for
// the placeholders its values.
func fill(template string, v Values, command bool) text.Text {
	var out text.Text
	end := 0
	for _, at := range rePlaceholder.FindAllStringIndex(template, -1) {
		name := template[at[0]+1 : at[1]-1]
		stand, ok := standIn(v["goos"], name)
		if !ok {
			continue
		}
		out.Format += escaped(template[end:at[0]]) + "%s"
		out.Args = append(out.Args, v.value(name, stand, command))
		end = at[1]
	}
	out.Format += escaped(template[end:])
	return out
}

func escaped(s string) string { return strings.ReplaceAll(s, "%", "%%") }

// standIn is what stands for a placeholder whose value is not known.
func standIn(goos, name string) (string, bool) {
	if p, ok := pathOf(goos, name); ok {
		return p, true
	}
	if s, ok := systems[goos][name]; ok {
		return s, true
	}
	s, ok := placeholders[name]
	return s, ok
}

// value is what to put in for a placeholder.
func (v Values) value(name, stand string, command bool) string {
	val := v[name]
	windows := v["goos"] == "windows" && paths[name]
	if windows && strings.HasPrefix(val, "/") { // facts name paths from the root of the system's drive
		val = onDrive(val)
	}
	if val == "" || command && !commands[name] && name != "chroot" && !v.fits(name, val) {
		val = stand
	}
	if command && windows {
		return quoted(name, val)
	}
	return val
}

// pathOf is where the agent of a system keeps one of its things.
func pathOf(goos, name string) (string, bool) {
	l := facts.LayoutOf(goos)
	p, ok := map[string]string{"data": l.Data, "runtime": l.Runtime, "log": l.Log, "config": l.Config, "agent": l.Programs + "/amazon-ssm-agent" + l.Exe}[name]
	if ok && goos == "windows" {
		p = onDrive(p)
	}
	return p, ok
}

// onDrive is a path of facts, which begins at the root of the system's drive, as
// Windows writes it.
func onDrive(p string) string {
	back := strings.ReplaceAll(p, "/", `\`)
	if len(p) > 3 && p[0] == '/' && p[2] == ':' {
		return back[1:]
	}
	return "C:" + back
}

// fits reports whether a value may stand in a command, quoted if need be. One that begins
// like an option does not.
func (v Values) fits(name, val string) bool {
	return Safe(val) && val[0] != '-' || v["goos"] == "windows" && paths[name] && len(val) <= 300 && safeWindows.MatchString(val)
}

// quoted is a path as PowerShell takes it; a quoted program has to be called.
func quoted(name, val string) string {
	switch {
	case Safe(val):
		return val
	case name == "agent":
		return `& "` + val + `"`
	}
	return `"` + val + `"`
}
