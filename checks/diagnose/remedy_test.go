package diagnose

import (
	"strings"
	"testing"
	"time"

	"ssm-doctor/checks"
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/node"
)

// fault is the fault of one of causeCases.
func fault(t *testing.T, cause string, f *facts.Facts) {
	t.Helper()
	for _, c := range causeCases {
		if c.cause == cause {
			c.fault(f)
			return
		}
	}
	t.Fatalf("no case of %s", cause)
}

// faulty is the host of one of causeCases.
func faulty(t *testing.T, cause string) *facts.Facts {
	t.Helper()
	for _, c := range causeCases {
		if c.cause == cause {
			f := factstest.Healthy(t, c.kind)
			c.fault(f)
			return f
		}
	}
	t.Fatalf("no case of %s", cause)
	return nil
}

// commands are those of a remedy, one a line.
func commands(steps []causes.Filled) string {
	var b strings.Builder
	for _, s := range steps {
		b.WriteString(s.Command.String() + "\n")
	}
	return b.String()
}

func named1(a Answer, cause string) *Named {
	for _, n := range a.Also {
		if n.Cause.ID == cause {
			return &n
		}
	}
	if a.Root != nil && a.Root.Cause.ID == cause {
		return a.Root
	}
	return nil
}

func distro(id string) func(*facts.Facts) {
	return func(f *facts.Facts) { f.Host.Distro = facts.Known(facts.Distro{ID: id}, "") }
}

// TestRemedyFitsTheHost looks for what the commands of one remedy must hold and
// must not hold on a host with one fault and one peculiarity.
func TestRemedyFitsTheHost(t *testing.T) {
	t.Parallel()
	kind := func(k string) func(*facts.Facts) {
		return func(f *facts.Facts) {
			for i := range f.Agent.Installations.Value {
				f.Agent.Installations.Value[i].Kind = k
			}
		}
	}
	both := func(fs ...func(*facts.Facts)) func(*facts.Facts) {
		return func(f *facts.Facts) {
			for _, change := range fs {
				change(f)
			}
		}
	}
	channel := func(text string) func(*facts.Facts) {
		return func(f *facts.Facts) {
			f.Log.Refusals.Value = []facts.Refusal{{Refusal: iam.ParseRefusal("", text), At: f.CollectedAt.Add(-2 * time.Minute), Match: facts.SigChannelToken}}
			for i := range f.Log.Matches.Value {
				if f.Log.Matches.Value[i].ID == facts.SigChannelToken {
					f.Log.Matches.Value[i].Text = text
				}
			}
			f.IMDS.Role = facts.Known(facts.Role{Name: "ecsInstanceRole", Code: "Success"}, "")
		}
	}
	tools := func(names ...string) func(*facts.Facts) {
		return func(f *facts.Facts) { f.Host.Installers = facts.Known(names, "") }
	}
	missingProgram := func(kind string) func(*facts.Facts) {
		return func(f *facts.Facts) {
			unaccepted(f)
			stopped(f, "failed", "failed")
			f.Agent.Installations.Value = f.Agent.Installations.Value[:1]
			f.Agent.Installations.Value[0].Kind, f.Agent.Installations.Value[0].Broken = kind, "it is recorded as installed, but its program /usr/bin/amazon-ssm-agent does not exist"
			unit(f).Program = facts.Absent[facts.Program]("no such file", "file:/usr/bin/amazon-ssm-agent")
		}
	}
	initService := func(manager string) func(*facts.Facts) {
		return func(f *facts.Facts) {
			f.Agent.Manager = facts.Known(manager, "")
			f.Agent.Units = facts.Known([]facts.Unit{{Name: "amazon-ssm-agent", Load: "loaded", Active: map[string]string{"openrc": "inactive"}[manager], Enabled: "disabled", File: "/etc/init.d/amazon-ssm-agent"}}, "")
		}
	}
	brokenSnap := func(why, other string) func(*facts.Facts) {
		return func(f *facts.Facts) {
			missingProgram("snap")(f)
			f.Agent.Installations.Value[0].Broken, f.Agent.Installations.Value[0].Other = why, other
		}
	}
	proxies := func(service, shell string) func(*facts.Facts) {
		return func(f *facts.Facts) {
			f.Agent.ServiceProxy.Value.No, f.Agent.ShellProxy.Value.No = service, shell
		}
	}
	for _, tc := range []struct {
		name, cause string
		change      func(*facts.Facts)
		has, not    string // words, separated by |
	}{
		{"yum on Amazon Linux 2", "agent-not-installed", distro("amzn"), "yum install -y https://", "dnf"},
		{"yum on RHEL 7", "agent-not-installed", distro("rhel"), "yum install -y https://", "dnf"},
		{"zypper on SUSE", "agent-not-installed", distro("sles"), "zypper --non-interactive install https://", "yum|dnf"},
		{"older rpm", "agent-version-regression", distro("amzn"), "yum downgrade -y https://s3.eu-central-1.amazonaws.com/amazon-ssm-eu-central-1/3.3.3270.0/linux_amd64/", "dnf"},
		{"older rpm on SUSE", "agent-version-regression", distro("sles"), "zypper --non-interactive install --oldpackage https://", "yum"},
		{"dnf where there is no yum", "agent-not-installed", both(distro("rhel"), tools("dnf", "rpm")), "dnf install -y https://", "yum"},
		{"snap on Ubuntu", "agent-not-installed", both(distro("ubuntu"), tools("snap", "dpkg")), "snap install amazon-ssm-agent --classic", "dpkg|yum"},
		{"no snap where snapd is gone", "agent-not-installed", both(distro("ubuntu"), tools("dpkg")), "dpkg -i amazon-ssm-agent.deb", "snap|yum"},
		{"no package on Alpine", "os-unsupported", func(*facts.Facts) {}, "apk search|make build-linux", "yum|dpkg|snap"},
		{"the module of NixOS", "os-unsupported", distro("nixos"), "nixos-rebuild switch", "yum|apk"},
		{"a program that is missing, rpm", "agent-packaging-conflict", missingProgram("rpm"), "rpm -Uvh --force https://", "purge|yum install|snap"},
		{"a program that is missing, deb", "agent-packaging-conflict", both(distro("debian"), missingProgram("deb")), "dpkg -i amazon-ssm-agent.deb", "purge|snap|yum"},
		{"a snap that is broken", "agent-packaging-conflict", both(distro("ubuntu"), tools("snap", "dpkg"), brokenSnap("the current revision has no usable executable", "")), "snap remove amazon-ssm-agent && snap install amazon-ssm-agent --classic", "purge|yum"},
		{"a snap with another revision", "agent-packaging-conflict", both(distro("ubuntu"), tools("snap", "dpkg"), brokenSnap("the current revision has no usable executable", "9565")), "snap revert amazon-ssm-agent", "purge|snap install"},
		{"a snap that is off", "agent-packaging-conflict", both(distro("ubuntu"), tools("snap", "dpkg"), brokenSnap(facts.SnapNotCurrent, "")), "snap enable amazon-ssm-agent", "purge|snap install"},
		{"half configured", "agent-packaging-conflict", both(distro("debian"), func(f *facts.Facts) {
			missingProgram("deb")(f)
			f.Agent.Installations.Value[0].Broken = "dpkg: install ok half-configured"
		}), "dpkg --configure -a", "purge"},
		{"the snap's other service", "agent-service-stopped", func(f *facts.Facts) { f.Agent.Units.Value[0].Name = "snap.amazon-ssm-agent.amazon-ssm-agent.service" }, "systemctl enable --now snap.amazon-ssm-agent.amazon-ssm-agent.service", "enable --now amazon-ssm-agent"},
		{"runs, but is disabled", "agent-service-stopped", func(f *facts.Facts) {
			u := &f.Agent.Units.Value[0]
			u.Active, u.Sub, u.Enabled = "active", "running", "disabled"
		}, "systemctl enable amazon-ssm-agent.service", "--now|restart"},
		{"runs, but is masked", "agent-service-stopped", func(f *facts.Facts) {
			u := &f.Agent.Units.Value[0]
			u.Active, u.Sub, u.Enabled = "active", "running", "masked"
		}, "systemctl unmask amazon-ssm-agent.service\nsystemctl enable amazon-ssm-agent.service", "--now|restart"},
		{"OpenRC", "agent-service-stopped", initService("openrc"), "rc-update add amazon-ssm-agent default\nrc-service amazon-ssm-agent start", "systemctl|journalctl"},
		{"System V", "agent-service-stopped", initService("sysv"), "/etc/init.d/amazon-ssm-agent start", "systemctl|journalctl"},
		{"hung up", "agent-service-stopped", func(f *facts.Facts) {
			u := &f.Agent.Units.Value[0]
			u.Ended, u.ExitStatus, u.Restart = "killed", 1, "on-failure"
		}, "Restart=always|50-restart.conf", "yum"},
		{"runs as root already", "state-dir-permissions", func(f *facts.Facts) {
			f.Agent.Units.Value[0].User = ""
			unaccepted(f)
			f.Registration.Paths.Value[0].Owner = facts.Known(1000, "")
		}, "chown -R root:root", "zz-root"},
		{"no such user", "agent-crash-loop", func(f *facts.Facts) {
			u := &f.Agent.Units.Value[0]
			u.Ended, u.ExitStatus, u.Result = "exited", 217, "exit-code"
		}, "systemctl edit amazon-ssm-agent.service", "PATH"},
		{"no older deb", "agent-version-regression", both(distro("debian"), kind("deb")), "dpkg -i", "downgrade|3.3.3270.0"},

		{"the task's role", "ecs-task-role-missing",
			channel("ERROR AccessDeniedException: User: arn:aws:sts::111122223333:assumed-role/webTaskRole/0a1b is not authorized to perform: ssmmessages:CreateControlChannel on resource: *"),
			"--role-name webTaskRole |--cluster web ", "ecsInstanceRole|CLUSTER"},
		{"no role that is another's", "ecs-task-role-missing", channel("ERROR AccessDeniedException: CreateControlChannel failed"), "--role-name ROLE_NAME ", "ecsInstanceRole"},

		{"the list of the service is kept", "imds-via-proxy", proxies("10.0.0.0/8, .corp.example", "other"), `no_proxy=10.0.0.0/8,.corp.example,169.254.169.254,fd00:ec2::254"`, "other"},
		{"no list", "imds-via-proxy", proxies("", ""), `"no_proxy=169.254.169.254,fd00:ec2::254"`, "NO_PROXY"},
		{"a list that cannot be pasted", "imds-via-proxy", proxies(`a";reboot`, ""), `"no_proxy=NO_PROXY_LIST,169.254.169.254,fd00:ec2::254"`, "reboot"},
		{"an address that is there", "proxy-scheme-mismatch", proxies("169.254.169.254,.corp.example", ""), `"no_proxy=169.254.169.254,.corp.example,fd00:ec2::254"`, "NO_PROXY"},
		{"the list of the users", "proxy-not-applied-to-agent", proxies("", ".corp.example"), `"no_proxy=.corp.example,169.254.169.254,fd00:ec2::254"`, "NO_PROXY"},

		{"the gateway is asked for", "route-wrong-interface", func(*facts.Facts) {}, " via GATEWAY dev eth1", "PATH"},
		{"the configuration is not cut", "region-mismatch", func(*facts.Facts) {}, `tr '\n' ' ' < /etc/amazon/ssm/amazon-ssm-agent.json |`, "jq|/d'|sed -E -z"},
		{"the configuration is not cut on macOS", "region-mismatch", func(f *facts.Facts) { f.Host.GOOS = "darwin" }, `json.bak | sed -E -e 's/("[Aa]`, "jq|-register"},
		{"dual stack", "ipv6-no-endpoint", func(*facts.Facts) {}, "describe-subnets", "assign-private-ip-addresses"},
		{"the drop-in's directory", "dns-resolution-failed", func(*facts.Facts) {}, "mkdir -p /etc/systemd/resolved.conf.d\n", "operator"},
		{"a new management role", "dhmc-role-broken", func(*facts.Facts) {}, "create-role --path /service-role/ --role-name AWSSystemsManagerDefaultEC2InstanceManagementRole ", "sed"},
		{"the template is left alone", "registration-cloned-image", func(*facts.Facts) {}, "systemctl start amazon-ssm-agent", "rm -rf"},

		{"Windows Time", "clock-skew", func(f *facts.Facts) { f.Host.GOOS = "windows" }, "w32tm /resync|Restart-Service AmazonSSMAgent", "timedatectl|chronyc|systemctl"},
		{"the Mac's clock", "clock-skew", func(f *facts.Facts) { f.Host.GOOS = "darwin" }, "sntp -sS|launchctl kickstart -k system/com.amazon.aws.ssm", "timedatectl|chronyc|systemctl"},
		{"registry", "proxy-scheme-mismatch", func(f *facts.Facts) { f.Host.GOOS = "windows" }, "-Type MultiString -Value 'http_proxy=http://10.0.0.5:3128',", "systemd"},
		{"registry, nothing else changed", "imds-via-proxy", func(f *facts.Facts) { f.Host.GOOS = "windows" }, "-Type MultiString -Value ($e + 'no_proxy=169.254.169.254,fd00:ec2::254')", "https_proxy|systemd"},
		{"PowerShell", "agent-config-invalid", func(f *facts.Facts) {
			f.Host.GOOS, f.Agent.ConfigPath = "windows", "/Program Files/Amazon/SSM/amazon-ssm-agent.json"
		}, `Get-Content "C:\Program Files\Amazon\SSM\amazon-ssm-agent.json" -Raw`, "python3|/etc"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := faulty(t, tc.cause)
			tc.change(f)
			n := named1(judge(f), tc.cause)
			if n == nil {
				t.Fatalf("%s is not named", tc.cause)
			}
			got := commands(n.Fix)
			for w := range strings.SplitSeq(tc.has, "|") {
				if !strings.Contains(got, w) {
					t.Errorf("no %q in:\n%s", w, got)
				}
			}
			for w := range strings.SplitSeq(tc.not, "|") {
				if strings.Contains(got, w) {
					t.Errorf("%q in:\n%s", w, got)
				}
			}
		})
	}
}

// TestImageRemedies: what the gate for images finds is repaired in the image
// and nowhere else.
func TestImageRemedies(t *testing.T) {
	t.Parallel()
	image := func(f *facts.Facts) Answer {
		n := node.Of(f)
		return DiagnoseImage(n, findings(n, checks.ProfileImage))
	}
	leftovers := func(f *facts.Facts) {
		f.Registration.Hybrid = facts.Known(facts.Key{InstanceID: "mi-0123456789abcdef0", HasPrivate: true}, "")
		f.Registration.NodeFolders = facts.Known([]string{"mi-0123456789abcdef0", "i-0123456789abcdef0"}, "")
		f.Credentials.RootFile = facts.Known(facts.SharedFile{Path: "/root/.aws/credentials", Profiles: []facts.Keys{{Profile: "default"}}}, "")
		f.Host.PersistentRoutes = facts.Known([]facts.Route{{Destination: "169.254.169.254/32", Gateway: "10.4.0.1", From: "/etc/netplan/50.yaml"}}, "")
	}
	for _, tc := range []struct {
		cause string
		fault func(*facts.Facts)
		has   string // with ROOT where the root of the image stands
	}{
		{"registration-cloned-image", leftovers, "rm -rf ROOT/var/lib/amazon/ssm/Vault ROOT/var/lib/amazon/ssm/mi-0123456789abcdef0 ROOT/var/lib/amazon/ssm/i-0123456789abcdef0 ROOT/var/lib/amazon/ssm/runtimeconfig\n"},
		{"shared-credentials-shadow", leftovers, "rm ROOT/root/.aws/credentials\n"},
		{"imds-route-wrong", leftovers, "grep -n 169.254.169.254 ROOT/etc/netplan/50.yaml\n"},
		{"agent-config-invalid", func(f *facts.Facts) { f.Agent.Config = facts.Known(facts.Config{ParseError: "invalid"}, "") }, "mv ROOT/etc/amazon/ssm/amazon-ssm-agent.json ROOT/etc/amazon/ssm/amazon-ssm-agent.json.wrong\n"},
		{"agent-service-stopped", func(f *facts.Facts) { stopped(f, "inactive", "dead"); unit(f).Enabled = "disabled" }, "systemctl enable amazon-ssm-agent.service\n"},
		{"agent-packaging-conflict", func(f *facts.Facts) { fault(t, "agent-packaging-conflict", f) }, "apt-get purge -y amazon-ssm-agent\n"},
		{"agent-packaging-conflict", func(f *facts.Facts) { f.Agent.Installations.Value[0].Parts[0].Program.Value.Size = 0 }, "rpm -Uvh --force "},
		{"agent-not-installed", func(f *facts.Facts) { fault(t, "agent-not-installed", f) }, "yum install -y"},
	} {
		for _, root := range []string{"/", "/mnt/image", "/mnt/a;reboot"} {
			f := factstest.Healthy(t, "profile")
			tc.fault(f)
			f.Root = root
			n := named1(image(f), tc.cause)
			if n == nil {
				t.Errorf("%s, root %s: not named", tc.cause, root)
				continue
			}
			at, again := map[string]string{"/": "", "/mnt/image": "/mnt/image", "/mnt/a;reboot": "ROOT"}[root], "ssm-doctor check --profile image\n"
			if at != "" {
				again = "ssm-doctor check --profile image --root " + at + "\n"
			}
			got := commands(n.Fix)
			if want := strings.ReplaceAll(tc.has, "ROOT", at); !strings.Contains(got, want) || !strings.HasSuffix(got, again) {
				t.Errorf("%s, root %s: want %q and %q in:\n%s", tc.cause, root, want, again, got)
			}
			for _, live := range []string{"--now", "-register", "create-activation", "restart", "snap install", "--wait", "/mnt/a;"} {
				if strings.Contains(got, live) {
					t.Errorf("%s, root %s: %q in:\n%s", tc.cause, root, live, got)
				}
			}
			for _, s := range n.Fix {
				if s.Where != causes.OnHost || at != "" && !strings.Contains(s.Command.String(), at) {
					t.Errorf("%s, root %s: not about the image: %+v", tc.cause, root, s)
				}
			}
		}
	}
}

// TestBackoffIsTheLastWord: that nothing stands in the way is said only where
// that is the answer.
func TestBackoffIsTheLastWord(t *testing.T) {
	t.Parallel()
	const nothing = "nothing else that stops the agent was found"
	f := faulty(t, "agent-backoff-wait")
	a := judge(f)
	if a.Root == nil || !strings.HasPrefix(a.Root.Summary.String(), nothing) {
		t.Errorf("root %+v", a.Root)
	}
	fault(t, "disk-full", f)
	logged(f, facts.SigCredsWrite, 1e9, "ERROR Failed to write credentials to disk")
	a = judge(f)
	if a.Root == nil || a.Root.Cause.ID != "disk-full" {
		t.Fatalf("root %+v", a.Root)
	}
	if fd := checks.AgentBackoff.Judge(node.Of(f)); strings.Contains(fd.Summary.String(), nothing) || !strings.Contains(fd.Summary.String(), "still sleeps") {
		t.Errorf("check: %s", fd.Summary)
	}
	for _, n := range a.Also {
		if strings.Contains(n.Summary.String(), nothing) {
			t.Errorf("also: %s", n.Summary)
		}
	}
}

// TestRootCauseBreaksThePath: a node that is not managed has a broken link.
func TestRootCauseBreaksThePath(t *testing.T) {
	t.Parallel()
	for _, c := range causeCases {
		f := factstest.Healthy(t, c.kind)
		c.fault(f)
		a := judge(f)
		broken := false
		for _, h := range a.Path {
			broken = broken || h.Status == checks.Fail
		}
		if a.State == NotManaged && !broken {
			t.Errorf("%s: no broken link: %+v", c.cause, a.Path)
		}
	}
}

// TestClosedEndpointBlamesNoRole: rights that nobody could see are at most a
// note behind a VPC endpoint, with nothing to attach.
func TestClosedEndpointBlamesNoRole(t *testing.T) {
	t.Parallel()
	for _, cause := range []string{"network-no-egress", "dns-resolution-failed", "proxy-refuses", "vpce-sg-blocked"} {
		a := judge(faulty(t, cause))
		n := named1(a, "iam-missing-registration-action")
		if (n != nil) != (cause == "vpce-sg-blocked") {
			t.Errorf("%s: note %+v", cause, n)
		}
		if n != nil && (len(n.Evidence) == 0 || n.Severity != causes.Info || strings.Contains(commands(n.Fix), "attach-role-policy")) {
			t.Errorf("%s: %+v", cause, n)
		}
		told := false
		for _, l := range a.NotLooked {
			told = told || strings.Contains(l.What, "ssm:UpdateInstanceInformation")
		}
		if !told {
			t.Errorf("%s: not listed as not looked at", cause)
		}
	}
}

func TestDiskFullNamesTheAgentsDirectory(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, full, mount, want string }{
		{"root", "/", "/", "disk full: no space left on /, which holds the agent's /var/lib/amazon/ssm"},
		{"own mount of a parent", "/var/lib/amazon/ssm", "/var", "disk full: no space left on /var, which holds the agent's /var/lib/amazon/ssm"},
		{"own mount", "/var/lib/amazon/ssm", "/var/lib/amazon/ssm", "disk full: no space left on /var/lib/amazon/ssm"},
		{"mount not known", "/opt/aws/ssm/data", "", "disk full: no space left for /opt/aws/ssm/data"},
	} {
		f := factstest.Healthy(t, "profile")
		if tc.full != "/" {
			f.Host.FileSystems.Value = []facts.FileSystem{{Dir: tc.full, Mount: tc.mount, Usage: f.Host.FileSystems.Value[0].Usage}}
		}
		f.Host.FileSystems.Value[0].Usage.Value.FreeBytes = 0
		if got := checks.DiskSpace.Judge(node.Of(f)).Summary.String(); got != tc.want {
			t.Errorf("%s: %s", tc.name, got)
		}
	}
}
