package gather

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"ssm-doctor/checks/facts"
)

func FuzzDpkg(f *testing.F) {
	add(f, "Package: a\nStatus: x\n\nPackage: amazon-ssm-agent\nStatus: install ok installed\nVersion: 3.3.1142.0-1\n\n", "Package: amazon-ssm-agent\nPackage: b\n", "Package: amazon-ssm-agent\nStatus: "+strings.Repeat("x", 70_000)+"\nVersion: 1\n", "\n\n\n")
	f.Fuzz(func(t *testing.T, b []byte) {
		st, _, err := parseDpkg(bytes.NewReader(b), pkgName)
		if err != nil {
			t.Fatal(err)
		}
		sound(t, []string{st.status, st.version})
		var a facts.Agent
		gatherInstallations(background, memEnv(map[string][]byte{"var/lib/dpkg/status": b}), &a)
		sound(t, a)
	})
}

func FuzzVersionOutput(f *testing.F) {
	add(f, "SSM Agent version: 3.3.1142.0\n", "SSM Agent version: ", "1:3.3.1142.0-1.amzn2", "3.3", "SSM Agent version: 1.2.3.4.5", "name: x\nversion: '3.3.1'\n", "package amazon-ssm-agent is not installed\n")
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, v := range []string{parseVersionOutput(b), agentVersion(string(b)), parseSnapVersion(b)} {
			if v != "" && (len(v) > 40 || !versionRE.MatchString(v)) {
				t.Errorf("version %q", v)
			}
		}
	})
}

func FuzzSystemctlShow(f *testing.F) {
	add(f, "Id=amazon-ssm-agent.service\nLoadState=loaded\nActiveState=active\nSubState=running\nNRestarts=3\nExecStart={ path=/usr/bin/amazon-ssm-agent ; argv[]=/usr/bin/amazon-ssm-agent ; ignore_errors=no }\nRestartPreventExitStatus=194 x\nActiveEnterTimestamp=Sun 2026-11-22 09:10:22 UTC\n\nId=x\n",
		"ActiveEnterTimestamp=@99999999999999999\nId=\x1b\n", "=\n\n=", "NRestarts=999999999999999999999\nId=a")
	f.Fuzz(func(t *testing.T, b []byte) {
		units := parseUnits(b)
		sound(t, units)
		if len(units) > 20 {
			t.Errorf("%d units", len(units))
		}
	})
}

func FuzzUnitFile(f *testing.F) {
	add(f, "[Unit]\nA=b\n[Service]\nExecStart=-/usr/bin/amazon-ssm-agent\nEnvironment=\"http_proxy=http://u:p@h:1\" 'x=y z'\nEnvironmentFile=-/etc/x\n", "[Service]\nEnvironment=a\\\n  b=c\\", "[Service]\n\\\n\n[", "[Manager]\nDefaultEnvironment=A=b")
	f.Fuzz(func(t *testing.T, b []byte) {
		env := memEnv(map[string][]byte{"usr/lib/systemd/system/amazon-ssm-agent.service": b, "etc/systemd/system/amazon-ssm-agent.service.d/a.conf": b, "etc/systemd/system.conf": b, "etc/x": b, "etc/environment": b})
		u, _ := unitFromFiles(env.FS, unitNames[0])
		sound(t, u)
		e := unitEnvironment(env.FS)
		if len(e.vars) > maxVars {
			t.Errorf("%d variables", len(e.vars))
		}
		p, from := shellProxies(env)
		sound(t, p.fact(from))
		sound(t, proxyFrom(e.vars).fact(e.from))
		for _, w := range unquoteUnit(string(b)) {
			if len(w) > len(b) {
				t.Error("a word longer than the line")
			}
		}
		shellAssignments(b)
	})
}

// FuzzProc feeds the tables of the proc file system.
func FuzzProc(f *testing.F) {
	add(f, "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   0: 0100007F:1F90 0A00000A:01BB 01 00000000:00000000 00:00000000 00000003     0        0 12345 1 0\n",
		"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\neth0\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\n",
		"00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003 eth0\n",
		"Name:\tx\nUid:\t0\t0\t0\t0\nPPid:\t1\n", "1 (a) b) S 1 1 1 0 -1 4194560 1 1 1 1 1 1 1 1 20 0 1 0 999 1\n", "btime 1700000000\n", "btime 99999999999999999\n",
		"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw\n25 22 0:5 / /a\\040b ro,noexec - tmpfs tmpfs rw\n", "a=b\x00=c\x00d\x00", "inotify wd:1 ino:1\n")
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, s := range parseTCP(b, 443) {
			if s.remote.Port() != 443 || s.txQueue < 0 || s.retransmits < 0 {
				t.Errorf("%+v", s)
			}
		}
		parseRoutes4(b)
		parseRoutes6(b)
		parseStatus(b)
		if d, ok := startTicks(b); ok && d < 0 {
			t.Errorf("started %v before boot", d)
		}
		ms := parseMountInfo(b)
		mountOf(ms, "/var/lib/amazon/ssm")
		if len(parseEnviron(b)) > maxVars {
			t.Error("too many variables")
		}
		env := memEnv(map[string][]byte{
			"proc/stat": b, "proc/net/tcp": b, "proc/net/route": b, "proc/self/mountinfo": b, "proc/1/environ": b, "proc/1/cgroup": b, "proc/sys/kernel/hostname": b,
			"proc/42/comm": []byte("amazon-ssm-agent"), "proc/42/status": b, "proc/42/stat": b, "etc/os-release": b, "etc/hostname": b, "etc/resolv.conf": b, "etc/localtime": b,
			"sys/class/dmi/id/sys_vendor": b, "sys/class/dmi/id/product_name": b, "sys/class/dmi/id/board_asset_tag": b, "sys/class/dmi/id/product_uuid": b,
			"sys/fs/selinux/enforce": []byte("1"), "var/log/audit/audit.log": b, "proc/sys/fs/inotify/max_user_watches": b,
		})
		var x facts.Facts
		if err := (hostSource{}).Gather(background, env.Begin(), &x); err != nil {
			t.Fatal(err)
		}
		x.Agent.Processes = gatherProcesses(background, env)
		sound(t, x)
	})
}

func FuzzAVC(f *testing.F) {
	add(f, `type=AVC msg=audit(1700000000.123:456): avc:  denied  { execute } for  pid=1 comm="(ssm-agent)" name="amazon-ssm-agent" dev="x" scontext=system_u:system_r:init_t:s0 tcontext=unconfined_u:object_r:user_home_t:s0 tclass=file permissive=0`, "avc: denied ssm")
	f.Fuzz(func(t *testing.T, b []byte) {
		ds := parseAVC(b)
		sound(t, ds)
		if len(ds) > maxDenials {
			t.Errorf("%d denials", len(ds))
		}
	})
}

func FuzzNft(f *testing.F) {
	add(f, "table ip filter { # handle 1\n\tchain output { # handle 2\n\t\ttype filter hook output priority 0; policy drop;\n\t\tip daddr 169.254.169.254 meta skuid != 0 reject # handle 3\n\t\tip daddr { 10.0.0.0/8, 192.168.0.0-192.168.1.255 } tcp dport { 80, 443 } accept\n\t\tjump other\n\t}\n\tchain other {\n\t\tjump output\n\t\tdrop\n\t}\n}\n",
		"}}}}", "table inet x {\nchain y {\ntype filter hook output\noifname \"lo\" accept\nlog prefix \"a b\" drop\n", "table ip f {\nchain o {\nct state established,related accept\nip daddr != 10.0.0.0/8 drop\nmeta l4proto tcp th dport 443 reject with tcp reset\n}\n}\n")
	f.Fuzz(func(t *testing.T, b []byte) {
		rules := parseNft(b)
		sound(t, rules)
		for _, r := range rules {
			if !r.IMDS && !r.HTTPS || len(rules) > maxRules {
				t.Errorf("%+v of %d concerns nothing", r, len(rules))
			}
		}
	})
}

func FuzzIptables(f *testing.F) {
	add(f, "*filter\n:INPUT ACCEPT [0:0]\n:OUTPUT DROP [0:0]\n:X - [0:0]\n-A OUTPUT -d 169.254.169.254/32 -p tcp -m owner ! --uid-owner 0 -j REJECT --reject-with icmp-port-unreachable\n-A OUTPUT -m comment --comment \"a b\" -j X\n-A X -g X\nCOMMIT\n", "-A OUTPUT", "*\n:\n-A  \n", "-A OUTPUT -m multiport --dports 80,443:445 ! -d 1.2.3.4 -j DROP")
	f.Fuzz(func(t *testing.T, b []byte) {
		rules := parseIptables(b)
		sound(t, rules)
		if len(rules) > maxRules {
			t.Errorf("%d rules", len(rules))
		}
	})
}

func FuzzPersistentRoutes(f *testing.F) {
	add(f, "network:\n  ethernets:\n    eth0:\n      routes:\n      - to: 169.254.169.254/32\n        via: 10.0.0.1\n", "[Route]\nDestination=169.254.169.254\nGateway=10.0.0.1\n", "ADDRESS0=169.254.169.254\nNETMASK0=255.255.255.255\nGATEWAY0=10.0.0.1\n",
		"169.254.169.254/32 via 10.0.0.1 dev eth0\n", "route1=169.254.169.254/32,10.0.0.1\ninterface-name=eth0\n", "up route add -net 169.254.0.0 netmask 255.255.0.0 gw 10.0.0.1\n", "a: &a [*a]", "network: {ethernets: {<<: *x}}")
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, name := range []string{"etc/netplan/a.yaml", "etc/systemd/network/a.network", "etc/NetworkManager/system-connections/a", "etc/sysconfig/network-scripts/route-eth0", "etc/network/interfaces"} {
			rs := configuredRoutes(name, b)
			sound(t, rs)
			for _, r := range rs {
				if p, err := netip.ParsePrefix(r.Destination); err != nil || !p.Contains(imdsIP) || len(rs) > 2*maxRoutes {
					t.Errorf("%s: %+v of %d", name, r, len(rs))
				}
			}
		}
	})
}

func FuzzResolv(f *testing.F) {
	add(f, "nameserver 10.0.0.2\nsearch a b c\noptions timeout:1 attempts:2\n", "nameserver\nnameserver x y\n#c\n;c\n", "options "+strings.Repeat("o ", 100)+"\n")
	f.Fuzz(func(t *testing.T, b []byte) {
		r := parseResolv(b)
		sound(t, r)
		if len(r.Servers) > 10 || len(r.Search) > 10 || len(r.Options) > 60 {
			t.Errorf("%d, %d, %d", len(r.Servers), len(r.Search), len(r.Options))
		}
	})
}

func FuzzHosts(f *testing.F) {
	add(f, "127.0.0.1 localhost\n10.0.0.9 ssm.eu-west-1.amazonaws.com # pin\n", "::1 ssm.eu-west-1.amazonaws.com.\n", "fe80::1%eth0 ssm.eu-west-1.amazonaws.com", "hosts: files dns\n", "hosts: dns [!UNAVAIL=return] files\n")
	f.Fuzz(func(t *testing.T, b []byte) {
		a := parseHosts(b, "ssm.eu-west-1.amazonaws.com")
		if len(a) > maxPins {
			t.Errorf("%d addresses", len(a))
		}
		for _, x := range a {
			sound(t, x.String())
		}
		hostsFileUsed(b)
	})
}

func FuzzOSRelease(f *testing.F) {
	add(f, "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME='Debian GNU/Linux 12'\n", "ID=\"x\nID=$(reboot)\n", "export ID=a;b\n")
	f.Fuzz(func(t *testing.T, b []byte) {
		sound(t, parseOSRelease(b))
		_ = ec2UUID(string(b))
	})
}
