package diagnose

import (
	"strings"

	"ssm-doctor/checks"
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
)

// values are this host's values for remedies.
func values(f *facts.Facts) causes.Values {
	v := causes.Values{
		"node": checks.NodeID(f), "region": checks.Region(f), "account": checks.Account(f), "partition": checks.Partition(f),
		"role": checks.RoleName(f), "domain": f.Network.Domain, "config": f.Agent.ConfigPath,
	}
	if id, ok := f.IMDS.InstanceID.Get(); ok {
		v["instance"] = id
	} else if strings.HasPrefix(v["node"], "i-") {
		v["instance"] = v["node"]
	}
	if p, ok := f.IMDS.Profile.Get(); ok {
		v["profile"] = p.Name
	}
	if n, ok := f.IMDS.VPC.Get(); ok {
		v["vpc"], v["subnet"], v["cidr"], v["sg"] = n.ID, n.Subnet, n.CIDR, first(n.SecurityGroups)
	}
	for _, in := range f.Agent.Installations {
		v["package"] = in.Kind
		if in.Dir != "" {
			v["agent"] = strings.TrimSuffix(in.Dir, "/") + "/amazon-ssm-agent"
		}
	}
	v["arch"] = f.Host.Arch
	v["corepolicy"] = "arn:" + orElse(v["partition"], "aws") + ":iam::aws:policy/AmazonSSMManagedInstanceCore"
	if checks.Source(f) == "default-host-management" {
		v["corepolicy"] = "arn:" + orElse(v["partition"], "aws") + ":iam::aws:policy/AmazonSSMManagedEC2InstanceDefaultPolicy"
	}
	v["dhmcsetting"] = "arn:" + orElse(v["partition"], "aws") + ":ssm:" + orElse(v["region"], "REGION") + ":" + orElse(v["account"], "ACCOUNT_ID") +
		":servicesetting/ssm/managed-instance/default-ec2-instance-management-role"
	serviceCommands(f, v)
	return v
}

// serviceCommands sets the commands that differ by operating system and by the
// way the agent was installed.
func serviceCommands(f *facts.Facts, v causes.Values) {
	region, domain := orElse(safe(v["region"]), "REGION"), orElse(safe(v["domain"]), "amazonaws.com")
	bucket := "https://s3." + region + "." + domain + "/amazon-ssm-" + region + "/latest/"
	switch f.Host.GOOS {
	case "windows":
		v["unit"], v["restart"], v["stop"] = "AmazonSSMAgent", "Restart-Service AmazonSSMAgent", "Stop-Service AmazonSSMAgent"
		v["data"], v["log"] = `C:\ProgramData\Amazon\SSM\InstanceData`, `C:\ProgramData\Amazon\SSM\Logs`
		v["config"], v["agent"] = `C:\Program Files\Amazon\SSM\amazon-ssm-agent.json`, `C:\Program Files\Amazon\SSM\amazon-ssm-agent.exe`
		v["enable"] = "Set-Service AmazonSSMAgent -StartupType Automatic; Start-Service AmazonSSMAgent"
		v["journal"] = `Get-Content C:\ProgramData\Amazon\SSM\Logs\amazon-ssm-agent.log -Tail 50`
		v["install"] = `Invoke-WebRequest ` + bucket + `windows_amd64/AmazonSSMAgentSetup.exe -OutFile $env:TEMP\ssm.exe; Start-Process $env:TEMP\ssm.exe -ArgumentList '/S' -Wait`
	case "darwin":
		v["unit"], v["restart"], v["stop"] = "com.amazon.aws.ssm", "launchctl kickstart -k system/com.amazon.aws.ssm", "launchctl bootout system/com.amazon.aws.ssm"
		v["data"], v["config"], v["agent"] = "/opt/aws/ssm/data", "/opt/aws/ssm/amazon-ssm-agent.json", "/opt/aws/ssm/bin/amazon-ssm-agent"
		v["enable"] = "launchctl enable system/com.amazon.aws.ssm; launchctl bootstrap system /Library/LaunchDaemons/com.amazon.aws.ssm.plist"
		v["journal"] = "tail -n 50 /var/log/amazon/ssm/amazon-ssm-agent.log"
		v["install"] = "curl -fsSLO " + bucket + "darwin_" + orElse(safe(f.Host.Arch), "amd64") + "/amazon-ssm-agent.pkg && installer -pkg amazon-ssm-agent.pkg -target /"
	default:
		unit := orElse(safe(checks.UnitName(f)), "amazon-ssm-agent.service")
		name := strings.TrimSuffix(unit, ".service")
		v["unit"], v["restart"], v["stop"] = unit, "systemctl restart "+name, "systemctl stop "+name
		v["enable"] = "systemctl unmask " + unit + " && systemctl enable --now " + unit
		v["journal"] = "journalctl -u " + unit + " -n 50 --no-pager; tail -n 50 /var/log/amazon/ssm/amazon-ssm-agent.log"
		v["install"] = installOnLinux(f, bucket)
	}
	v["reinstall"] = v["install"]
	for _, in := range f.Agent.Installations {
		if in.Kind == "snap" {
			v["reinstall"] = "snap refresh amazon-ssm-agent"
		}
	}
}

// installOnLinux is the command that installs or updates the agent from the
// Region's bucket, by the package manager of the distribution.
func installOnLinux(f *facts.Facts, bucket string) string {
	arch := "amd64"
	if f.Host.Arch == "arm64" || f.Host.Arch == "arm" {
		arch = f.Host.Arch
	}
	d, _ := f.Host.Distro.Get()
	switch d.ID {
	case "ubuntu":
		return "snap install amazon-ssm-agent --classic"
	case "debian", "raspbian":
		return "curl -fsSLO " + bucket + "debian_" + arch + "/amazon-ssm-agent.deb && dpkg -i amazon-ssm-agent.deb"
	case "sles", "opensuse-leap":
		return "zypper --non-interactive install " + bucket + "linux_" + arch + "/amazon-ssm-agent.rpm"
	}
	return "dnf install -y " + bucket + "linux_" + arch + "/amazon-ssm-agent.rpm"
}

// safe is a value that may stand in a command, or nothing.
func safe(s string) string {
	if causes.Safe(s) {
		return s
	}
	return ""
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func first(s []string) string {
	if len(s) == 0 {
		return ""
	}
	return s[0]
}
