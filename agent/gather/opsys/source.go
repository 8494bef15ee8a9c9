// Package opsys looks at the machine and its operating system.
package opsys

import (
	"context"
	"slices"
	"strings"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/firewall"
	"ssm-doctor/agent/gather/hostfile"
	"ssm-doctor/agent/gather/netconfig"
	"ssm-doctor/agent/gather/routing"
	"ssm-doctor/checks/facts"
)

// Source looks at the machine and its operating system.
type Source struct{}

func (Source) Name() string { return "host" }

func (Source) Reset(f *facts.Facts) { f.Host = facts.Host{} }

func (Source) Gather(ctx context.Context, run *gather.Run, f *facts.Facts) error {
	env := run.Env
	h := &f.Host
	h.GOOS, h.Arch = env.GOOS, env.GOARCH
	h.Privileged = env.Privileged
	switch env.GOOS {
	case "darwin":
		h.Distro = macDistro(env.FS)
	case "windows": // see windowsHost: what any user may create on its drive decides nothing
		h.Distro = gather.NotAskable[facts.Distro](gather.NotLive, "")
	default:
		h.Distro = distro(env.FS)
	}
	h.Installers = installers(env)
	h.Hostname = hostname(env)
	gatherDMI(env, &h.DMI)
	h.Container = container(env)
	h.UTCOffset = utcOffset(env)

	k := gather.Kernel{Synced: gather.NotAskable[bool](gather.NotLive, ""), ImageState: gather.NotAskable[string](gather.NotLive, ""),
		Interfaces: gather.NotAskable[[]facts.Interface](gather.NotLive, ""), Links: gather.NotAskable[[]facts.Link](gather.NotLive, ""), Rules: gather.NotAskable[[]facts.RoutingRule](gather.NotLive, ""),
		WindowsRoutes: gather.NotAskable[[]string](gather.NotLive, "")}
	if env.Kernel != nil {
		k = env.Kernel()
	}
	if h.Hostname.State != facts.IsKnown && k.Hostname != "" {
		h.Hostname = facts.Known(gather.OneLine(k.Hostname, 255), "hostname")
	}
	h.NTPSynchronized, h.ImageState, h.Interfaces = k.Synced, k.ImageState, k.Interfaces
	h.Links, h.Rules = k.Links, k.Rules
	switch {
	case env.GOOS == "windows" && env.Windows != nil:
		windowsHost(env, h)
	case env.GOOS == "windows":
		h.Resolver = gather.NotAskable[facts.Resolver](gather.NotLive, "")
		h.DefaultIPv4, h.DefaultIPv6, h.Defaults = gather.NotAskable[bool](gather.NotLive, ""), gather.NotAskable[bool](gather.NotLive, ""), gather.NotAskable[[]facts.Route](gather.NotLive, "")
	default:
		h.Resolver, h.NameSources = resolver(env.FS), nameSources(env)
		if env.GOOS == "darwin" && env.Live && env.Exec != nil {
			h.Resolver, h.NTPSynchronized = macResolver(ctx, env, h.Resolver), macClock(ctx, env)
		}
		if env.GOOS == "darwin" {
			macDefaults(ctx, env, h)
		} else {
			h.DefaultIPv4, h.DefaultIPv6, h.Defaults = routing.Defaults(env)
		}
	}
	if env.GOOS == "windows" && env.Windows == nil {
		h.LaunchAgents, h.WMI = gather.NotAskable[[]facts.LaunchAgent](gather.NotLive, ""), gather.NotAskable[facts.Service](gather.NotLive, "")
	}
	h.IMDSRoute = routing.To(ctx, env, gather.IMDSIP, 80)
	h.Paths = paths(ctx, env, h.Resolver)
	h.NetworkTools, h.TimeServices = networkTools(env), timeServices(env)
	if r, ok := h.IMDSRoute.Get(); ok {
		h.IMDSRoute.Value.OnLink = onLink(r.Gateway, h.Interfaces.Value)
	}
	h.BootTime = gather.NotAskable[time.Time](gather.NotLive, "")
	if env.Live {
		if t := linuxBoot(env); !t.IsZero() {
			h.BootTime = facts.Known(t, "file:/proc/stat")
		} else if !k.Boot.IsZero() {
			h.BootTime = facts.Known(k.Boot.UTC(), "")
		}
	}
	switch env.GOOS {
	case "windows":
		h.PersistentRoutes = firewall.WindowsRoutes(k.WindowsRoutes)
	case "darwin":
		h.PersistentRoutes = gather.NotAskable[[]facts.Route]("the settings of macOS are not read", "")
	default:
		h.PersistentRoutes = firewall.PersistentRoutes(env.FS)
	}
	for i, r := range h.PersistentRoutes.Value {
		h.PersistentRoutes.Value[i].OnLink = onLink(r.Gateway, h.Interfaces.Value)
	}
	h.NetworkSetup = netconfig.Read(env)
	h.FileSystems = facts.Known(fileSystems(env), "")
	h.Flagged = flagged(env)
	h.SELinux = selinux(env)
	h.FApolicyd = fapolicyd(env)
	h.Firewall = firewall.List(ctx, env)
	h.Inotify = inotify(ctx, env)
	return nil
}

// linuxBoot is when Linux booted; zero on other systems.
func linuxBoot(env *gather.Env) time.Time {
	if env.GOOS != "linux" {
		return time.Time{}
	}
	return hostfile.BootTime(env.FS)
}

// parseOSRelease reads os-release.
func parseOSRelease(b []byte) facts.Distro {
	var d facts.Distro
	for _, kv := range hostfile.ShellAssignments(b) {
		switch kv[0] {
		case "ID":
			d.ID = gather.OneLine(kv[1], 50)
		case "VERSION_ID":
			d.Version = gather.OneLine(kv[1], 30)
		case "PRETTY_NAME":
			d.Name = gather.OneLine(kv[1], 100)
		case "ID_LIKE":
			d.Like = gather.OneLine(kv[1], 200)
		}
	}
	return d
}

func distro(fsys gather.FileSystem) facts.Seen[facts.Distro] {
	var last facts.Seen[facts.Distro]
	for _, name := range []string{"etc/os-release", "usr/lib/os-release"} {
		b, err := gather.ReadFile(fsys, name, gather.MaxSmall)
		if err == nil {
			return facts.Known(parseOSRelease(b), gather.FileURL(name))
		}
		if last.State != facts.IsUnknown {
			last = gather.Unseen[facts.Distro](err, name)
		}
	}
	return last
}

// installerPlaces are where programs that install packages lie.
var installerPlaces = []struct {
	name   string
	places []string
}{
	{"snap", []string{"usr/bin/snap"}},
	{"apt-get", []string{"usr/bin/apt-get"}},
	{"dpkg", []string{"usr/bin/dpkg"}},
	{"dnf", []string{"usr/bin/dnf"}},
	{"yum", []string{"usr/bin/yum", "bin/yum"}},
	{"zypper", []string{"usr/bin/zypper"}},
	{"rpm", []string{"usr/bin/rpm", "bin/rpm"}},
	{"apk", []string{"sbin/apk", "usr/sbin/apk", "usr/bin/apk"}},
}

// installers are the programs with which a Linux host can install a package.
func installers(env *gather.Env) facts.Seen[[]string] {
	const from = "file:/usr/bin"
	if env.GOOS != "linux" {
		return gather.NotAskable[[]string]("only Linux has a choice of them", from)
	}
	if _, err := env.FS.Stat("usr/bin"); err != nil {
		return gather.Unknown[[]string](err, from)
	}
	out := []string{}
	for _, i := range installerPlaces {
		if slices.ContainsFunc(i.places, func(p string) bool { return gather.Exists(env.FS, p) }) {
			out = append(out, i.name)
		}
	}
	return facts.Known(out, from)
}

func hostname(env *gather.Env) facts.Seen[string] {
	names := []string{"etc/hostname"}
	if env.GOOS == "windows" {
		return gather.NotAskable[string](gather.NotLive, "")
	}
	if env.Live && env.GOOS != "darwin" {
		names = []string{"proc/sys/kernel/hostname", "etc/hostname"}
	}
	var last facts.Seen[string]
	for _, name := range names {
		s, err := gather.ReadText(env.FS, name)
		if err == nil && s != "" {
			return facts.Known(gather.OneLine(s, 255), gather.FileURL(name))
		}
		if err != nil && last.State != facts.IsUnknown {
			last = gather.Unseen[string](err, name)
		}
	}
	return last
}

func gatherDMI(env *gather.Env, d *facts.DMI) {
	if env.GOOS == "windows" {
		d.Vendor, d.AssetTag, d.EC2UUID = gather.NotAskable[string](gather.NotLive, ""), gather.NotAskable[string](gather.NotLive, ""), gather.NotAskable[bool](gather.NotLive, "")
		return
	}
	if env.GOOS == "darwin" {
		macFirmware(env, d)
		return
	}
	const dir = "sys/class/dmi/id/"
	read := func(name string) facts.Seen[string] {
		if !env.Live && !gather.Exists(env.FS, dir+name) {
			return gather.NotAskable[string](gather.NotLive, gather.FileURL(dir+name))
		}
		s, err := gather.ReadText(env.FS, dir+name)
		if err != nil {
			return gather.Unseen[string](err, dir+name)
		}
		return facts.Known(gather.OneLine(s, 100), gather.FileURL(dir+name))
	}
	d.Vendor, d.AssetTag = read("sys_vendor"), read("board_asset_tag")
	d.Product, d.Chassis = read("product_name"), read("chassis_asset_tag")
	uuid := read("product_uuid")
	if !uuid.Known() {
		// Xen instances have it here, readable by all.
		if s, err := gather.ReadText(env.FS, "sys/hypervisor/uuid"); err == nil && env.Live {
			uuid = facts.Known(s, "file:/sys/hypervisor/uuid")
		}
	}
	if s, ok := uuid.Get(); ok {
		d.EC2UUID = facts.Known(EC2UUID(s), uuid.From)
	} else {
		d.EC2UUID = gather.Likewise[bool](uuid)
	}
}

// EC2UUID reports whether a product UUID is that of an EC2 instance: it begins
// with ec2, or with the same bytes in little-endian order.
func EC2UUID(s string) bool {
	s = strings.ToLower(strings.TrimSpace(s))
	return strings.HasPrefix(s, "ec2") || len(s) >= 8 && s[6:8] == "ec" && s[4] == '2'
}

func container(env *gather.Env) facts.Seen[facts.Container] {
	if !env.Live {
		return gather.NotAskable[facts.Container](gather.NotLive, "")
	}
	if env.GOOS == "windows" {
		return windowsContainer(env.Windows)
	}
	if env.GOOS == "darwin" {
		return facts.Absent[facts.Container]("macOS has none", "")
	}
	known := func(runtime, name string) facts.Seen[facts.Container] {
		return facts.Known(facts.Container{Runtime: runtime, Evidence: "/" + name}, gather.FileURL(name))
	}
	for _, m := range [][2]string{{".dockerenv", "docker"}, {"run/.containerenv", "podman"}, {"var/run/secrets/kubernetes.io", "kubernetes"}} {
		if gather.Exists(env.FS, m[0]) {
			return known(m[1], m[0])
		}
	}
	if s, err := gather.ReadText(env.FS, "run/systemd/container"); err == nil && s != "" {
		return known(gather.OneLine(s, 50), "run/systemd/container")
	}
	if b, err := gather.ReadFile(env.FS, "proc/1/environ", gather.MaxSmall); err == nil {
		if v := hostfile.ParseEnviron(b)["container"]; v != "" {
			return known(gather.OneLine(v, 50), "proc/1/environ")
		}
	}
	for _, name := range []string{"proc/self/cgroup", "proc/1/cgroup"} {
		s, err := gather.ReadText(env.FS, name)
		if err != nil {
			continue
		}
		for _, m := range [][2]string{{"kubepods", "kubernetes"}, {"/docker/", "docker"}, {"/ecs/", "docker"}, {"libpod", "podman"}, {"/lxc/", "lxc"}, {"cri-containerd", "containerd"}} {
			if strings.Contains(s, m[0]) {
				return known(m[1], name)
			}
		}
	}
	return facts.Absent[facts.Container]("no mark of a container", "")
}

func utcOffset(env *gather.Env) facts.Seen[int] {
	const from = "file:/etc/localtime"
	zone, err := gather.HostZone(env)
	if err != nil {
		return gather.Unknown[int](err, from)
	}
	_, off := env.Now().In(zone).Zone()
	return facts.Known(off, from)
}
