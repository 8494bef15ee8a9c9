package causes

import (
	"path"
	"slices"
	"strings"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/pattern"
)

// ChangesOf is what a command of a step changes: none for one that only looks. It fails
// for a command that it does not know, so that no step is printed of which nobody can say
// what it does.
func ChangesOf(command, where string) (list []Change, known bool) {
	if where == Terraform {
		return terraformChanges(command)
	}
	if isPowerShell(command) {
		return powerShellChanges(command)
	}
	services := namedServices(command)
	for _, w := range simple(command) {
		c, ok := changesOf(w.list, w.to, services)
		if !ok {
			return nil, false
		}
		for _, x := range c {
			if !slices.Contains(list, x) {
				list = append(list, x)
			}
		}
	}
	return list, true
}

var reService = pattern.New(`com\.amazonaws\.[a-zA-Z0-9-]+\.([a-zA-Z0-9]+)`)

// namedServices are the services whose VPC endpoints a script is about.
func namedServices(script string) []string {
	var out []string
	for _, m := range reService.FindAllStringSubmatch(script, -1) {
		out = append(out, m[1])
	}
	if strings.Contains(script, "com.amazonaws.") && len(out) == 0 { // a loop: for s in ssm ssmmessages
		if _, rest, ok := strings.Cut(script, "for s in ssm"); ok {
			list, _, _ := strings.Cut(rest, ";")
			out = append([]string{"ssm"}, strings.Fields(list)...)
		}
	}
	return out
}

func terraformChanges(code string) ([]Change, bool) {
	var out []Change
	for _, k := range []struct {
		has string
		c   Change
	}{
		{"aws_iam_instance_profile.", Change{ProfileAttached, "", "PROFILE_NAME"}},
		{"aws_vpc_endpoint", Change{EndpointCreated, "", ""}},
		{"http_endpoint", Change{MetadataOption, "http-endpoint", "enabled"}},
		{"readonlyRootFilesystem", Change{ContainerSet, "readonlyRootFilesystem", "false"}},
		{"aws_iam_role_policy_attachment", Change{PolicyAttached, "", ""}},
	} {
		if !strings.Contains(code, k.has) {
			continue
		}
		switch k.c.Kind {
		case EndpointCreated:
			k.c.On = strings.Join(namedServices(code), "")
		case PolicyAttached:
			k.c.On, k.c.To = quotedAfter(code, "role "), quotedAfter(code, "policy_arn ")
		}
		out = append(out, k.c)
		break
	}
	return out, len(out) > 0
}

// quotedAfter is the text in quotes on the line that begins with a name; empty: none.
func quotedAfter(code, name string) string {
	for line := range strings.Lines(code) {
		if s := strings.TrimSpace(line); strings.HasPrefix(s, name) {
			_, s, _ = strings.Cut(s, `"`)
			s, _, _ = strings.Cut(s, `"`)
			return s
		}
	}
	return ""
}

// looks are programs that change nothing, whatever they are asked here.
var looks = words3(`ssm-doctor dig getent openssl grep tail head ls lsattr du df free ps uptime sort awk uniq wc tracepath ping ss id dmesg coredumpctl aa-status networkQuality snapctl
	timedatectl-status findmnt pgrep visudo ausearch command test [ cd true false date break sh resolvectl rpm-q python3 xxd file uname ldd readelf
	scutil pfctl sntp-q top networkQuality nslookup ntpq ntpctl netstat session-manager-plugin ssm-cli`)

func words3(s string) map[string]bool {
	out := map[string]bool{}
	for w := range strings.FieldsSeq(s) {
		out[w] = true
	}
	return out
}

// keywords of shells, before which or between which a command stands.
var keywords = words3("do then else { } fi done if while ! && & sudo")

const agentService = "amazon-ssm-agent"

func changesOf(w []string, to string, services []string) ([]Change, bool) {
	for len(w) > 0 && (keywords[w[0]] || strings.HasPrefix(w[0], "(") && len(w[0]) == 1) {
		w = w[1:]
	}
	if len(w) > 2 && w[0] == "chroot" {
		w = w[2:]
	}
	if len(w) == 0 {
		return written("", to)
	}
	if w[0] == "for" || w[0] == "foreach" {
		return nil, true
	}
	if name, value, ok := strings.Cut(w[0], "="); ok && !strings.ContainsAny(name, "/-.") && !strings.HasPrefix(w[0], "-") {
		if inner, found := strings.CutPrefix(value, "$("); found { // group=$(aws …)
			var out []Change
			for _, x := range simple(strings.TrimSuffix(inner, ")")) {
				c, known := changesOf(x.list, x.to, services)
				if !known {
					return nil, false
				}
				out = append(out, c...)
			}
			return out, true
		}
		w = w[1:]
		if len(w) == 0 {
			return nil, true
		}
	}
	program := strings.TrimSuffix(path.Base(strings.ReplaceAll(w[0], `\`, "/")), ".exe")
	args := w[1:]
	if looks[program] || looks[w[0]] {
		return written(strings.Join(args, " "), to)
	}
	if k := kindOf[program]; k != nil {
		c, known := k(args, to, services)
		return c, known
	}
	return nil, false
}

// written is what a command changes that only prints, by where that goes.
func written(text, to string) ([]Change, bool) {
	file := strings.TrimPrefix(to, ">")
	base := path.Base(file)
	switch {
	case to == "":
		return nil, true
	case base == "your-ca.pem": // which another step trusts
		return []Change{{FileWritten, file, ""}}, true
	case base == "resolv.conf":
		return []Change{{ResolverSet, file, ""}}, true
	case strings.Contains(file, "/resolved.conf.d/"):
		_, dns, _ := strings.Cut(text, "DNS=")
		dns, _, _ = strings.Cut(dns, `\n`)
		return []Change{{ResolverSet, file, dns}}, true
	case strings.Contains(file, ".service.d/"):
		return []Change{{UnitSet, file, strings.TrimSuffix(text, `\n`)}}, true
	case strings.HasSuffix(file, ".json") && !strings.Contains(file, "/"):
		return []Change{{Drafted, file, ""}}, true
	case strings.HasSuffix(file, "amazon-ssm-agent.json"):
		return []Change{{FileEdited, file, text}}, true
	}
	return []Change{{FileWritten, file, text}}, true
}

// option is the value of an option, --name VALUE or --name=VALUE.
func option(args []string, name string) string {
	for i, a := range args {
		if v, ok := strings.CutPrefix(a, name+"="); ok {
			return v
		}
		if a == name && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}

// operands are the arguments that are no options.
func operands(args []string) []string {
	return slices.DeleteFunc(slices.Clone(args), func(a string) bool { return strings.HasPrefix(a, "-") })
}

type reader = func(args []string, to string, services []string) ([]Change, bool)

// always is a reader of a program that does one thing.
func always(list ...Change) reader {
	return func([]string, string, []string) ([]Change, bool) { return list, true }
}

// onOperand is a reader of a program that does one thing to its operand so-and-so.
func onOperand(k Kind, on, value int) reader {
	return func(args []string, _ string, _ []string) ([]Change, bool) {
		ops := operands(args)
		if on >= len(ops) || value >= len(ops) {
			return nil, false
		}
		c := Change{Kind: k, On: ops[on]}
		if value >= 0 {
			c.To = ops[value]
		}
		return []Change{c}, true
	}
}

// byWord is a reader of a program that is told by its first operand what to do. "*" is any other.
func byWord(list map[string]reader) reader {
	return func(args []string, to string, services []string) ([]Change, bool) {
		ops := operands(args)
		word := ""
		if len(ops) > 0 {
			word = ops[0]
		}
		r := list[word]
		if r == nil {
			r = list["*"]
		}
		if r == nil {
			return nil, false
		}
		return r(args, to, services)
	}
}

var nothing reader = always()

// kindOf are the programs that steps use to change something.
var kindOf map[string]reader

func init() {
	kindOf = map[string]reader{
		"yum": packageChanges, "dnf": packageChanges, "apt-get": packageChanges, "apt": packageChanges, "apt-mark": packageChanges, "rpm": packageChanges, "zypper": packageChanges, "apk": packageChanges,
		"dpkg": func(args []string, _ string, _ []string) ([]Change, bool) {
			s := strings.Join(args, " ")
			switch {
			case strings.Contains(s, "--configure"):
				return []Change{{PackagesSettled, "", ""}}, true
			case strings.Contains(s, "-i "):
				return []Change{{AgentInstalled, "", release(s)}}, true
			}
			return nil, strings.HasPrefix(s, "-l") || strings.HasPrefix(s, "-s") || strings.HasPrefix(s, "-V")
		},
		"authselect": always(Change{FileEdited, "/etc/nsswitch.conf", "authselect"}),
		"snap": byWord(map[string]reader{"list": nothing, "changes": nothing, "remove": always(Change{AgentRemoved, "snap", ""}), "install": always(Change{AgentInstalled, "", ""}),
			"revert": always(Change{AgentInstalled, "", "before"}), "stop": always(Change{ServiceStopped, "", ""}), "restart": always(Change{ServiceRestarted, "", ""}),
			"start": func(args []string, _ string, _ []string) ([]Change, bool) {
				out := []Change{{ServiceStarted, "", ""}}
				if slices.Contains(args, "--enable") {
					out = append(out, Change{ServiceEnabled, "", ""})
				}
				return out, true
			},
			"refresh": func(args []string, _ string, _ []string) ([]Change, bool) {
				switch s := strings.Join(args, " "); {
				case strings.Contains(s, "--time"):
					return nil, true
				case strings.Contains(s, "--hold"):
					return []Change{{AgentHeld, "", ""}}, true
				}
				return []Change{{AgentInstalled, "", ""}}, true
			}}),
		"systemctl":  systemctlChanges,
		agentService: agentChanges,
		"&": func(args []string, to string, services []string) ([]Change, bool) {
			return changesOf(args, to, services)
		},
		"aws":       awsChanges,
		"jq":        jqChanges,
		"ip":        ipChanges,
		"iptables":  firewallChanges,
		"ip6tables": firewallChanges,
		"nft":       firewallChanges,
		"mkdir":     nothing,
		"tr":        func(_ []string, to string, _ []string) ([]Change, bool) { return written("", to) },
		"cp":        copyChanges,
		"cat": func(args []string, to string, _ []string) ([]Change, bool) {
			return written(strings.Join(args, " "), to)
		},
		"echo":   printed,
		"printf": printed,
		"mv":     moveChanges,
		"rm":     removeChanges,
		"chown":  onOperand(OwnerSet, 1, 0),
		"chmod":  onOperand(ModeSet, 1, 0),
		"chattr": flagChanges,
		"kill": func(args []string, _ string, _ []string) ([]Change, bool) {
			if len(args) < 2 || args[0] != "-CONT" {
				return nil, false
			}
			return []Change{{ProcessResumed, facts.HeldBySignal, ""}}, true
		},
		"restorecon": onOperand(LabelsSet, 0, -1),
		"sed":        sedChanges,
		"sysctl":     sysctlChanges,
		"mount":      mountChanges,
		"dd":         nothing, // the file of a swap space
		"mkswap":     nothing,
		"swapon":     always(Change{MemoryAdded, "", ""}),
		"useradd":    onOperand(UserCreated, 0, -1),
		"adduser":    onOperand(UserCreated, 0, -1),
		"sysadminctl": func(args []string, _ string, _ []string) ([]Change, bool) {
			return []Change{{UserCreated, option(args, "-addUser"), ""}}, true
		},
		"systemd-tmpfiles": always(Change{InodesFreed, "", ""}),
		"find": func(args []string, to string, _ []string) ([]Change, bool) {
			if slices.Contains(args, "-delete") {
				return []Change{{InodesFreed, "", ""}}, true
			}
			return written("", to)
		},
		"journalctl": func(args []string, _ string, _ []string) ([]Change, bool) {
			if strings.Contains(strings.Join(args, " "), "--vacuum") {
				return []Change{{SpaceFreed, "", ""}}, true
			}
			return nil, true
		},
		"timedatectl": func(args []string, _ string, _ []string) ([]Change, bool) {
			if slices.Contains(args, "set-ntp") {
				return []Change{{ClockSet, "", ""}}, true
			}
			return nil, true
		},
		"chronyc": func(args []string, _ string, _ []string) ([]Change, bool) {
			if slices.Contains(args, "makestep") {
				return []Change{{ClockSet, "", ""}}, true
			}
			return nil, true
		},
		"ntpd":      always(Change{ClockSet, "", ""}),
		"rc-update": nothing, "rc-service": nothing,
		"curl": func(args []string, to string, _ []string) ([]Change, bool) {
			for _, a := range args {
				if strings.HasPrefix(a, "-") && !strings.HasPrefix(a, "--") && strings.HasSuffix(a, "o") {
					return []Change{{DownloadReplaced, option(args, a), ""}}, true
				}
			}
			return written("", to)
		},
		"networkctl": byWord(map[string]reader{"reconfigure": onOperand(AddressAsked, 1, -1), "*": nothing}),
		"nmcli":      nmcliChanges,
		"dhclient": func(args []string, _ string, _ []string) ([]Change, bool) {
			if slices.Contains(args, "-r") {
				return nil, true
			}
			return onOperand(AddressAsked, 0, -1)(args, "", nil)
		},
		"dhcpcd":                 onOperand(AddressAsked, 0, -1),
		"aa-complain":            onOperand(ProfileRelaxed, 0, -1),
		"update-ca-trust":        always(Change{CAAdded, "your-ca.pem", ""}),
		"update-ca-certificates": always(Change{CAAdded, "your-ca.pem", ""}),
		"docker":                 byWord(map[string]reader{"run": always(Change{ContainerSet, "network", "host"}), "*": nothing}),
		"git":                    nothing,
		"make":                   always(Change{SourceBuilt, "", ""}),
		"ln":                     nothing,
		"tailscale":              always(Change{TunnelChanged, "tailscale", ""}),
		"netbird": byWord(map[string]reader{"networks": func(args []string, _ string, _ []string) ([]Change, bool) {
			if slices.Contains(args, "deselect") {
				return []Change{{TunnelChanged, "netbird", ""}}, true
			}
			return nil, true
		}}),
		"launchctl":   byWord(map[string]reader{"kickstart": always(Change{ServiceRestarted, "", ""}), "bootout": always(Change{ServiceStopped, "", ""}), "bootstrap": always(Change{ServiceStarted, "", ""}), "enable": always(Change{ServiceEnabled, "", ""}), "print": nothing, "list": nothing, "print-disabled": nothing}),
		"installer":   always(Change{AgentInstalled, "", ""}),
		"security":    always(Change{CAAdded, "your-ca.pem", ""}),
		"systemsetup": always(Change{ClockSet, "", ""}),
		"sntp":        always(Change{ClockSet, "", ""}),
		"networksetup": func(args []string, _ string, _ []string) ([]Change, bool) {
			if slices.Contains(args, "-setMTU") {
				return onOperand(MTUSet, 0, 1)(args, "", nil)
			}
			return nil, strings.HasPrefix(strings.Join(args, " "), "-list") || strings.HasPrefix(strings.Join(args, " "), "-get")
		},
		"ipconfig": func(args []string, _ string, _ []string) ([]Change, bool) {
			switch {
			case len(args) > 2 && args[0] == "set" && args[2] == "DHCP":
				return []Change{{AddressAsked, args[1], ""}}, true
			case slices.Contains(args, "/renew"):
				return []Change{{AddressAsked, "the network", ""}}, true
			}
			return nil, true
		},
		"ifconfig": nothing,
		"route":    routeChanges,
	}
}
