package outside

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"ssm-doctor/agent/report"
	"ssm-doctor/checks/diagnose"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

const (
	one     = "i-0123456789abcdef0"
	account = "111122223333"
)

// world is an account as the AWS CLI shows it, by call; a call that is not in it is refused.
type world map[string]string

func call(words ...string) string { return strings.Join(words, " ") }

// sound is an account in which a node of a private subnet works.
func sound() world {
	core, _ := iam.Document("AmazonSSMManagedInstanceCore")
	var doc struct{ Document json.RawMessage }
	if json.Unmarshal(core, &doc) != nil || doc.Document == nil {
		doc.Document = core
	}
	all := `{\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"*\",\"Resource\":\"*\"}]}`
	w := world{
		call("sts get-caller-identity"):                                                   `{"Account":"` + account + `","Arn":"arn:aws:iam::` + account + `:user/op"}`,
		call("ec2 describe-instances --filters Name=instance-id,Values=" + one):           `{"Reservations":[{"Instances":[{"InstanceId":"` + one + `","State":{"Name":"running"},"VpcId":"vpc-0a1b2c3d4e5f60718","SubnetId":"subnet-0a1b2c3d4e5f60718","PrivateIpAddress":"10.0.1.5","IamInstanceProfile":{"Arn":"arn:aws:iam::` + account + `:instance-profile/web"},"SecurityGroups":[{"GroupId":"sg-0aaaaaaaaaaaaaaa1"}],"MetadataOptions":{"HttpEndpoint":"enabled","HttpTokens":"required","HttpPutResponseHopLimit":1}}]}]}`,
		call("ssm describe-instance-information --filters Key=InstanceIds,Values=" + one): `{"InstanceInformationList":[]}`,
		call("ssm get-service-setting --setting-id arn:aws:ssm:eu-central-1:" + account + ":servicesetting/ssm/managed-instance/default-ec2-instance-management-role"): `{"ServiceSetting":{"SettingValue":"$None"}}`,
		call("ec2 describe-vpc-endpoints --filters Name=vpc-id,Values=vpc-0a1b2c3d4e5f60718"):                                                                          `{"VpcEndpoints":[` + vpce("ssm", "vpce-0000000000000000a", true, all) + `,` + vpce("ssmmessages", "vpce-0000000000000000b", true, all) + `]}`,
		call("ec2 describe-route-tables --filters Name=vpc-id,Values=vpc-0a1b2c3d4e5f60718"):                                                                           `{"RouteTables":[{"RouteTableId":"rtb-1","Associations":[{"Main":true}],"Routes":[{"DestinationCidrBlock":"10.0.0.0/16","GatewayId":"local","State":"active"}]}]}`,
		call("ec2 describe-network-acls --filters Name=vpc-id,Values=vpc-0a1b2c3d4e5f60718"):                                                                           `{"NetworkAcls":[{"NetworkAclId":"acl-1","Associations":[{"SubnetId":"subnet-0a1b2c3d4e5f60718"}],"Entries":[{"RuleNumber":100,"Protocol":"-1","RuleAction":"allow","Egress":true,"CidrBlock":"0.0.0.0/0"},{"RuleNumber":100,"Protocol":"-1","RuleAction":"allow","Egress":false,"CidrBlock":"0.0.0.0/0"}]}]}`,
		call("ec2 describe-vpcs --filters Name=vpc-id,Values=vpc-0a1b2c3d4e5f60718"):                                                                                   `{"Vpcs":[{"CidrBlock":"10.0.0.0/16"}]}`,
		call("ec2 describe-security-groups --filters Name=group-id,Values=sg-0aaaaaaaaaaaaaaa1,sg-0aaaaaaaaaaaaaaa2"):                                                  `{"SecurityGroups":[{"GroupId":"sg-0aaaaaaaaaaaaaaa1","IpPermissions":[],"IpPermissionsEgress":[{"IpProtocol":"-1","IpRanges":[{"CidrIp":"0.0.0.0/0"}]}]},{"GroupId":"sg-0aaaaaaaaaaaaaaa2","IpPermissions":[{"IpProtocol":"tcp","FromPort":443,"ToPort":443,"IpRanges":[{"CidrIp":"10.0.0.0/16"}]}],"IpPermissionsEgress":[]}]}`,
		call("iam get-instance-profile --instance-profile-name web"):                                                                                                   `{"InstanceProfile":{"Roles":[{"RoleName":"web"}]}}`,
		call("iam get-role --role-name web"):                                                                                                                           `{"Role":{"Arn":"arn:aws:iam::` + account + `:role/web","AssumeRolePolicyDocument":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}}}`,
		call("iam list-attached-role-policies --role-name web"):                                                                                                        `{"AttachedPolicies":[{"PolicyName":"AmazonSSMManagedInstanceCore","PolicyArn":"arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"}]}`,
		call("iam list-role-policies --role-name web"):                                                                                                                 `{"PolicyNames":["extra"]}`,
		call("iam get-role-policy --role-name web --policy-name extra"):                                                                                                `{"RoleName":"web","PolicyName":"extra","PolicyDocument":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}}`,
		call("iam get-policy --policy-arn arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"):                                                                       `{"Policy":{"DefaultVersionId":"v2"}}`,
		call("iam get-policy-version --policy-arn arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore --version-id v2"):                                               `{"PolicyVersion":{"Document":` + string(doc.Document) + `}}`,
		call("organizations list-policies-for-target --target-id " + account + " --filter SERVICE_CONTROL_POLICY"):                                                     `{"Policies":[{"Id":"p-FullAWSAccess"}]}`,
		call("organizations list-parents --child-id " + account):                                                                                                       `{"Parents":[{"Id":"r-abcd"}]}`,
		call("organizations list-policies-for-target --target-id r-abcd --filter SERVICE_CONTROL_POLICY"):                                                              `{"Policies":[{"Id":"p-FullAWSAccess"}]}`,
		call("organizations describe-policy --policy-id p-FullAWSAccess"):                                                                                              `{"Policy":{"PolicySummary":{"Name":"FullAWSAccess"},"Content":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"}]}"}}`,
	}
	return w
}

func vpce(service, id string, private bool, policy string) string {
	return fmt.Sprintf(`{"VpcEndpointId":%q,"VpcEndpointType":"Interface","ServiceName":"com.amazonaws.eu-central-1.%s","State":"available","PrivateDnsEnabled":%v,"Groups":[{"GroupId":"sg-0aaaaaaaaaaaaaaa2"}],"PolicyDocument":"%s"}`, id, service, private, policy)
}

// runner answers from a world and keeps a journal.
func (w world) runner(journal *[]string) Runner {
	return func(_ context.Context, args ...string) ([]byte, []byte, error) {
		*journal = append(*journal, strings.Join(args, " "))
		if !slices.Equal(args[len(args)-4:], []string{"--output", "json", "--region", "eu-central-1"}) {
			return nil, []byte("usage: aws"), errors.New("exit status 252")
		}
		out, ok := w[call(args[:len(args)-4]...)]
		switch {
		case !ok:
			return nil, []byte("\nAn error occurred (AccessDenied) when calling the Operation: no"), errors.New("exit status 254")
		case strings.HasPrefix(out, "!"):
			return nil, []byte("\nAn error occurred (" + out[1:] + ") when calling the Operation: no"), errors.New("exit status 254")
		}
		return []byte(out), nil, nil
	}
}

func (w world) view(t *testing.T) *View {
	t.Helper()
	var journal []string
	f := Collect(t.Context(), w.runner(&journal), Target{Region: "eu-central-1", IDs: []string{one}}, time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC), "test")
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	back, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return ViewOf(back)
}

// halfOf is what a host of the account says: the path breaks at a station, with a cause.
func halfOf(id, confidence, station string) *report.Report {
	r := &report.Report{GeneratedAt: time.Date(2026, 11, 22, 9, 1, 0, 0, time.UTC), State: report.Unknown, Node: report.Node{ID: one, Kind: "ec2", Region: "eu-central-1", Account: account}}
	if id != "" {
		r.State = report.NotManaged
		r.RootCause = &report.Cause{ID: id, Severity: "critical", Confidence: confidence}
	}
	broken := false
	for _, s := range report.Stations {
		status := "pass"
		if s == station {
			status, broken = "fail", true
		} else if broken || station == "" {
			status = "unknown"
		}
		r.Path = append(r.Path, report.Hop{Name: s, Status: status})
	}
	for _, what := range []string{whatService, whatEndpoints, whatGroups, whatRoutes, whatDHMC, whatMetadata, whatHeartbeat, whatRole, whatSCP} {
		r.NotLookedAt = append(r.NotLookedAt, report.NotLooked{What: what})
	}
	return r
}

func (w world) with(key, value string) world {
	for k := range w {
		if strings.HasPrefix(k, key) {
			w[k] = value
			return w
		}
	}
	w[key] = value
	return w
}

func deny(effect, action string) string {
	return `{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"*\",\"Resource\":\"*\"},{\"Effect\":\"` + effect + `\",\"Principal\":\"*\",\"Action\":\"` + action + `\",\"Resource\":\"*\"}]}`
}

// TestTruthOutside: what lies outside of the host is proven by both halves, with names,
// where the host alone could not tell or only thought it likely.
func TestTruthOutside(t *testing.T) {
	t.Parallel()
	scp := `{"Policy":{"PolicySummary":{"Name":"guard"},"Content":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"},{\"Effect\":\"Deny\",\"Action\":\"ssm:UpdateInstanceInformation\",\"Resource\":\"*\"}]}"}}`
	for _, tt := range []struct {
		name    string
		world   world
		half    *report.Report
		cause   string
		command string // in a step
	}{
		{"DHMC off, no profile", sound().with("ec2 describe-instances", strings.Replace(sound()["ec2 describe-instances --filters Name=instance-id,Values="+one], `"IamInstanceProfile":{"Arn":"arn:aws:iam::`+account+`:instance-profile/web"},`, "", 1)), halfOf("no-credential-source", "likely", "credentials"), "no-credential-source", "associate-iam-instance-profile --region eu-central-1 --instance-id " + one},
		{"trust", sound().with("iam get-role --role-name web", strings.Replace(sound()["iam get-role --role-name web"], "ec2.amazonaws.com", "lambda.amazonaws.com", 1)), halfOf("", "", ""), "instance-profile-trust-broken", "update-assume-role-policy --role-name web"},
		{"profile gone", sound().with("iam get-instance-profile", "!NoSuchEntity"), halfOf("", "", ""), "instance-profile-trust-broken", "replace-iam-instance-profile-association --region eu-central-1 --association-id \"$association\" --iam-instance-profile Name=PROFILE_NAME"},
		{"role gone", sound().with("iam get-role --role-name web", "!NoSuchEntity"), halfOf("", "", ""), "instance-profile-trust-broken", "iam create-role --role-name web --assume-role-policy-document file://trust.json\naws iam attach-role-policy --role-name web --policy-arn arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore\nassociation=$(aws ec2 describe-iam-instance-profile-associations --region eu-central-1 --filters Name=instance-id,Values=" + one},
		{"role of Default Host Management gone", sound().with("ssm get-service-setting", `{"ServiceSetting":{"SettingValue":"service-role/Managed"}}`).with("ec2 describe-instances", strings.Replace(sound()["ec2 describe-instances --filters Name=instance-id,Values="+one], `"IamInstanceProfile":{"Arn":"arn:aws:iam::`+account+`:instance-profile/web"},`, "", 1)).with("iam get-role --role-name Managed", "!NoSuchEntity"),
			halfOf("", "", ""), "dhmc-role-broken", "ssm-doctor permissions --trust dhmc --region eu-central-1 --account " + account + " > trust.json\naws iam create-role --role-name Managed --assume-role-policy-document file://trust.json --path /service-role/\naws iam attach-role-policy --role-name Managed --policy-arn arn:aws:iam::aws:policy/AmazonSSMManagedEC2InstanceDefaultPolicy"},
		{"endpoint policy denies", sound().with("ec2 describe-vpc-endpoints", `{"VpcEndpoints":[`+vpce("ssm", "vpce-0000000000000000a", true, deny("Deny", "ssm:UpdateInstanceInformation"))+`,`+vpce("ssmmessages", "vpce-0000000000000000b", true, deny("Allow", "*"))+`]}`), halfOf("iam-missing-registration-action", "possible", "permissions"), "vpce-policy-deny", "id=vpce-0000000000000000a"},
		{"endpoint policy lacks", sound().with("ec2 describe-vpc-endpoints", `{"VpcEndpoints":[`+vpce("ssm", "vpce-0000000000000000a", true, `{\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:GetObject\",\"Resource\":\"*\"}]}`)+`,`+vpce("ssmmessages", "vpce-0000000000000000b", true, deny("Allow", "*"))+`]}`), halfOf("iam-missing-registration-action", "possible", "permissions"), "vpce-policy-deny", "modify-vpc-endpoint --region eu-central-1 --vpc-endpoint-id vpce-0000000000000000a"},
		{"endpoint policy lacks one action of many", sound().with("ec2 describe-vpc-endpoints", `{"VpcEndpoints":[`+vpce("ssm", "vpce-0000000000000000a", true, `{\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"NotAction\":\"ssm:UpdateInstanceInformation\",\"Resource\":\"*\"}]}`)+`,`+vpce("ssmmessages", "vpce-0000000000000000b", true, deny("Allow", "*"))+`]}`), halfOf("iam-missing-registration-action", "possible", "permissions"), "vpce-policy-deny", `"Action": ["ssm:UpdateInstanceInformation"]`},
		{"endpoint group", sound().with("ec2 describe-security-groups", strings.Replace(sound()["ec2 describe-security-groups --filters Name=group-id,Values=sg-0aaaaaaaaaaaaaaa1,sg-0aaaaaaaaaaaaaaa2"], "10.0.0.0/16", "10.9.0.0/16", 1)), halfOf("network-no-egress", "likely", "tcp"), "vpce-sg-blocked", "authorize-security-group-ingress --region eu-central-1 --group-id sg-0aaaaaaaaaaaaaaa2 --protocol tcp --port 443 --source-group sg-0aaaaaaaaaaaaaaa1"},
		{"SCP", sound().with("organizations describe-policy", scp), halfOf("", "", ""), "iam-explicit-deny", "at=" + account + "; while"},
		{"role without policies", sound().with("iam list-attached-role-policies", `{"AttachedPolicies":[]}`), halfOf("", "", ""), "iam-missing-registration-action", "attach-role-policy --role-name web"},
		{"no endpoint for the channel", sound().with("ec2 describe-vpc-endpoints", `{"VpcEndpoints":[`+vpce("ssm", "vpce-0000000000000000a", true, deny("Allow", "*"))+`]}`), halfOf("network-no-egress", "likely", "tcp"), "vpce-service-missing", "com.amazonaws.eu-central-1.ssmmessages"},
		{"private DNS off", sound().with("ec2 describe-vpc-endpoints", `{"VpcEndpoints":[`+vpce("ssm", "vpce-0000000000000000a", false, deny("Allow", "*"))+`,`+vpce("ssmmessages", "vpce-0000000000000000b", true, deny("Allow", "*"))+`]}`), halfOf("network-no-egress", "likely", "tcp"), "vpce-private-dns-off", "--private-dns-enabled"},
		{"metadata off", sound().with("ec2 describe-instances", strings.Replace(sound()["ec2 describe-instances --filters Name=instance-id,Values="+one], `"HttpEndpoint":"enabled"`, `"HttpEndpoint":"disabled"`, 1)), halfOf("imds-unreachable", "likely", "metadata"), "imds-disabled", "--http-endpoint enabled"},
		{"network ACL", sound().with("ec2 describe-network-acls", strings.Replace(sound()["ec2 describe-network-acls --filters Name=vpc-id,Values=vpc-0a1b2c3d4e5f60718"], `"RuleAction":"allow","Egress":true`, `"RuleAction":"deny","Egress":true`, 1)), halfOf("network-no-egress", "likely", "tcp"), "network-no-egress", "describe-network-acls"},
		{"a proven cause of the host stays", sound().with("iam list-attached-role-policies", `{"AttachedPolicies":[]}`), halfOf("disk-full", "proven", "host"), "disk-full", ""},
		{"the host got through", sound().with("ec2 describe-security-groups", strings.Replace(sound()["ec2 describe-security-groups --filters Name=group-id,Values=sg-0aaaaaaaaaaaaaaa1,sg-0aaaaaaaaaaaaaaa2"], "10.0.0.0/16", "10.9.0.0/16", 1)), halfOf("agent-backoff-wait", "likely", "permissions"), "agent-backoff-wait", ""},
		{"nothing wrong outside", sound(), halfOf("", "", ""), "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if !Merge(tt.half, tt.world.view(t)) {
				t.Fatal("the node is not in the file")
			}
			got, confidence, commands := "", "", ""
			if c := tt.half.RootCause; c != nil {
				got, confidence = c.ID, c.Confidence
				for _, s := range c.Fix {
					commands += s.Command.String() + "\n"
				}
			}
			if got != tt.cause || tt.command != "" && (confidence != "proven" || !strings.Contains(commands, tt.command)) {
				t.Errorf("cause %q (%s), want %q; commands:\n%s\n%+v", got, confidence, tt.cause, commands, tt.half.Outside)
			}
			if tt.name == "nothing wrong outside" && len(tt.half.NotLookedAt) != 0 {
				t.Errorf("still not looked at: %+v; %q", tt.half.NotLookedAt, tt.half.Outside.Unknown)
			}
			alone := Alone(tt.world.view(t), one, "test")
			if tt.command != "" && (alone.RootCause == nil || alone.RootCause.ID != tt.cause) {
				t.Errorf("alone: %+v", alone.RootCause)
			}
		})
	}
}

// TestRefused: take any answer away. No cause appears that the whole world does not have,
// and what was not answered is still not looked at.
func TestRefused(t *testing.T) {
	t.Parallel()
	for key := range sound() {
		for _, code := range []string{"!AccessDenied", "!ThrottlingException", "!RequestLimitExceeded"} {
			w := sound()
			w[key] = code
			r := halfOf("", "", "")
			if !Merge(r, w.view(t)) {
				continue
			}
			if r.RootCause != nil || len(r.Also) > 0 {
				t.Errorf("without %q: %s", key, r.RootCause.ID)
			}
			if !strings.HasPrefix(key, "sts") && !strings.Contains(key, "describe-vpcs") && len(r.NotLookedAt) == 0 {
				t.Errorf("without %q everything was looked at", key)
			}
		}
	}
}

// TestOnlyReads: every call is in the list, and every call of the list reads.
func TestOnlyReads(t *testing.T) {
	t.Parallel()
	for _, o := range Allowed {
		if !slices.ContainsFunc([]string{"get-", "list-", "describe-"}, func(p string) bool { return strings.HasPrefix(o.Name, p) }) {
			t.Errorf("%s %s is not a read", o.Service, o.Name)
		}
	}
	var journal []string
	w := sound()
	Collect(t.Context(), w.runner(&journal), Target{Region: "eu-central-1", IDs: []string{one, "mi-0123456789abcdef0"}}, time.Time{}, "test")
	Collect(t.Context(), w.runner(&journal), Target{Region: "eu-central-1", All: true}, time.Time{}, "test")
	Collect(t.Context(), w.runner(&journal), Target{Region: "eu-central-1", Tag: "a=b"}, time.Time{}, "test")
	if len(journal) < 30 {
		t.Fatalf("%d calls", len(journal))
	}
	for _, c := range journal {
		words := strings.Fields(c)
		if !slices.ContainsFunc(Allowed, func(o Operation) bool { return o.Service == words[0] && o.Name == words[1] }) {
			t.Errorf("%s is not in the list", c)
		}
	}
	for l := range strings.SplitSeq(Script(Target{Region: "eu-central-1", All: true}), "\n") {
		for _, bad := range []string{"create-", "delete-", "put-", "update-", "modify-", "attach-", "send-command", "start-session"} {
			if strings.Contains(l, bad) {
				t.Errorf("the script says %q", l)
			}
		}
	}
	if p, err := iam.ParsePolicy([]byte(MinimalPolicy())); err != nil || len(p.Statements[0].Actions) != len(Allowed)-1 {
		t.Errorf("policy: %v", err)
	}
}

// TestWhatIsNotLookedAt: the words by which a report and the outside mean the same thing.
func TestWhatIsNotLookedAt(t *testing.T) {
	t.Parallel()
	named := map[string]bool{}
	for _, kind := range []string{"profile", "hybrid"} {
		f := factstest.Healthy(t, kind)
		f.Log = facts.Log{}
		n := node.Of(f)
		for _, l := range diagnose.Diagnose(n, diagnose.Findings{}).NotLooked {
			named[l.What] = true
		}
	}
	for _, what := range []string{whatService, whatEndpoints, whatGroups, whatRoutes, whatDHMC, whatMetadata, whatTier, whatRole, whatSCP} {
		if !named[what] {
			t.Errorf("no report lists %q", what)
		}
	}
}

// TestScript runs the script in a bare shell with an aws that answers from the world, and
// reads what it writes.
func TestScript(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	dir := t.TempDir()
	w := sound()
	// The shell asks for names with --query in text.
	text := map[string]string{
		"sts get-caller-identity --query Account": account, "sts get-caller-identity --query Arn": "arn:aws:iam::" + account + ":user/op",
		"ec2 describe-instances --filters Name=instance-id,Values=" + one + " --query Reservations[].Instances[].InstanceId":                                                                         one,
		"ec2 describe-instances --filters Name=instance-id,Values=" + one + " --query Reservations[].Instances[].VpcId":                                                                              "vpc-0a1b2c3d4e5f60718",
		"ec2 describe-instances --filters Name=instance-id,Values=" + one + " --query Reservations[].Instances[].SecurityGroups[].GroupId":                                                           "sg-0aaaaaaaaaaaaaaa1",
		"ec2 describe-instances --filters Name=instance-id,Values=" + one + " --query Reservations[].Instances[].IamInstanceProfile.Arn":                                                             "arn:aws:iam::" + account + ":instance-profile/web",
		"ec2 describe-vpc-endpoints --filters Name=vpc-id,Values=vpc-0a1b2c3d4e5f60718 --query VpcEndpoints[].Groups[].GroupId":                                                                      "sg-0aaaaaaaaaaaaaaa2\tsg-0aaaaaaaaaaaaaaa2",
		"iam get-instance-profile --instance-profile-name web --query InstanceProfile.Roles[].RoleName":                                                                                              "web",
		"iam get-role --role-name web --query Role.PermissionsBoundary.PermissionsBoundaryArn":                                                                                                       "None",
		"iam list-attached-role-policies --role-name web --query AttachedPolicies[].PolicyArn":                                                                                                       "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore",
		"iam list-role-policies --role-name web --query PolicyNames[]":                                                                                                                               "extra",
		"iam get-policy --policy-arn arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore --query Policy.DefaultVersionId":                                                                           "v2",
		"ssm get-service-setting --setting-id arn:aws:ssm:eu-central-1:" + account + ":servicesetting/ssm/managed-instance/default-ec2-instance-management-role --query ServiceSetting.SettingValue": "$None",
		"organizations list-policies-for-target --target-id " + account + " --filter SERVICE_CONTROL_POLICY --query Policies[].Id":                                                                   "p-FullAWSAccess",
		"organizations list-policies-for-target --target-id r-abcd --filter SERVICE_CONTROL_POLICY --query Policies[].Id":                                                                            "p-FullAWSAccess",
		"organizations list-parents --child-id " + account + " --query Parents[0].Id":                                                                                                                "r-abcd",
	}
	both := w["ec2 describe-security-groups --filters Name=group-id,Values=sg-0aaaaaaaaaaaaaaa1,sg-0aaaaaaaaaaaaaaa2"]
	for _, g := range []string{"sg-0aaaaaaaaaaaaaaa1", "sg-0aaaaaaaaaaaaaaa2"} {
		w["ec2 describe-security-groups --filters Name=group-id,Values="+g] = both
	}
	var fake strings.Builder
	fake.WriteString("#!/bin/sh\ncase \"$*\" in\n")
	for k, v := range text {
		fmt.Fprintf(&fake, "%s) printf '%%s\\n' %s ;;\n", sh(k+" --region eu-central-1 --output text"), sh(v))
	}
	for k, v := range w {
		fmt.Fprintf(&fake, "%s) printf '%%s\\n' %s ;;\n", sh(k+" --region eu-central-1 --output json"), sh(v))
	}
	fake.WriteString("*) echo 'An error occurred (AccessDenied) when calling the X operation: no' >&2; exit 254 ;;\nesac\n")
	if err := os.WriteFile(filepath.Join(dir, "aws"), []byte(fake.String()), 0o700); err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), "/bin/sh", "-c", Script(Target{Region: "eu-central-1", IDs: []string{one}}))
	c.Env = []string{"PATH=" + dir + ":/usr/bin:/bin", "TMPDIR=" + dir}
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse(out)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r := halfOf("", "", "")
	r.GeneratedAt = f.GeneratedAt
	if !Merge(r, ViewOf(f)) || r.RootCause != nil || len(r.NotLookedAt) != 0 {
		t.Errorf("not looked at: %+v, %q, root %+v\n%s", r.NotLookedAt, r.Outside.Unknown, r.RootCause, out)
	}
}

func TestRedactedFile(t *testing.T) {
	t.Parallel()
	var journal []string
	f, err := Redact(Collect(t.Context(), sound().runner(&journal), Target{Region: "eu-central-1", IDs: []string{one}}, time.Time{}, "test"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{account, "10.0.1.5", "user/op"} {
		if strings.Contains(string(b), bad) {
			t.Errorf("the redacted file holds %q", bad)
		}
	}
	r := halfOf("", "", "")
	if !Merge(r, ViewOf(f)) || r.RootCause != nil {
		t.Errorf("a redacted file names %+v", r.RootCause)
	}
}

// TestMergedIsRedacted: a report of redacted facts and a file that is not is redacted when
// it is written.
func TestMergedIsRedacted(t *testing.T) {
	t.Parallel()
	w := sound()
	for key, body := range w {
		delete(w, key)
		for _, x := range [][2]string{{":instance-profile/web", ":instance-profile/WebServers"}, {"profile-name web", "profile-name WebServers"}, {`"RoleName":"web"`, `"RoleName":"WebServers"`}, {"role-name web", "role-name WebServers"}, {":role/web", ":role/WebServers"}} {
			key, body = strings.ReplaceAll(key, x[0], x[1]), strings.ReplaceAll(body, x[0], x[1])
		}
		w[key] = body
	}
	for _, change := range [][2]string{{"iam list-attached-role-policies", `{"AttachedPolicies":[]}`}, {"iam get-role ", `{"Role":{"Arn":"arn:aws:iam::` + account + `:role/WebServers","AssumeRolePolicyDocument":{"Version":"2012-10-17","Statement":[]}}}`}, {"sts", w["sts get-caller-identity"]}} {
		world := world{}
		for k, v := range w {
			world[k] = v
		}
		r := halfOf("", "", "")
		r.Redacted, r.Pseudonyms = true, []byte("k")
		Merge(r, world.with(change[0], change[1]).view(t))
		out := report.Redact(r)
		b, err := json.Marshal(out)
		if err != nil {
			t.Fatal(err)
		}
		r.Node.Account = ""
		for _, bad := range []string{account, "WebServers"} {
			if at := strings.Index(string(b), bad); at >= 0 {
				t.Errorf("%s: it holds %q: …%s…", change[0], bad, b[max(0, at-80):min(len(b), at+60)])
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	var journal []string
	b, _ := json.Marshal(Collect(context.Background(), sound().runner(&journal), Target{Region: "eu-central-1", IDs: []string{one}}, time.Time{}, "test"))
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := Parse(b)
		if err != nil {
			return
		}
		v := ViewOf(file)
		for _, id := range v.Nodes() {
			r := Alone(v, id, "test")
			for _, s := range append([]text.Text{r.Summary}, commandsOf(r)...) {
				if strings.ContainsAny(s.String(), "\x00\x1b") {
					t.Fatalf("%q", s.String())
				}
			}
		}
	})
}

func commandsOf(r *report.Report) (out []text.Text) {
	if r.RootCause == nil {
		return nil
	}
	for _, s := range r.RootCause.Fix {
		out = append(out, s.Command)
	}
	return out
}

// TestPlanted: a name in any text of a recorded file, in a call or in an answer, is not in
// the redacted file.
func TestPlanted(t *testing.T) {
	t.Parallel()
	var journal []string
	w := sound()
	for key, body := range w {
		if strings.HasPrefix(key, "ec2 describe-instances") {
			w[key] = strings.Replace(body, `"InstanceId"`, `"KeyName":"k","Tags":[{"Key":"Name","Value":"x"}],"InstanceId"`, 1)
		}
	}
	b, err := json.Marshal(Collect(t.Context(), w.runner(&journal), Target{Region: "eu-central-1", IDs: []string{one}}, time.Time{}, "test"))
	if err != nil {
		t.Fatal(err)
	}
	const name = "ZebraProd"
	planted := 0
	var plant func(v any, at *int) any
	plant = func(v any, at *int) any {
		switch v := v.(type) {
		case string:
			if strings.HasPrefix(v, "{") { // a policy in a text
				var in any
				if json.Unmarshal([]byte(v), &in) == nil {
					out, _ := json.Marshal(plant(in, at))
					return string(out)
				}
			}
			if strings.HasPrefix(v, "arn:aws:iam::aws:") { // of AWS, whatever it is called
				return v
			}
			if *at--; *at == 0 {
				planted++
				return map[bool]string{true: v[:strings.LastIndexByte(v, '/')+1] + name, false: name}[strings.HasPrefix(v, "arn:")]
			}
		case []any:
			for i := range v {
				v[i] = plant(v[i], at)
			}
		case map[string]any:
			keys := []string{}
			for k := range v {
				keys = append(keys, k)
			}
			slices.Sort(keys)
			for _, k := range keys {
				v[k] = plant(v[k], at)
			}
		}
		return v
	}
	for n := 1; ; n++ {
		f, err := Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		at, where := n, ""
		for i, a := range f.Answers {
			for j, word := range a.Call {
				if j > 1 && !strings.HasPrefix(word, "--") {
					if at--; at == 0 {
						planted++
						f.Answers[i].Call[j], where = name, strings.Join(a.Call, " ")
					}
				}
			}
			if at <= 0 {
				break
			}
			var v any
			if a.Output == nil || json.Unmarshal(a.Output, &v) != nil {
				continue
			}
			v = plant(v, &at)
			if f.Answers[i].Output, err = json.Marshal(v); err != nil {
				t.Fatal(err)
			}
			if at <= 0 {
				where = strings.Join(a.Call, " ")
				break
			}
		}
		if at > 0 {
			break
		}
		out, err := Redact(f)
		if err != nil {
			t.Fatal(err)
		}
		red, err := json.Marshal(out)
		if err != nil {
			t.Fatal(err)
		}
		if i := bytes.Index(bytes.ToLower(red), []byte("zebra")); i >= 0 {
			t.Errorf("text %d, in %s: …%s…", n, where, red[max(0, i-80):min(len(red), i+40)])
		}
	}
	if planted < 100 {
		t.Errorf("%d names were planted", planted)
	}
}

// TestNotHere: a node that neither EC2 nor the service knows is of another account or
// Region for all that was seen.
func TestNotHere(t *testing.T) {
	t.Parallel()
	w := sound().with("ec2 describe-instances", `{"Reservations":[]}`)
	r := halfOf("", "", "")
	alone := Alone(w.view(t), one, "test")
	if !Merge(r, w.view(t)) || r.State != report.Unknown || alone.State != report.Unknown {
		t.Errorf("merged %s, alone %s", r.State, alone.State)
	}
	if all := strings.Join(alone.Outside.Unknown, "\n"); !strings.Contains(all, "is the node of this account and of eu-central-1?") || strings.Contains(all, "not asked") {
		t.Errorf("unknown: %s", all)
	}
}

// TestOldFile: an old word of the service does not turn a host to managed.
func TestOldFile(t *testing.T) {
	t.Parallel()
	w := sound().with("ssm describe-instance-information", `{"InstanceInformationList":[{"InstanceId":"`+one+`","PingStatus":"Online","AgentVersion":"3.3.0.0","LastPingDateTime":"2026-11-22T09:00:00Z"}]}`)
	for _, tt := range []struct {
		after time.Duration
		want  string
	}{{30 * time.Minute, report.Managed}, {2 * time.Hour, report.Unknown}, {-30 * time.Minute, report.Managed}, {-2 * time.Hour, report.Unknown}, {-72 * time.Hour, report.Unknown}} {
		r, v := halfOf("", "", ""), w.view(t)
		r.GeneratedAt = v.File.GeneratedAt.Add(tt.after)
		Merge(r, v)
		word := map[bool]string{true: "older", false: "newer"}[tt.after > 0]
		old := slices.ContainsFunc(r.Outside.Unknown, func(s string) bool { return strings.Contains(s, word+" than what the host says") })
		if r.State != tt.want || old != (tt.want == report.Unknown) {
			t.Errorf("%s later: %s, %q", tt.after, r.State, r.Outside.Unknown)
		}
	}
}

// TestWayBehindAGateway: without a default route a transit gateway may lead to endpoints.
func TestWayBehindAGateway(t *testing.T) {
	t.Parallel()
	for _, route := range []string{`"TransitGatewayId":"tgw-0123456789abcdef0"`, `"VpcPeeringConnectionId":"pcx-0123456789abcdef0"`, `"NetworkInterfaceId":"eni-0123456789abcdef0"`, `"GatewayId":"vgw-0123456789abcdef0"`} {
		w := sound().with("ec2 describe-vpc-endpoints", `{"VpcEndpoints":[]}`).with("ec2 describe-route-tables", `{"RouteTables":[{"RouteTableId":"rtb-1","Associations":[{"Main":true}],"Routes":[{"DestinationCidrBlock":"10.0.0.0/8","State":"active",`+route+`}]}]}`)
		if r := Alone(w.view(t), one, "test"); r.RootCause != nil {
			t.Errorf("%s: %s", route, r.RootCause.ID)
		}
	}
}

func TestStopped(t *testing.T) {
	t.Parallel()
	w := sound()
	w = w.with("ec2 describe-instances", strings.Replace(w["ec2 describe-instances --filters Name=instance-id,Values="+one], `"running"`, `"stopped"`, 1))
	if r := Alone(w.view(t), one, "test"); r.State != report.NotManaged || !strings.Contains(r.Summary.String(), "stopped") {
		t.Errorf("%s: %s", r.State, r.Summary)
	}
}

// TestScriptInBatches: the service refuses more than 50 ids in a call.
func TestScriptInBatches(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	dir := t.TempDir()
	fake := "#!/bin/sh\necho \"$*\" >>" + sh(filepath.Join(dir, "journal")) + "\necho '{}'\n"
	if err := os.WriteFile(filepath.Join(dir, "aws"), []byte(fake), 0o700); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for n := range 120 {
		ids = append(ids, fmt.Sprintf("%s-%017x", map[bool]string{true: "mi", false: "i"}[n%6 == 0], n))
	}
	c := exec.CommandContext(t.Context(), "/bin/sh", "-c", strings.ReplaceAll(Script(Target{Region: "eu-central-1", IDs: ids}), "while [ -n \"$at\" ]", "while false"))
	c.Env = []string{"PATH=" + dir + ":/usr/bin:/bin", "TMPDIR=" + dir}
	if out, err := c.Output(); err != nil {
		t.Fatal(err)
	} else if _, err := Parse(out); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	journal, err := os.ReadFile(filepath.Join(dir, "journal"))
	if err != nil {
		t.Fatal(err)
	}
	asked := map[string]map[string]bool{"ec2 describe-instances": {}, "ssm describe-instance-information": {}}
	for l := range strings.Lines(string(journal)) {
		w := strings.Fields(l)
		if into := asked[w[0]+" "+w[1]]; into != nil {
			_, values, _ := strings.Cut(w[3], ",Values=")
			list := strings.Split(values, ",")
			if len(list) > batch {
				t.Errorf("%d ids in a call", len(list))
			}
			for _, id := range list {
				into[id] = true
			}
		}
	}
	if e, s := len(asked["ec2 describe-instances"]), len(asked["ssm describe-instance-information"]); e < 100 || s < 120 {
		t.Errorf("%d instances and %d nodes were asked for", e, s)
	}
}
