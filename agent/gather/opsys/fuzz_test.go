package opsys

import (
	"strings"
	"testing"

	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

// FuzzHost feeds the files that tell of the host.
func FuzzHost(f *testing.F) {
	gathertest.AddSeeds(f, gathertest.ProcFiles...)
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:min(len(b), 300)]
		env := gathertest.InMemory(map[string][]byte{
			"proc/stat": b, "proc/net/route": b, "proc/self/mountinfo": b, "proc/1/environ": b, "proc/1/cgroup": b, "proc/sys/kernel/hostname": b,
			"etc/os-release": b, "etc/hostname": b, "etc/resolv.conf": b, "etc/localtime": b,
			"sys/class/dmi/id/sys_vendor": b, "sys/class/dmi/id/product_name": b, "sys/class/dmi/id/board_asset_tag": b, "sys/class/dmi/id/product_uuid": b,
			"sys/fs/selinux/enforce": []byte("1"), "var/log/audit/audit.log": b, "proc/sys/fs/inotify/max_user_watches": b,
		})
		var x facts.Facts
		if err := (Source{}).Gather(t.Context(), env.Begin(), &x); err != nil {
			t.Fatal(err)
		}
		gathertest.Sound(t, x.Host)
	})
}

func FuzzAVC(f *testing.F) {
	gathertest.AddSeeds(f, `type=AVC msg=audit(1700000000.123:456): avc:  denied  { execute } for  pid=1 comm="(ssm-agent)" name="amazon-ssm-agent" dev="x" scontext=system_u:system_r:init_t:s0 tcontext=unconfined_u:object_r:user_home_t:s0 tclass=file permissive=0`, "avc: denied ssm")
	f.Fuzz(func(t *testing.T, b []byte) {
		ds := parseAVC(b)
		gathertest.Sound(t, ds)
		if len(ds) > maxDenials {
			t.Errorf("%d denials", len(ds))
		}
	})
}

func FuzzResolv(f *testing.F) {
	gathertest.AddSeeds(f, "nameserver 10.0.0.2\nsearch a b c\noptions timeout:1 attempts:2\n", "nameserver\nnameserver x y\n#c\n;c\n", "options "+strings.Repeat("o ", 100)+"\n")
	f.Fuzz(func(t *testing.T, b []byte) {
		r := parseResolv(b)
		gathertest.Sound(t, r)
		if len(r.Servers) > 10 || len(r.Search) > 10 || len(r.Options) > 60 {
			t.Errorf("%d, %d, %d", len(r.Servers), len(r.Search), len(r.Options))
		}
	})
}

func FuzzOSRelease(f *testing.F) {
	gathertest.AddSeeds(f, "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME='Debian GNU/Linux 12'\n", "ID=\"x\nID=$(reboot)\n", "export ID=a;b\n")
	f.Fuzz(func(t *testing.T, b []byte) {
		gathertest.Sound(t, parseOSRelease(b))
		_ = EC2UUID(string(b))
	})
}

// FuzzMacHost feeds what tells of a host with macOS.
func FuzzMacHost(f *testing.F) {
	gathertest.AddSeeds(f, "<plist><dict><key>ProductVersion</key><string>14.6.1</string></dict></plist>")
	f.Fuzz(func(t *testing.T, b []byte) {
		gathertest.Sound(t, macDistro(gathertest.InMemory(map[string][]byte{"System/Library/CoreServices/SystemVersion.plist": b}).FS))
	})
}
