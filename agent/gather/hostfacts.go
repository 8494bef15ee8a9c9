package gather

import (
	"context"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"ssm-doctor/checks/facts"
)

// hostSource looks at the machine and its operating system.
type hostSource struct{}

func (hostSource) Name() string { return "host" }

func (hostSource) Reset(f *facts.Facts) { f.Host = facts.Host{} }

func (hostSource) Gather(ctx context.Context, run *Run, f *facts.Facts) error {
	env := run.Env
	h := &f.Host
	h.GOOS, h.Arch = env.GOOS, env.GOARCH
	h.Privileged = privileged(env)
	h.Distro = distro(env.FS)
	if env.GOOS == "darwin" {
		h.Distro = macDistro(env.FS)
	}
	h.Hostname = hostname(env)
	gatherDMI(env, &h.DMI)
	h.Container = container(env)
	gatherZone(env, h)

	k := Kernel{Synced: facts.Unknown[bool](notLive, ""), ImageState: facts.Unknown[string](notLive, ""),
		Interfaces: facts.Unknown[[]facts.Interface](notLive, ""), IMDSRoute: facts.Unknown[facts.Route](notLive, ""), WindowsRoutes: facts.Unknown[[]string](notLive, "")}
	if env.Kernel != nil {
		k = env.Kernel()
	}
	if h.Hostname.State != facts.IsKnown && k.Hostname != "" {
		h.Hostname = facts.Known(oneLine(k.Hostname, 255), "hostname")
	}
	h.Kernel = facts.Unknown[string](notLive, "")
	if k.Release != "" {
		h.Kernel = facts.Known(oneLine(k.Release, 100), "uname")
	}
	h.NTPSynchronized, h.ImageState, h.Interfaces = k.Synced, k.ImageState, k.Interfaces
	h.IMDSRoute = k.IMDSRoute
	h.Resolver = resolver(env.FS)
	h.DefaultIPv4, h.DefaultIPv6 = defaultRoutes(env)
	switch {
	case env.GOOS == "windows" && env.Windows != nil:
		windowsHost(env.Windows, h)
	case env.GOOS == "darwin":
		macRoutes(ctx, env, h)
	}
	if r, ok := h.IMDSRoute.Get(); ok {
		h.IMDSRoute.Value.OnLink = onLink(r.Gateway, h.Interfaces.Value)
	}
	h.BootTime = facts.Unknown[time.Time](notLive, "")
	if env.Live {
		if t := bootTime(env.FS); !t.IsZero() {
			h.BootTime = facts.Known(t, "file:/proc/stat")
		} else if !k.Boot.IsZero() {
			h.BootTime = facts.Known(k.Boot.UTC(), "")
		}
	}
	h.PersistentRoutes = persistentRoutes(env.FS)
	if env.GOOS == "windows" {
		h.PersistentRoutes = windowsRoutes(k.WindowsRoutes)
	}
	for i, r := range h.PersistentRoutes.Value {
		h.PersistentRoutes.Value[i].OnLink = onLink(r.Gateway, h.Interfaces.Value)
	}
	h.FileSystems = fileSystems(env)
	h.SELinux = selinux(env)
	h.FApolicyd = fapolicyd(env)
	h.Firewall = firewall(ctx, env)
	h.Inotify = inotify(ctx, env)
	return nil
}

func privileged(env *Env) facts.Seen[bool] {
	if env.UID < 0 {
		return facts.Unknown[bool]("no user id on this operating system", "")
	}
	return facts.Known(env.UID == 0, "effective user id")
}

// parseOSRelease reads os-release.
func parseOSRelease(b []byte) facts.Distro {
	var d facts.Distro
	for _, kv := range shellAssignments(b) {
		switch kv[0] {
		case "ID":
			d.ID = oneLine(kv[1], 50)
		case "VERSION_ID":
			d.Version = oneLine(kv[1], 50)
		case "PRETTY_NAME":
			d.Name = oneLine(kv[1], 100)
		}
	}
	return d
}

func distro(fsys FileSystem) facts.Seen[facts.Distro] {
	var last facts.Seen[facts.Distro]
	for _, name := range []string{"etc/os-release", "usr/lib/os-release"} {
		b, err := readFile(fsys, name, maxSmall)
		if err == nil {
			return facts.Known(parseOSRelease(b), fileURL(name))
		}
		if last.State != facts.IsUnknown {
			last = unseen[facts.Distro](err, name)
		}
	}
	return last
}

func hostname(env *Env) facts.Seen[string] {
	names := []string{"etc/hostname"}
	if env.Live {
		names = []string{"proc/sys/kernel/hostname", "etc/hostname"}
	}
	var last facts.Seen[string]
	for _, name := range names {
		s, err := readText(env.FS, name)
		if err == nil && s != "" {
			return facts.Known(oneLine(s, 255), fileURL(name))
		}
		if err != nil && last.State != facts.IsUnknown {
			last = unseen[string](err, name)
		}
	}
	return last
}

func gatherDMI(env *Env, d *facts.DMI) {
	const dir = "sys/class/dmi/id/"
	read := func(name string) facts.Seen[string] {
		if !env.Live && !exists(env.FS, dir+name) {
			return facts.Unknown[string](notLive, fileURL(dir+name))
		}
		s, err := readText(env.FS, dir+name)
		if err != nil {
			return unseen[string](err, dir+name)
		}
		return facts.Known(oneLine(s, 100), fileURL(dir+name))
	}
	d.Vendor, d.Product, d.AssetTag = read("sys_vendor"), read("product_name"), read("board_asset_tag")
	uuid := read("product_uuid")
	if !uuid.Known() {
		// Xen instances have it here, readable by all.
		if s, err := readText(env.FS, "sys/hypervisor/uuid"); err == nil && env.Live {
			uuid = facts.Known(s, "file:/sys/hypervisor/uuid")
		}
	}
	if s, ok := uuid.Get(); ok {
		d.EC2UUID = facts.Known(ec2UUID(s), uuid.From)
	} else {
		d.EC2UUID = facts.Seen[bool]{State: uuid.State, Why: uuid.Why, From: uuid.From}
	}
}

// ec2UUID reports whether a product UUID is that of an EC2 instance: it begins
// with ec2, or with the same bytes in little-endian order.
func ec2UUID(s string) bool {
	s = strings.ToLower(strings.TrimSpace(s))
	return strings.HasPrefix(s, "ec2") || len(s) >= 8 && s[6:8] == "ec" && s[4] == '2'
}

func container(env *Env) facts.Seen[facts.Container] {
	if !env.Live {
		return facts.Unknown[facts.Container](notLive, "")
	}
	known := func(runtime, name string) facts.Seen[facts.Container] {
		return facts.Known(facts.Container{Runtime: runtime, Evidence: "/" + name}, fileURL(name))
	}
	for _, m := range [][2]string{{".dockerenv", "docker"}, {"run/.containerenv", "podman"}, {"var/run/secrets/kubernetes.io", "kubernetes"}} {
		if exists(env.FS, m[0]) {
			return known(m[1], m[0])
		}
	}
	if s, err := readText(env.FS, "run/systemd/container"); err == nil && s != "" {
		return known(oneLine(s, 50), "run/systemd/container")
	}
	if b, err := readFile(env.FS, "proc/1/environ", maxSmall); err == nil {
		if v := parseEnviron(b)["container"]; v != "" {
			return known(oneLine(v, 50), "proc/1/environ")
		}
	}
	for _, name := range []string{"proc/self/cgroup", "proc/1/cgroup"} {
		s, err := readText(env.FS, name)
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

// hostZone is the time zone of the examined system; UTC where it has none.
func hostZone(env *Env) (zone *time.Location, name string, err error) {
	if env.GOOS == "windows" {
		return time.Local, "", nil
	}
	const file = "etc/localtime"
	if l, lerr := env.FS.Readlink(file); lerr == nil {
		if _, z, ok := strings.Cut(l, "zoneinfo/"); ok {
			name = oneLine(z, 100)
		}
	}
	b, err := readFile(env.FS, file, maxSmall)
	if err != nil {
		if missing(err) {
			return time.UTC, "UTC", nil
		}
		return time.UTC, name, err
	}
	if name == "" {
		if s, err := readText(env.FS, "etc/timezone"); err == nil {
			name = oneLine(s, 100)
		}
	}
	zone, err = time.LoadLocationFromTZData(name, b)
	if err != nil {
		return time.UTC, name, err
	}
	return zone, name, nil
}

func gatherZone(env *Env, h *facts.Host) {
	zone, name, err := hostZone(env)
	const from = "file:/etc/localtime"
	if err != nil {
		h.TimeZone, h.UTCOffset = facts.Unknown[string](why(err), from), facts.Unknown[int](why(err), from)
		return
	}
	h.TimeZone = facts.Known(name, from)
	if name == "" {
		h.TimeZone = facts.Unknown[string]("the zone has no name", from)
	}
	_, off := env.Now().In(zone).Zone()
	h.UTCOffset = facts.Known(off, from)
}

// parseResolv reads resolv.conf.
func parseResolv(b []byte) facts.Resolver {
	r := facts.Resolver{Servers: []string{}, Search: []string{}, Options: []string{}}
	lines(b, func(l []byte) bool {
		f := strings.Fields(string(l))
		if len(f) < 2 || f[0][0] == '#' || f[0][0] == ';' {
			return true
		}
		switch f[0] {
		case "nameserver":
			if len(r.Servers) < 10 {
				r.Servers = append(r.Servers, oneLine(f[1], 100))
			}
		case "search", "domain":
			r.Search = r.Search[:0]
			for _, d := range f[1:min(len(f), 11)] {
				r.Search = append(r.Search, oneLine(d, 255))
			}
		case "options":
			for _, o := range f[1:min(len(f), 11)] {
				r.Options = append(r.Options, oneLine(o, 50))
			}
		}
		return len(r.Options) < 50
	})
	return r
}

func resolver(fsys FileSystem) facts.Seen[facts.Resolver] {
	const name = "etc/resolv.conf"
	b, err := readFile(fsys, name, maxSmall)
	if err != nil {
		return unseen[facts.Resolver](err, name)
	}
	return facts.Known(parseResolv(b), fileURL(name))
}

// Flags of /proc/net/route and ipv6_route.
const (
	routeUp     = 0x1
	routeReject = 0x200
)

// parseRoutes4 reports whether /proc/net/route has a usable default route.
func parseRoutes4(b []byte) bool {
	found := false
	lines(b, func(l []byte) bool {
		f := strings.Fields(string(l))
		if len(f) < 8 || f[1] != "00000000" || f[7] != "00000000" {
			return true
		}
		flags, err := strconv.ParseUint(f[3], 16, 32)
		found = found || err == nil && flags&routeUp != 0 && flags&routeReject == 0
		return !found
	})
	return found
}

// parseRoutes6 is the same for /proc/net/ipv6_route.
func parseRoutes6(b []byte) bool {
	found := false
	lines(b, func(l []byte) bool {
		f := strings.Fields(string(l))
		if len(f) < 10 || strings.Trim(f[0], "0") != "" || f[1] != "00" || f[9] == "lo" {
			return true
		}
		flags, err := strconv.ParseUint(f[8], 16, 32)
		found = found || err == nil && flags&routeUp != 0 && flags&routeReject == 0
		return !found
	})
	return found
}

func defaultRoutes(env *Env) (v4, v6 facts.Seen[bool]) {
	if !env.Live {
		return facts.Unknown[bool](notLive, ""), facts.Unknown[bool](notLive, "")
	}
	ask := func(name string, parse func([]byte) bool) facts.Seen[bool] {
		b, err := readFile(env.FS, name, 8<<20)
		if err != nil {
			return facts.Unknown[bool](why(err), fileURL(name))
		}
		return facts.Known(parse(b), fileURL(name))
	}
	v4, v6 = ask("proc/net/route", parseRoutes4), ask("proc/net/ipv6_route", parseRoutes6)
	if v6.Unknown() && v4.Known() && !exists(env.FS, "proc/net/ipv6_route") {
		v6 = facts.Known(false, "file:/proc/net") // no IPv6 in this kernel
	}
	return v4, v6
}

// onLink reports whether a gateway lies in a network of one of the interfaces.
func onLink(gateway string, ifs []facts.Interface) bool {
	if gateway == "" {
		return true
	}
	g, err := netip.ParseAddr(gateway)
	if err != nil {
		return false
	}
	for _, i := range ifs {
		for _, a := range i.Addresses {
			if p, err := netip.ParsePrefix(a); err == nil && p.Contains(g) {
				return true
			}
		}
	}
	return false
}

// agentPlaces are directories whose file system matters to the agent.
var agentPlaces = []string{"/", "/var/lib/amazon/ssm", "/var/log/amazon/ssm", "/etc/amazon/ssm", "/usr/bin", "/snap/amazon-ssm-agent", "/tmp"}

// placesOf are those of the examined system.
func placesOf(env *Env) []string {
	if env.GOOS == "linux" {
		return agentPlaces
	}
	d := agentDirs(env)
	return []string{"/", "/" + d.data, "/" + d.log, "/" + path.Dir(d.config)}
}

// mount is a line of mountinfo.
type mount struct {
	point, kind  string
	opts, supers []string
}

// parseMountInfo reads /proc/self/mountinfo, later mounts over earlier ones.
func parseMountInfo(b []byte) []mount {
	var out []mount
	lines(b, func(l []byte) bool {
		f := strings.Fields(string(l))
		sep := slices.Index(f, "-")
		if sep < 6 || len(f) < sep+4 || len(out) >= 10_000 {
			return true
		}
		out = append(out, mount{
			point: unoctal(f[4]), kind: f[sep+1],
			opts: strings.Split(f[5], ","), supers: strings.Split(f[sep+3], ","),
		})
		return true
	})
	return out
}

// unoctal resolves \040 and the like.
func unoctal(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// mountOf is the mount that holds a path.
func mountOf(ms []mount, p string) (mount, bool) {
	var best mount
	ok := false
	for _, m := range ms {
		if (p == m.point || m.point == "/" || strings.HasPrefix(p, m.point+"/")) && len(m.point) >= len(best.point) {
			best, ok = m, true
		}
	}
	return best, ok
}

func fileSystems(env *Env) []facts.FileSystem {
	out := []facts.FileSystem{}
	name := "proc/self/mountinfo"
	if env.Live && env.Getenv != nil && env.Getenv("INVOCATION_ID") != "" && exists(env.FS, "proc/1/mountinfo") {
		// Started by systemd, which gives a sandboxed service mounts of its own, read-only
		// ones among them. The agent has those of the init process.
		name = "proc/1/mountinfo"
	}
	var ms []mount
	w := notLive
	if env.Live && env.GOOS != "linux" {
		w = errUnsupported.Error()
	} else if env.Live {
		b, err := readFile(env.FS, name, 8<<20)
		if err != nil {
			w = why(err)
		}
		ms = parseMountInfo(b)
	}
	for _, dir := range placesOf(env) {
		at := dir
		for at != "/" && !exists(env.FS, at) {
			at = path.Dir(at)
		}
		if at != dir && strings.HasPrefix(dir, "/snap/") {
			continue
		}
		x := facts.FileSystem{Dir: dir, ReadOnly: facts.Unknown[bool](w, fileURL(name)), NoExec: facts.Unknown[bool](w, fileURL(name)), Usage: facts.Unknown[facts.Usage](w, "")}
		if m, ok := mountOf(ms, at); ok {
			x.Mount, x.Type = oneLine(m.point, 300), oneLine(m.kind, 50)
			x.ReadOnly = facts.Known(slices.Contains(m.opts, "ro") || slices.Contains(m.supers, "ro"), fileURL(name))
			x.NoExec = facts.Known(slices.Contains(m.opts, "noexec"), fileURL(name))
		}
		if env.Live && env.StatFS != nil {
			if u, err := env.StatFS(at); err != nil {
				x.Usage = facts.Unknown[facts.Usage](why(err), "statfs "+at)
			} else {
				x.Usage = facts.Known(u, "statfs "+at)
			}
		}
		out = append(out, x)
	}
	return out
}
