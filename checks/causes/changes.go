package causes

import (
	"path"
	"slices"
	"strings"

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
	timedatectl-status findmnt pgrep visudo ausearch command test [ cd true date break sh resolvectl rpm-q python3 xxd file uname ldd readelf
	scutil pfctl sntp-q top networkQuality nslookup ntpq ntpctl netstat session-manager-plugin ssm-cli`)

func words3(s string) map[string]bool {
	out := map[string]bool{}
	for w := range strings.FieldsSeq(s) {
		out[w] = true
	}
	return out
}

// keywords of shells, before which or between which a command stands.
var keywords = words3("do then else { } fi done if ! && & sudo")

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

// onFirst is a reader of a program that does one thing to its operand so-and-so.
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
	install := func(args []string, _ string, _ []string) ([]Change, bool) {
		s := strings.Join(args, " ")
		switch {
		case strings.HasPrefix(s, "-q") || strings.Contains(s, "showhold") || strings.Contains(s, "versionlock list") || strings.Contains(s, "search") || strings.HasSuffix(s, "update"):
			return nil, true
		case strings.Contains(s, "remove") || strings.Contains(s, "purge"):
			kind := "deb"
			if slices.Contains(args, "snap") {
				kind = "snap"
			}
			return []Change{{AgentRemoved, kind, ""}}, true
		case strings.Contains(s, "--import"):
			return []Change{{KeyImported, "", ""}}, true
		case strings.Contains(s, agentService):
			return []Change{{AgentInstalled, "", release(s)}}, true
		case strings.Contains(s, "ca-certificates"):
			return []Change{{TrustUpdated, "", ""}}, true
		}
		if slices.Contains(args, "chrony") && len(args) > 1 {
			return []Change{{PackageInstalled, "chrony", ""}, {ClockSet, "", ""}}, true
		}
		if ops := operands(args); len(ops) > 1 {
			return []Change{{PackageInstalled, ops[len(ops)-1], ""}}, true
		}
		return nil, false
	}
	kindOf = map[string]reader{
		"yum": install, "dnf": install, "apt-get": install, "apt": install, "apt-mark": install, "rpm": install, "zypper": install, "apk": install,
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
		"snap": byWord(map[string]reader{"list": nothing, "changes": nothing, "remove": always(Change{AgentRemoved, "snap", ""}), "install": always(Change{AgentInstalled, "", ""}),
			"revert": always(Change{AgentInstalled, "", "before"}), "start": always(Change{ServiceStarted, "", ""}), "stop": always(Change{ServiceStopped, "", ""}), "restart": always(Change{ServiceRestarted, "", ""}),
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
		"cp":        copyChanges,
		"cat": func(args []string, to string, _ []string) ([]Change, bool) {
			return written(strings.Join(args, " "), to)
		},
		"echo":       printed,
		"printf":     printed,
		"mv":         moveChanges,
		"rm":         onOperand(FileRemoved, 0, -1),
		"chown":      onOperand(OwnerSet, 1, 0),
		"chmod":      onOperand(ModeSet, 1, 0),
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
		"update-ca-trust":        always(Change{CAAdded, "YOUR-CA.pem", ""}),
		"update-ca-certificates": always(Change{CAAdded, "YOUR-CA.pem", ""}),
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
		"security":    always(Change{CAAdded, "YOUR-CA.pem", ""}),
		"systemsetup": always(Change{ClockSet, "", ""}),
		"sntp":        always(Change{ClockSet, "", ""}),
		"networksetup": func(args []string, _ string, _ []string) ([]Change, bool) {
			if slices.Contains(args, "-setMTU") {
				return onOperand(MTUSet, 0, 1)(args, "", nil)
			}
			return nil, strings.HasPrefix(strings.Join(args, " "), "-list") || strings.HasPrefix(strings.Join(args, " "), "-get")
		},
		"ipconfig": func(args []string, _ string, _ []string) ([]Change, bool) {
			s := strings.Join(args, " ")
			if strings.Contains(s, "DHCP") || strings.Contains(s, "/renew") {
				return []Change{{AddressAsked, "", ""}}, true
			}
			return nil, true
		},
		"ifconfig": nothing,
		"route":    routeChanges,
	}
}

var reRelease = pattern.New(`/(\d+\.\d+\.\d+\.\d+)/`)

// release is the release in an address of a package; empty: the latest.
func release(s string) string {
	if m := reRelease.FindStringSubmatch(s); m != nil {
		return m[1]
	}
	return ""
}

func systemctlChanges(args []string, _ string, _ []string) ([]Change, bool) {
	ops := operands(args)
	if len(ops) == 0 {
		return nil, slices.Contains(args, "--failed")
	}
	if ops[0] == "daemon-reload" {
		return []Change{{UnitLoaded, "", ""}}, true
	}
	ours := slices.ContainsFunc(ops[1:], func(u string) bool { return strings.Contains(u, agentService) })
	k := map[string]Kind{"restart": ServiceRestarted, "start": ServiceStarted, "stop": ServiceStopped, "enable": ServiceEnabled, "unmask": ServiceEnabled, "add-wants": ServiceEnabled, "edit": UnitSet}[ops[0]]
	switch {
	case k != "" && !ours && len(ops) > 1:
		switch {
		case strings.Contains(ops[1], "chrony") && ops[0] != "enable", strings.Contains(ops[1], "timesyncd") && ops[0] != "enable":
			return nil, true // with the clock that is set beside it
		case strings.Contains(ops[1], "systemd-resolved"):
			return nil, true
		}
		return []Change{{OtherService, ops[1], ""}}, true
	case k == UnitSet: // by hand, in an editor
		return []Change{{UnitSet, "/etc/systemd/system/" + ops[len(ops)-1] + ".d/override.conf", ""}}, true
	case k == ServiceEnabled && slices.Contains(args, "--now"):
		return []Change{{ServiceEnabled, "", ""}, {ServiceStarted, "", ""}}, true
	case k != "":
		return []Change{{k, "", ""}}, true
	}
	return nil, slices.Contains([]string{"cat", "show", "status", "list-units", "list-dependencies", "is-active", "is-enabled", "list-unit-files"}, ops[0])
}

// agentChanges are those of the agent's own options.
// Source: amazon-ssm-agent, agent/agent.go and agent/parser.go.
func agentChanges(args []string, _ string, _ []string) ([]Change, bool) {
	switch {
	case slices.Contains(args, "-clear"):
		return []Change{{RegistrationCleared, "", ""}}, true
	case slices.Contains(args, "-register"):
		return []Change{{RegistrationMade, "", option(args, "-region")}}, true
	case slices.Contains(args, "-similarityThreshold"):
		return []Change{{SimilarityLowered, "", option(args, "-similarityThreshold")}}, true
	case slices.Contains(args, "-version"):
		return nil, true
	}
	return nil, false
}

func printed(args []string, to string, _ []string) ([]Change, bool) {
	switch {
	case strings.HasSuffix(to, "/etc/fstab"):
		return nil, true // with the swap space that is added beside it
	case strings.Contains(to, "sysctl.d/"):
		return []Change{{FileWritten, to, strings.Join(args, " ")}}, true
	}
	return written(strings.Join(args, " "), to)
}

func moveChanges(args []string, _ string, _ []string) ([]Change, bool) {
	ops := operands(args)
	if len(ops) != 2 {
		return nil, false
	}
	if ops[0] == ops[1]+".new" {
		return nil, true // with what was written there
	}
	return []Change{{FileMoved, ops[0], ""}}, true
}

func copyChanges(args []string, _ string, _ []string) ([]Change, bool) {
	ops := operands(args)
	if len(ops) < 2 {
		return nil, false
	}
	if strings.Contains(ops[0], "YOUR-CA") || strings.HasSuffix(ops[1], ".bak") || strings.HasSuffix(ops[0], ".template") {
		return nil, true // with what is done beside it
	}
	return []Change{{FileWritten, ops[1], ""}}, true
}

func sedChanges(args []string, _ string, _ []string) ([]Change, bool) {
	ops := operands(args)
	if len(ops) == 0 {
		return nil, false
	}
	file := ops[len(ops)-1]
	switch {
	case !slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "-i") }):
		return nil, true
	case path.Base(file) == "hosts":
		s := strings.Join(args, " ")
		_, names, _ := strings.Cut(s, "+(")
		names, _, _ = strings.Cut(names, ")")
		return []Change{{HostsLine, names, ""}}, true
	}
	return []Change{{FileEdited, file, strings.Join(ops[:len(ops)-1], " ")}}, true
}

func sysctlChanges(args []string, _ string, _ []string) ([]Change, bool) {
	var out []Change
	for _, a := range args {
		if name, value, ok := strings.Cut(a, "="); ok {
			out = append(out, Change{LimitSet, name, value})
		}
	}
	return out, true
}

func mountChanges(args []string, _ string, _ []string) ([]Change, bool) {
	ops := operands(args)
	if len(ops) == 0 {
		return nil, true
	}
	how := ""
	if o := option(args, "-o"); strings.HasPrefix(o, "remount,") {
		how = strings.TrimPrefix(o, "remount,")
	}
	return []Change{{Mounted, ops[len(ops)-1], how}}, true
}

func nmcliChanges(args []string, _ string, _ []string) ([]Change, bool) {
	s := strings.Join(args, " ")
	switch {
	case strings.HasPrefix(s, "device connect ") && len(args) > 2:
		return []Change{{AddressAsked, args[2], ""}}, true
	case strings.HasPrefix(s, "connection modify"):
		return []Change{{OtherService, "NetworkManager", ""}}, true
	case strings.HasPrefix(s, "connection up"), strings.HasPrefix(s, "device reapply"):
		return []Change{{AddressAsked, args[len(args)-1], ""}}, true
	}
	return nil, s == "device" || s == "connection show" || strings.HasPrefix(s, "device show") || strings.HasPrefix(s, "-g") || strings.HasPrefix(s, "-f")
}

// ipChanges are those of iproute2.
func ipChanges(args []string, _ string, _ []string) ([]Change, bool) {
	w := operands(args)
	if len(w) < 3 {
		return nil, !slices.Contains(w, "del") && !slices.Contains(w, "add")
	}
	device := option(w, "dev")
	switch w[0] + " " + w[1] {
	case "route del", "route delete":
		to := w[2]
		if slices.Contains([]string{"blackhole", "unreachable", "prohibit", "throw"}, to) && len(w) > 3 {
			to = w[3]
		}
		return []Change{{RouteRemoved, to, strings.Join(slices.DeleteFunc(w[2:], func(x string) bool { return x == to }), " ")}}, true
	case "route replace":
		return []Change{{RouteSet, w[2], device}}, true
	case "route add":
		if len(w) > 3 && w[2] == "unreachable" {
			return []Change{{RouteStopped, w[3], ""}}, true
		}
		return []Change{{RouteSet, w[2], device}}, true
	case "rule add":
		return []Change{{RoutingRule, option(w, "to"), ""}}, true
	case "link set":
		switch {
		case slices.Contains(w, "up"):
			return []Change{{LinkUp, device, ""}}, true
		case option(w, "mtu") != "":
			return []Change{{MTUSet, device, option(w, "mtu")}}, true
		}
		return nil, false
	}
	return nil, !slices.Contains(w, "del") && !slices.Contains(w, "add") && !slices.Contains(w, "set")
}

func firewallChanges(args []string, _ string, _ []string) ([]Change, bool) {
	s := strings.Join(args, " ")
	switch {
	case strings.Contains(s, "169.254.169.254") && (strings.Contains(s, "ACCEPT") || strings.Contains(s, "accept")):
		return []Change{{FirewallRule, "169.254.169.254", ""}}, true
	case strings.Contains(s, "dport 443") && (strings.Contains(s, "ACCEPT") || strings.Contains(s, "accept")):
		return []Change{{FirewallRule, "443", ""}}, true
	}
	return nil, strings.HasPrefix(s, "-S") || strings.HasPrefix(s, "list") || strings.HasPrefix(s, "-L")
}

// routeChanges are those of the program route of macOS and Windows.
func routeChanges(args []string, _ string, _ []string) ([]Change, bool) {
	w := operands(args)
	if len(w) < 2 {
		return nil, false
	}
	switch w[0] {
	case "delete":
		return []Change{{RouteRemoved, w[1], ""}}, true
	case "add":
		return []Change{{RouteSet, w[1], ""}}, true
	}
	return nil, w[0] == "print" || w[0] == "get"
}

// jqChanges are edits of policies, in a file of the reader.
func jqChanges(args []string, to string, _ []string) ([]Change, bool) {
	if to == "" {
		return nil, true
	}
	s := strings.Join(args, " ")
	if strings.Contains(to, "/") { // of the agent's configuration
		return []Change{{FileEdited, strings.TrimSuffix(to, ".new"), s}}, true
	}
	how := ""
	switch {
	case strings.Contains(s, "ArnNotLike"):
		how = "exempt " + between(s, `$p | "`, `"`) + " " + path.Base(between(s, `:role/`, `"`))
	case strings.Contains(s, `"Effect": "Allow"`):
		how = "allow " + strings.ReplaceAll(strings.ReplaceAll(between(s, `"Action": [`, "]"), `"`, ""), " ", "")
	}
	if key := between(s, ".inputs.", " = "); key != "" {
		return []Change{{PreferenceSet, key, between(s, " = ", " ")}}, true
	}
	if of := operands(args); len(of) > 1 {
		how += " of " + of[1]
	}
	return []Change{{Drafted, to, how}}, how != ""
}

func between(s, from, to string) string {
	_, s, _ = strings.Cut(s, from)
	s, _, _ = strings.Cut(s, to)
	return s
}

// awsChanges are those of the AWS CLI.
func awsChanges(args []string, to string, services []string) ([]Change, bool) {
	if len(args) < 2 {
		return nil, false
	}
	role := option(args, "--role-name")
	one := func(k Kind, on, value string) ([]Change, bool) { return []Change{{k, on, value}}, true }
	for _, verb := range []string{"describe-", "list-", "get-", "simulate-", "lookup-", "search-"} {
		if strings.HasPrefix(args[1], verb) {
			return written("", to)
		}
	}
	service := strings.Join(services, " ")
	switch args[0] + " " + args[1] {
	case "ec2 associate-iam-instance-profile":
		return one(ProfileAttached, option(args, "--instance-id"), strings.TrimPrefix(option(args, "--iam-instance-profile"), "Name="))
	case "ec2 modify-instance-metadata-options":
		var out []Change
		for _, o := range []string{"http-endpoint", "http-tokens", "http-put-response-hop-limit"} {
			if v := option(args, "--"+o); v != "" {
				out = append(out, Change{MetadataOption, o, v})
			}
		}
		return out, len(out) > 0
	case "ec2 stop-instances":
		return one(InstanceMoved, option(args, "--instance-ids"), "")
	case "ec2 wait", "ec2 start-instances":
		return nil, true // with the stop before it
	case "ec2 create-vpc-endpoint":
		var out []Change
		for _, s := range services {
			out = append(out, Change{EndpointCreated, s, ""})
		}
		return out, len(out) > 0
	case "ec2 modify-vpc-endpoint":
		if slices.Contains(args, "--private-dns-enabled") {
			return one(EndpointNamed, service, "")
		}
		return one(PolicyReplaced, "endpoint of "+service, strings.TrimPrefix(option(args, "--policy-document"), "file://"))
	case "ec2 authorize-security-group-ingress":
		return one(GroupOpened, "", "")
	case "ec2 create-security-group":
		return one(GroupCreated, "", "")
	case "ec2 modify-volume":
		return one(VolumeGrown, "", "")
	case "ec2 modify-subnet-attribute":
		return one(SubnetSet, strings.TrimPrefix(args[len(args)-1], "--"), "")
	case "ec2 create-route":
		return one(CloudRoute, option(args, "--destination-ipv6-cidr-block"), "")
	case "ec2-instance-connect send-serial-console-ssh-public-key":
		return one(SerialOpened, "", "")
	case "iam attach-role-policy":
		return one(PolicyAttached, role, option(args, "--policy-arn"))
	case "iam detach-role-policy":
		return one(PolicyDetached, role, option(args, "--policy-arn"))
	case "iam put-role-policy":
		document := option(args, "--policy-document")
		if file, ok := strings.CutPrefix(document, "file://"); ok {
			return one(PolicyReplaced, "role "+role, file)
		}
		actions := between(document, `"Action":`, `,"Resource"`)
		return one(PolicyPut, role, strings.NewReplacer("[", "", "]", "", `"`, "").Replace(actions))
	case "iam delete-role-permissions-boundary":
		return one(BoundaryRemoved, role, "")
	case "iam create-policy-version":
		return one(PolicyReplaced, "boundary", strings.TrimPrefix(option(args, "--policy-document"), "file://"))
	case "organizations update-policy":
		return one(PolicyReplaced, "scp "+option(args, "--policy-id"), strings.TrimPrefix(option(args, "--content"), "file://"))
	case "iam update-assume-role-policy":
		return one(TrustSet, role, between(option(args, "--policy-document"), `"Service":"`, `"`))
	case "iam create-role":
		return one(RoleCreated, role, between(option(args, "--assume-role-policy-document"), `"Service":"`, `"`))
	case "iam tag-role":
		return one(RoleTagged, role, "")
	case "ssm update-service-setting":
		return one(ManagementOn, "", option(args, "--setting-value"))
	case "ssm create-activation":
		return one(ActivationCreated, "", "")
	case "ssm deregister-managed-instance":
		return one(NodeDeregistered, option(args, "--instance-id"), "")
	case "ssm update-managed-instance-role":
		return one(NodeRoleSet, option(args, "--instance-id"), option(args, "--iam-role"))
	case "ssm create-association":
		return one(AssociationMade, "", "")
	case "ssm update-document":
		return nil, true // with the draft that is put in force
	case "ssm start-session":
		return one(SessionTried, "", "")
	case "ssm send-command":
		return one(CommandTried, "", "")
	case "ecs update-service":
		how := ""
		if slices.Contains(args, "--enable-execute-command") {
			how = "execute-command"
		}
		return one(TaskStarted, "", how)
	case "s3api put-bucket-encryption":
		return one(BucketEncrypted, option(args, "--bucket"), "")
	case "logs associate-kms-key":
		return one(LogsEncrypted, "", "")
	}
	return nil, false
}
