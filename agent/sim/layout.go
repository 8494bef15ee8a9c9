package sim

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

// layout makes the file tree of the host at this moment.
func (w *world) layout() *tree {
	t := newTree(w.now())
	if w.GOOS == "linux" {
		w.layHost(t)
		w.layProc(t)
	}
	w.layAgent(t)
	w.layState(t)
	log, written, err := w.logText()
	if err == nil && log != "" { // build has tried it
		d := w.dirs()
		t.dir(d.log, 0o700)
		t.file(d.log+"/amazon-ssm-agent.log", log, 0o600).at = written
	}
	for _, name := range slices.Sorted(maps.Keys(w.Files)) {
		w.layFile(t, name, w.Files[name])
	}
	return t
}

func (w *world) layFile(t *tree, name string, f File) {
	mode := fs.FileMode(f.Mode)
	at := t.now.Add(-time.Duration(f.Age))
	switch {
	case f.Absent:
		t.remove(name)
	case f.Link != "":
		t.symlink(name, f.Link)
	case f.Dir:
		n := t.dir(name, mode)
		n.uid, n.flag = f.UID, f.Flag
	case f.FIFO:
		t.put(name, &node{mode: fs.ModeNamedPipe | 0o600})
	default:
		if mode == 0 {
			mode = 0o644
		}
		n := t.file(name, f.Content, mode)
		n.at, n.uid, n.flag = at, f.UID, f.Flag
	}
}

// dirs are the agent's directories.
type dirs struct{ data, log, config, runtime, shared, bin, suffix string }

func (w *world) dirs() dirs {
	l := facts.LayoutOf(w.GOOS)
	in := func(p string) string { return strings.TrimPrefix(p, "/") }
	return dirs{in(l.Data), in(l.Log), in(l.Config), in(l.Runtime), in(l.Shared), in(l.Programs), l.Exe}
}

// distros are the os-release lines of the known distributions.
var distros = map[string]string{
	"amzn":   "ID=\"amzn\"\nVERSION_ID=\"2023\"\nPRETTY_NAME=\"Amazon Linux 2023\"\n",
	"rhel":   "ID=\"rhel\"\nVERSION_ID=\"9.4\"\nPRETTY_NAME=\"Red Hat Enterprise Linux 9.4 (Plow)\"\n",
	"ubuntu": "ID=ubuntu\nVERSION_ID=\"24.04\"\nPRETTY_NAME=\"Ubuntu 24.04.1 LTS\"\n",
	"alpine": "ID=alpine\nVERSION_ID=3.20.3\nPRETTY_NAME=\"Alpine Linux v3.20\"\n",
	"debian": "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
}

func (w *world) rpmHost() bool {
	return w.GOOS == "linux" && !slices.Contains([]string{"ubuntu", "debian", "alpine", "nixos", "flatcar", "bottlerocket"}, w.Host.Distro) && !slices.Contains(w.Agent.Packaging, "deb")
}

// installers are the programs that install packages on this distribution.
func (w *world) installers() []string {
	switch {
	case w.Host.Distro == "ubuntu" && !w.Host.NoSnapd:
		return []string{"apt-get", "dpkg", "snap"}
	case w.Host.Distro == "ubuntu", w.Host.Distro == "debian", slices.Contains(w.Agent.Packaging, "deb"):
		return []string{"apt-get", "dpkg"}
	case w.rpmHost():
		return []string{"dnf", "rpm", "yum"}
	}
	return nil
}

func (w *world) layHost(t *tree) {
	release := distros[w.Host.Distro]
	if release == "" {
		release = "ID=" + w.Host.Distro + "\nPRETTY_NAME=\"" + w.Host.Distro + "\"\n"
	}
	t.file("etc/os-release", release, 0o644)
	t.file("etc/hostname", w.Hostname+"\n", 0o644)
	t.file("etc/machine-id", w.MachineID+"\n", 0o444)
	t.file("etc/passwd", "root:x:0:0:root:/root:/bin/bash\n", 0o644)
	t.file("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"+w.Address+" "+w.Hostname+"\n", 0o644)
	resolv := ""
	for _, r := range w.Resolvers {
		resolv += "nameserver " + r + "\n"
	}
	t.file("etc/resolv.conf", resolv, 0o644)
	tools := w.Net.Tools
	if len(tools) == 0 {
		tools = []string{"networkd"}
	}
	for _, name := range tools {
		t.dir(map[string]string{"networkd": "run/systemd/netif/links", "NetworkManager": "run/NetworkManager/devices", "dhclient": "run/dhclient", "dhcpcd": "run/dhcpcd"}[name], 0o755)
	}
	t.dir("tmp", 0o1777)
	t.dir("root", 0o700)
	if !w.Agent.NoManager {
		t.file("usr/lib/systemd/systemd", "", 0o755)
		keeper := "systemd-timesyncd"
		if w.rpmHost() {
			keeper = "chronyd"
		}
		t.file("usr/lib/systemd/system/"+keeper+".service", "[Service]\n", 0o644)
		t.dir("run/systemd/system", 0o755)
	}
	for name, v := range w.Host.DMI {
		mode := fs.FileMode(0o444)
		if strings.Contains(name, "uuid") || strings.Contains(name, "serial") {
			mode = 0o400
		}
		t.file("sys/class/dmi/id/"+name, v+"\n", mode)
	}
	if w.Host.Container == "docker" {
		t.file(".dockerenv", "", 0o755)
	}
	if w.Host.SELinux {
		t.file("sys/fs/selinux/enforce", "1", 0o644)
		t.file("etc/selinux/config", "SELINUX=enforcing\nSELINUXTYPE=targeted\n", 0o644)
	}
	if len(w.Host.Syslog) > 0 {
		now := t.now.Add(-time.Minute).Format("Jan _2 15:04:05") + " host"
		t.file("var/log/messages", strings.ReplaceAll(strings.Join(w.Host.Syslog, "\n"), "{now}", now)+"\n", 0o600)
	}
	if len(w.Host.Audit) > 0 {
		now := fmt.Sprint(t.now.Add(-90 * time.Second).Unix())
		t.dir("var/log/audit", 0o700)
		t.file("var/log/audit/audit.log", strings.ReplaceAll(strings.Join(w.Host.Audit, "\n"), "{now}", now)+"\n", 0o600)
	}
	profile := ""
	for _, k := range slices.Sorted(maps.Keys(w.Env)) {
		if strings.HasSuffix(strings.ToLower(k), "_proxy") {
			profile += fmt.Sprintf("export %s=%q\n", k, w.Env[k])
		}
	}
	if profile != "" {
		t.file("etc/profile.d/proxy.sh", profile, 0o644)
	}
}

// kernel is what the kernel of the host would say.
func (w *world) kernel() gather.Kernel {
	k := gather.Kernel{Boot: w.now().Add(-time.Duration(w.Uptime)), Synced: facts.Known(!w.Unsynced, "adjtimex"),
		ImageState: facts.Absent[string]("not Windows", "")}
	if w.GOOS == "windows" {
		state := w.Host.ImageState
		if state == "" {
			state = "IMAGE_STATE_COMPLETE"
		}
		k.ImageState = facts.Known(state, "registry")
	}
	list := []facts.Interface{{Name: "lo", Addresses: []string{"127.0.0.1/8"}}}
	if !w.Net.Down {
		eth0 := facts.Interface{Name: "eth0", Addresses: []string{}}
		if !w.Net.NoAddress {
			eth0.Addresses = append(eth0.Addresses, w.Address+"/24")
		}
		if w.IPv6 {
			eth0.Addresses = append(eth0.Addresses, "2600:1f18:0:1::10/64")
		}
		list = append(list, eth0)
	}
	for _, name := range slices.Sorted(maps.Keys(w.Interfaces)) {
		list = append(list, facts.Interface{Name: name, Addresses: []string{w.Interfaces[name]}})
	}
	k.Interfaces = facts.Known(list, "")
	k.Links, k.Rules = w.links(), w.rules()
	if w.GOOS == "windows" {
		k.Rules = facts.Unknown[[]facts.RoutingRule]("not available on this operating system", "").Because(facts.NotAskable)
		names := []string{}
		if w.IMDSGateway != "" {
			names = append(names, "169.254.169.254,255.255.255.255,"+w.IMDSGateway+",25")
		}
		k.WindowsRoutes = facts.Known(names, `registry:HKLM\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters\PersistentRoutes`)
	}
	return k
}

// network is the prefix of eth0's address with so many bits.
func (w *world) network(bits int) string {
	a, err := netip.ParseAddr(w.Address)
	if err != nil {
		return ""
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return ""
	}
	return p.String()
}

func (w *world) gateway() string {
	p, err := netip.ParsePrefix(w.network(24))
	if err != nil {
		return ""
	}
	return p.Addr().Next().String()
}

// procAddr writes an address and port as /proc/net/tcp does.
func procAddr(a netip.AddrPort) string {
	b := a.Addr().As4()
	return fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(b[:]), a.Port())
}

func (w *world) layProc(t *tree) {
	boot := t.now.Add(-time.Duration(w.Uptime))
	t.file("proc/stat", fmt.Sprintf("cpu  1 2 3 4\ncpu0 1 1 2 2\ncpu1 0 1 1 2\nbtime %d\n", boot.Unix()), 0o444)
	t.file("proc/sys/kernel/hostname", w.Hostname+"\n", 0o444)
	t.file("proc/1/cgroup", "0::/init.scope\n", 0o444)
	t.file("proc/self/cgroup", "0::/user.slice\n", 0o444)
	w.process(t, 1, 0, 0, "/usr/lib/systemd/systemd", boot, nil)

	routes := "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
	if gw, err := netip.ParseAddr(w.gateway()); err == nil && len(w.defaults()) > 0 && w.defaults()[0].Via == gw.String() {
		routes += "eth0\t00000000\t" + strings.Split(procAddr(netip.AddrPortFrom(gw, 0)), ":")[0] + "\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
	}
	t.file("proc/net/route", routes, 0o444)
	six := ""
	if w.IPv6 {
		six = strings.Repeat("0", 32) + " 00 " + strings.Repeat("0", 32) + " 00 fe800000000000000000000000000001 00000400 00000003 00000000 00000003     eth0\n"
	}
	t.file("proc/net/ipv6_route", six, 0o444)

	mounts := []string{"/ xfs rw,relatime"}
	for _, m := range w.Host.Mounts {
		if strings.HasPrefix(m, "/ ") {
			mounts[0] = m
		} else {
			mounts = append(mounts, m)
		}
	}
	var info strings.Builder
	for i, m := range mounts {
		f := strings.Fields(m + " xfs rw")
		rw := "rw"
		if slices.Contains(strings.Split(f[2], ","), "ro") {
			rw = "ro"
		}
		fmt.Fprintf(&info, "%d 1 259:%d / %s %s shared:%d - %s /dev/nvme0n1p%d %s\n", 30+i, i+1, f[0], f[2], i+1, f[1], i+1, rw)
	}
	t.file("proc/self/mountinfo", info.String(), 0o444)
	t.file("proc/1/mountinfo", info.String(), 0o444)
	t.mountinfo = info.String()

	limit := w.Host.MaxWatches
	if limit == 0 {
		limit = 65536
	}
	t.file("proc/sys/fs/inotify/max_user_watches", fmt.Sprintln(limit), 0o444)
	t.file("proc/sys/fs/inotify/max_user_instances", "128\n", 0o444)
	if w.Host.Watches > 0 {
		t.symlink("proc/1/fd/5", "anon_inode:inotify")
		t.file("proc/1/fdinfo/5", strings.Repeat("inotify wd:1 ino:2 sdev:3 mask:4 ignored_mask:0\n", w.Host.Watches), 0o444)
	}
	t.file("proc/sys/fs/file-nr", "1504\t0\t9223372036854775807\n", 0o444)
	t.file("proc/meminfo", fmt.Sprintf("MemTotal:        2097152 kB\nMemFree:          204800 kB\nMemAvailable:    %d kB\n", 1024*cmp.Or(w.Host.Available, 1200)), 0o444)
	t.file("proc/loadavg", fmt.Sprintf("%.2f 0.05 0.01 1/120 4242\n", w.Host.Load), 0o444)
	w.layUsers(t)
}

// layUsers adds users, and a program that sessions need.
func (w *world) layUsers(t *tree) {
	installed := t.now.Add(-time.Duration(w.Uptime))
	users := append([]string{"ec2-user", "ssm-user"}, w.Host.Users...)
	if w.Host.NoUsers {
		users = nil
	}
	all := "root:x:0:0:root:/root:/bin/bash\n"
	for i, u := range users {
		all += fmt.Sprintf("%s:x:%d:%[2]d::/home/%[1]s:/bin/bash\n", u, 1000+i)
	}
	t.file("etc/passwd", all, 0o644).at = installed
	if !w.Host.NoScript {
		t.file("usr/bin/script", "", 0o755).at = installed
	}
}

// process adds a process.
func (w *world) process(t *tree, pid, parent, uid int, exe string, began time.Time, env map[string]string) {
	d := fmt.Sprintf("proc/%d/", pid)
	comm := path.Base(exe)
	comm = comm[:min(len(comm), 15)]
	link := exe
	if w.Files[exe].Absent {
		link += " (deleted)"
	}
	t.put(d+"exe", &node{link: link, mode: fs.ModeSymlink | 0o777, uid: uid})
	t.file(d+"comm", comm+"\n", 0o444)
	t.file(d+"cmdline", exe+"\x00", 0o444)
	t.file(d+"status", fmt.Sprintf("Name:\t%s\nPPid:\t%d\nUid:\t%[3]d\t%[3]d\t%[3]d\t%[3]d\n", comm, parent, uid), 0o444)
	ticks := began.Sub(t.now.Add(-time.Duration(w.Uptime))) / (10 * time.Millisecond)
	t.file(d+"stat", fmt.Sprintf("%d (%s) S %d %s %d 0 0\n", pid, comm, parent, strings.TrimSpace(strings.Repeat("0 ", 17)), max(ticks, 0)), 0o444)
	vars := "PATH=/usr/sbin:/usr/bin\x00LANG=C.UTF-8\x00"
	for _, k := range slices.Sorted(maps.Keys(env)) {
		vars += k + "=" + env[k] + "\x00"
	}
	t.file(d+"environ", vars, 0o400).uid = uid
	t.file(d+"limits", fmt.Sprintf("Limit                     Soft Limit           Hard Limit           Units     \nMax open files            %-20d %-20[1]d files     \n", cmp.Or(w.Host.MaxFiles, 65535)), 0o444)
	t.dir(d+"fd", 0o500).uid = uid
	files := 24
	if path.Base(exe) == "ssm-agent-worker" {
		files = cmp.Or(w.Host.OpenFiles, files)
	}
	for i := range files {
		t.symlink(fmt.Sprintf("%sfd/%d", d, 100+i), "/dev/null")
	}
}
