package causes

import (
	"regexp"
	"strings"
)

// Values are this host's values for the placeholders of steps. A missing or
// unsafe value leaves an upper-case placeholder that a reader replaces.
type Values map[string]string

// Placeholders and what stands in their place when the value is not known.
var placeholders = map[string]string{
	"instance":  "INSTANCE_ID", // i-...
	"node":      "NODE_ID",     // i-... or mi-...
	"region":    "REGION",
	"account":   "ACCOUNT_ID",
	"partition": "aws",
	"domain":    "amazonaws.com",
	"role":      "ROLE_NAME",    // of the identity in use
	"profile":   "PROFILE_NAME", // instance profile
	"unit":      "amazon-ssm-agent.service",
	"data":      "/var/lib/amazon/ssm",
	"log":       "/var/log/amazon/ssm",
	"config":    "/etc/amazon/ssm/amazon-ssm-agent.json",
	"agent":     "/usr/bin/amazon-ssm-agent",
	"arch":      "amd64",
	"restart":   "systemctl restart amazon-ssm-agent",
	"stop":      "systemctl stop amazon-ssm-agent",
	"enable":    "systemctl unmask amazon-ssm-agent.service && systemctl enable --now amazon-ssm-agent.service",
	"journal":   "journalctl -u amazon-ssm-agent.service -n 50 --no-pager; tail -n 50 /var/log/amazon/ssm/amazon-ssm-agent.log",
	"reinstall": "dnf install -y https://s3.REGION.amazonaws.com/amazon-ssm-REGION/latest/linux_amd64/amazon-ssm-agent.rpm",
	"install":   "dnf install -y https://s3.REGION.amazonaws.com/amazon-ssm-REGION/latest/linux_amd64/amazon-ssm-agent.rpm",

	"corepolicy":  "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore", // the managed policy of the identity in use
	"dhmcsetting": "arn:aws:ssm:REGION:ACCOUNT_ID:servicesetting/ssm/managed-instance/default-ec2-instance-management-role",
	"vpc":         "VPC_ID",
	"subnet":      "SUBNET_ID",
	"sg":          "SECURITY_GROUP_ID",
	"cidr":        "VPC_CIDR",
	"service":     "SERVICE",  // ssm, ssmmessages
	"endpoint":    "ENDPOINT", // host name
	"address":     "ADDRESS",
	"action":      "ACTION", // ssm:UpdateInstanceInformation
	"resource":    "RESOURCE_ARN",
	"policy":      "POLICY_ARN",
	"proxy":       "http://PROXY:PORT",
	"resolver":    "RESOLVER",
	"gateway":     "GATEWAY",
	"path":        "PATH",
	"mount":       "MOUNT",
	"version":     "VERSION",
	"package":     "PACKAGE",
	"issuer":      "ISSUER",
	"minutes":     "30",
	"until":       "the time it names",
}

// safe is what may be put into a command without quoting, up to 300 of them.
var safe = regexp.MustCompile(`^[A-Za-z0-9._/:=,@+*-]+$`)

// commands are placeholders that hold a whole command, made of safe parts by
// whoever sets them.
var commands = map[string]bool{"restart": true, "stop": true, "enable": true, "journal": true, "reinstall": true, "install": true}

// Safe reports whether a value may stand in a command without quoting.
func Safe(s string) bool { return len(s) <= 300 && safe.MatchString(s) }

// Fill replaces the placeholders of a step. Values that could change the
// meaning of a shell command are not put in: the placeholder's name stays.
func (s Step) Fill(v Values) Step {
	s.Text = fill(s.Text, v, false)
	s.Command = fill(s.Command, v, true)
	return s
}

var rePlaceholder = regexp.MustCompile(`\{[a-z]+\}`)

func fill(text string, v Values, command bool) string {
	if !strings.Contains(text, "{") {
		return text
	}
	return rePlaceholder.ReplaceAllStringFunc(text, func(m string) string {
		name := m[1 : len(m)-1]
		stand, ok := placeholders[name]
		if !ok {
			return m
		}
		val, ok := v[name]
		if !ok || val == "" || (command && !commands[name] && !Safe(val)) {
			return stand
		}
		return val
	})
}
