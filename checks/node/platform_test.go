package node

import (
	"testing"

	"ssm-doctor/checks/facts"
)

func TestPlatform(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, goos, arch string
		distro           facts.Distro
		tools            []string
		supported        Answer
		family           string
	}{
		{"Amazon Linux", "linux", "amd64", facts.Distro{ID: "amzn", Like: "centos rhel fedora"}, nil, Yes, "rpm"},
		{"Ubuntu", "linux", "arm64", facts.Distro{ID: "ubuntu", Like: "debian"}, nil, Yes, "ubuntu"},
		{"a relative of Ubuntu", "linux", "amd64", facts.Distro{ID: "linuxmint", Like: "ubuntu debian"}, nil, Yes, "deb"},
		{"a relative of RHEL", "linux", "amd64", facts.Distro{ID: "eurolinux", Like: "rhel fedora centos"}, nil, Yes, "rpm"},
		{"openSUSE", "linux", "amd64", facts.Distro{ID: "opensuse-leap", Like: "suse opensuse"}, nil, Yes, "zypper"},
		{"Bottlerocket", "linux", "amd64", facts.Distro{ID: "bottlerocket"}, nil, Yes, "bottlerocket"},
		{"Alpine", "linux", "amd64", facts.Distro{ID: "alpine", Name: "Alpine Linux v3.20"}, nil, No, ""},
		{"a relative of Alpine", "linux", "amd64", facts.Distro{ID: "postmarketos", Like: "alpine"}, nil, No, ""},
		{"NixOS", "linux", "amd64", facts.Distro{ID: "nixos"}, nil, No, ""},
		{"Flatcar", "linux", "amd64", facts.Distro{ID: "flatcar", Like: "coreos"}, nil, No, ""},
		{"Arch", "linux", "amd64", facts.Distro{ID: "arch"}, []string{}, No, ""},
		{"a relative of Arch", "linux", "amd64", facts.Distro{ID: "endeavouros", Like: "arch"}, []string{}, No, ""},
		{"unheard of, with dpkg", "linux", "amd64", facts.Distro{ID: "mylinux"}, []string{"dpkg"}, Yes, "deb"},
		{"unheard of, with rpm", "linux", "amd64", facts.Distro{ID: "mylinux"}, []string{"rpm", "dnf"}, Yes, "rpm"},
		{"unheard of, with nothing", "linux", "amd64", facts.Distro{ID: "mylinux"}, []string{}, No, ""},
		{"unheard of, nobody looked", "linux", "amd64", facts.Distro{ID: "mylinux"}, nil, Unknown, ""},
		{"another processor", "linux", "riscv64", facts.Distro{ID: "ubuntu"}, nil, No, ""},
		{"FreeBSD", "freebsd", "amd64", facts.Distro{}, nil, No, ""},
		{"Windows", "windows", "amd64", facts.Distro{}, nil, Yes, ""},
		{"macOS", "darwin", "arm64", facts.Distro{}, nil, Yes, ""},
		{"no os-release", "linux", "amd64", facts.Distro{}, nil, Unknown, ""},
		{"nobody looked", "", "", facts.Distro{}, nil, Unknown, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := &facts.Facts{}
			f.Host.GOOS, f.Host.Arch = c.goos, c.arch
			if c.distro != (facts.Distro{}) {
				f.Host.Distro = facts.Known(c.distro, "")
			}
			if c.tools != nil {
				f.Host.Installers = facts.Known(c.tools, "")
			}
			p := Of(f).Platform()
			if p.Supported != c.supported || p.Family != c.family {
				t.Errorf("%s %q, want %s %q", p.Supported, p.Family, c.supported, c.family)
			}
			if p.Supported == No && (p.Why == "" || p.Name == "") {
				t.Errorf("no reason or name: %+v", p)
			}
		})
	}
}
