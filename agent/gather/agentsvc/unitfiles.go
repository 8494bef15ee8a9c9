package agentsvc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

// describe adds what the files of a host say of a unit that systemd does not.
func describe(fsys gather.FileSystem, u *facts.Unit) {
	u.DanglingLink = danglingWants(fsys, u.Name)
	if u.Load == "not-found" {
		return
	}
	u.Overrides = overrides(fsys, u.Name)
	if u.Exec != "" {
		u.Program = ProgramOf(fsys, u.Exec)
	}
	u.OOMKills = oomKills(fsys, u.Name)
}

// oomKills reads how often the kernel killed a process in the control group of a unit.
// Source: the kernel's admin-guide, cgroup-v2 "memory.events" and cgroup-v1 "memory.oom_control".
func oomKills(fsys gather.FileSystem, unit string) facts.Seen[int] {
	for _, name := range []string{"sys/fs/cgroup/system.slice/" + unit + "/memory.events", "sys/fs/cgroup/memory/system.slice/" + unit + "/memory.oom_control"} {
		b, err := gather.ReadFile(fsys, name, gather.MaxSmall)
		if gather.Missing(err) {
			continue
		}
		if err != nil {
			return gather.Unknown[int](err, gather.FileURL(name))
		}
		if n, ok := parseOOMKills(b); ok {
			return facts.Known(n, gather.FileURL(name))
		}
		return facts.Unknown[int]("no line oom_kill", gather.FileURL(name))
	}
	return facts.Absent[int]("the unit has no control group now", "file:/sys/fs/cgroup")
}

// parseOOMKills reads "oom_kill 3".
func parseOOMKills(b []byte) (n int, ok bool) {
	gather.Lines(b, func(l []byte) bool {
		if v, is := strings.CutPrefix(string(l), "oom_kill "); is {
			x, err := strconv.Atoi(strings.TrimSpace(v))
			n, ok = max(x, 0), err == nil
		}
		return !ok
	})
	return n, ok
}

// overridden are the settings of drop-ins that can keep a service from running. What
// they are set to holds no secret.
var overridden = []string{
	"User", "Group", "DynamicUser", "ExecStart", "ExecStartPre", "ExecCondition", "WorkingDirectory", "RootDirectory", "Type", "Restart", "RestartPreventExitStatus",
	"MemoryMax", "MemoryLimit", "MemoryHigh", "LimitAS", "LimitCPU", "LimitFSIZE", "LimitNOFILE", "TasksMax", "OOMPolicy", "OOMScoreAdjust", "TimeoutStartSec", "WatchdogSec", "RuntimeMaxSec",
	"ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateNetwork", "NoNewPrivileges", "ReadOnlyPaths", "ReadWritePaths", "InaccessiblePaths", "NoExecPaths", "BindPaths",
	"SystemCallFilter", "CapabilityBoundingSet", "RestrictAddressFamilies", "IPAddressAllow", "IPAddressDeny", "AppArmorProfile", "SELinuxContext", "StandardOutput", "StandardError", "Slice",
	"StateDirectory", "LogsDirectory", "RuntimeDirectory", "PAMName", "LoadCredential", "CPUAffinity",
	"Requires", "Requisite", "BindsTo", "PartOf", "Conflicts", "RequiresMountsFor", "EnvironmentFile", "LimitNPROC", "StartLimitIntervalSec", "StartLimitBurst",
}

// overrides are the settings of a unit's drop-ins that can keep it from running, at
// most 50. Of commands only the program is kept: an argument may be a secret.
func overrides(fsys gather.FileSystem, unit string) []facts.Override {
	var out []facts.Override
	for _, f := range dropIns(fsys, unit) {
		b, err := gather.ReadFile(fsys, f, gather.MaxSmall)
		if err != nil {
			continue
		}
		for _, kv := range append(unitValues(b, "Unit"), unitValues(b, "Service")...) {
			known := slices.Contains(overridden, kv[0]) || strings.HasPrefix(kv[0], "Condition") || strings.HasPrefix(kv[0], "Assert")
			if !known || len(out) >= 50 {
				continue
			}
			v := kv[1]
			if strings.HasPrefix(kv[0], "Exec") || kv[0] == "LoadCredential" {
				v, _, _ = strings.Cut(v, " ")
			}
			out = append(out, facts.Override{Key: kv[0], Value: gather.OneLine(v, 200), File: "/" + gather.OneLine(f, 300), Single: singleLine(b, kv[0])})
		}
	}
	return out
}

// singleLine reports whether one line of a file of a unit sets a key, and is not continued.
func singleLine(b []byte, key string) bool {
	lines, continued := 0, false
	gather.Lines(b, func(l []byte) bool {
		if k, v, ok := strings.Cut(string(l), "="); ok && strings.TrimSpace(k) == key {
			lines++
			continued = continued || strings.HasSuffix(strings.TrimSpace(v), `\`)
		}
		return true
	})
	return lines == 1 && !continued
}

// programHead is how much of a program is read: the header of an ELF file and, in
// every program that a linker makes, the name of its loader.
const programHead = 4 << 10

// ProgramOf looks at an executable file.
func ProgramOf(fsys gather.FileSystem, exec string) facts.Seen[facts.Program] {
	name := gather.Clean(exec)
	from := gather.FileURL(name)
	fi, err := fsys.Stat(name)
	if err != nil {
		return gather.Unseen[facts.Program](err, name)
	}
	p := facts.Program{Size: max(fi.Size(), 0), Runnable: fi.Mode().IsRegular() && fi.Mode()&0o111 != 0, Format: "other"}
	if !fi.Mode().IsRegular() {
		return facts.Known(p, from)
	}
	f, err := fsys.Open(name)
	if err != nil {
		if gather.Missing(err) {
			return gather.Unseen[facts.Program](err, name)
		}
		p.Format = "" // not to be read by this user; that it is there is known
		return facts.Known(p, from)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, programHead))
	if err != nil && !errors.Is(err, io.EOF) {
		p.Format = ""
		return facts.Known(p, from)
	}
	loader := ""
	p.Format, p.Arch, loader = parseProgram(b)
	if loader != "" {
		if _, err := fsys.Stat(gather.Clean(loader)); gather.Missing(err) {
			p.Loader = gather.OneLine(loader, 200)
		}
	}
	return facts.Known(p, from)
}

// isMacho reports whether a file begins as programs of macOS do, for one processor or several.
// Source: mach-o/loader.h and mach-o/fat.h.
func isMacho(b []byte) bool {
	return bytes.HasPrefix(b, []byte("\xcf\xfa\xed\xfe")) || bytes.HasPrefix(b, []byte("\xca\xfe\xba\xbe"))
}

// machines are Go's names of the processors of ELF files.
// Source: elf.h, e_machine.
var machines = map[uint16]string{3: "386", 20: "ppc", 21: "ppc64", 22: "s390x", 40: "arm", 62: "amd64", 183: "arm64", 243: "riscv64"}

// parseProgram reads the beginning of an executable: its format, what processor it is
// for, and the program that loads it, from PT_INTERP or after "#!".
func parseProgram(b []byte) (format, arch, loader string) {
	switch {
	case len(b) == 0:
		return "empty", "", ""
	case bytes.HasPrefix(b, []byte("#!")):
		line, _, _ := bytes.Cut(b[2:], []byte("\n"))
		if w := strings.Fields(string(line)); len(w) > 0 && path.IsAbs(w[0]) {
			loader = w[0]
		}
		return "script", "", loader
	case bytes.HasPrefix(b, []byte("MZ")):
		format, arch = formatPE(b)
		return format, arch, ""
	case isMacho(b): // one for Intel runs on Apple silicon too, where Rosetta is installed
		return "macho", "", ""
	case !bytes.HasPrefix(b, []byte("\x7fELF")):
		return "other", "", ""
	case len(b) < 64:
		return "elf", "", ""
	}
	var order binary.ByteOrder = binary.LittleEndian
	if b[5] == 2 {
		order = binary.BigEndian
	}
	arch = machines[order.Uint16(b[18:])]
	var at, entry, count uint64
	wide := b[4] == 2
	if wide {
		at, entry, count = order.Uint64(b[32:]), uint64(order.Uint16(b[54:])), uint64(order.Uint16(b[56:]))
	} else {
		at, entry, count = uint64(order.Uint32(b[28:])), uint64(order.Uint16(b[42:])), uint64(order.Uint16(b[44:]))
	}
	size := uint64(len(b))
	for i := uint64(0); i < count && entry >= 32 && at < size && at+entry <= size; i, at = i+1, at+entry {
		h := b[at : at+entry]
		const interpreter = 3
		if order.Uint32(h) != interpreter {
			continue
		}
		var from, n uint64
		if wide && entry >= 56 {
			from, n = order.Uint64(h[8:]), order.Uint64(h[32:])
		} else if !wide {
			from, n = uint64(order.Uint32(h[4:])), uint64(order.Uint32(h[16:]))
		}
		if from < size && n < 300 && from+n <= size {
			loader, _, _ = strings.Cut(string(b[from:from+n]), "\x00")
		}
		break
	}
	if !path.IsAbs(loader) {
		loader = ""
	}
	return "elf", arch, loader
}
