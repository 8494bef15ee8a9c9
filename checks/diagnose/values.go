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
	unit := checks.UnitName(f)
	switch {
	case f.Host.GOOS == "windows":
		v["unit"], v["restart"] = "AmazonSSMAgent", "Restart-Service AmazonSSMAgent"
		v["data"], v["log"] = `C:\ProgramData\Amazon\SSM\InstanceData`, `C:\ProgramData\Amazon\SSM\Logs`
	case f.Host.GOOS == "darwin":
		v["unit"], v["restart"] = "com.amazon.aws.ssm", "launchctl kickstart -k system/com.amazon.aws.ssm"
		v["data"] = "/opt/aws/ssm/data"
	case unit != "" && causes.Safe(unit):
		v["unit"], v["restart"] = unit, "systemctl restart "+strings.TrimSuffix(unit, ".service")
	}
	return v
}

func first(s []string) string {
	if len(s) == 0 {
		return ""
	}
	return s[0]
}
