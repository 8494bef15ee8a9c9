package causes

import (
	"path"
	"slices"
	"strings"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/pattern"
)

// What programs of the host change: packages, services, files, limits.

// packageChanges are those of package managers.
func packageChanges(args []string, _ string, _ []string) ([]Change, bool) {
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
	k := map[string]Kind{"restart": ServiceRestarted, "start": ServiceStarted, "stop": ServiceStopped, "enable": ServiceEnabled, "unmask": ServiceEnabled, "add-wants": ServiceEnabled, "thaw": ProcessResumed, "edit": UnitSet}[ops[0]]
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
	case k == ProcessResumed:
		return []Change{{k, facts.HeldByFreezer, ""}}, true
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
	case slices.Contains(args, "-version"):
		return nil, true
	}
	return nil, false
}

// flagChanges are those of chattr with one flag that is taken away.
func flagChanges(args []string, _ string, _ []string) ([]Change, bool) {
	var out []Change
	for _, a := range args {
		if strings.HasPrefix(a, "/") || strings.HasPrefix(a, "{") {
			out = append(out, Change{FlagCleared, a, ""})
		}
	}
	return out, len(out) > 0
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

func removeChanges(args []string, to string, services []string) ([]Change, bool) {
	if slices.ContainsFunc(args, func(a string) bool {
		return path.Base(a) == "your-ca.pem" || strings.HasSuffix(a, ".json.new") || path.Base(a) == a && strings.HasSuffix(a, ".json")
	}) {
		return nil, true // one that came to nothing, beside its writing
	}
	return onOperand(FileRemoved, 0, -1)(args, to, services)
}

func copyChanges(args []string, _ string, _ []string) ([]Change, bool) {
	ops := operands(args)
	if len(ops) < 2 {
		return nil, false
	}
	if path.Base(ops[0]) == "your-ca.pem" || strings.HasSuffix(ops[1], ".bak") || strings.HasSuffix(ops[0], ".template") {
		return nil, true // with what is done beside it
	}
	return []Change{{FileWritten, ops[1], ""}}, true
}

func sedChanges(args []string, to string, services []string) ([]Change, bool) {
	if to != "" { // what comes from the command before it
		return sedWrites(operands(args), to)
	}
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

// sedWrites are edits of a text that go into another file.
func sedWrites(ops []string, to string) ([]Change, bool) {
	program := strings.Join(ops, " ")
	switch {
	case strings.Contains(to, "/"):
		return []Change{{FileEdited, strings.TrimSuffix(to, ".new"), program}}, true
	case to == "preferences.json":
		return []Change{{PreferenceSet, between(program, `("`, `"`), strings.Trim(between(program, `)#\1`, "#"), `"`)}}, true
	case strings.Contains(program, `"Effect": "Allow"`):
		return []Change{{Drafted, to, allowing(program) + " of " + ops[len(ops)-1]}}, true
	}
	return nil, false
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
