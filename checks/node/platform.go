package node

import (
	"slices"
	"strings"

	"ssm-doctor/checks/facts"
)

// Platform is what an operating system means to the agent.
type Platform struct {
	// Supported: AWS has an agent for it. Unknown where it is not known which it is.
	Supported Answer
	// Family is how the agent comes to it: rpm, zypper, deb, ubuntu, bottlerocket;
	// empty: by no package of AWS.
	Family string
	// Name is the system in words.
	Name string
	// Why says what is the matter with a system that has none, and Do what can be
	// done there besides running another system.
	Why string
	Do  []Step
}

// families are the distributions that take a package of AWS, by ID of os-release.
// Source: AWS Systems Manager User Guide, "Supported operating systems and machine
// types", and the packages that those made of them take.
var families = map[string]string{
	"amzn": "rpm", "rhel": "rpm", "centos": "rpm", "rocky": "rpm", "almalinux": "rpm", "ol": "rpm", "fedora": "rpm", "azurelinux": "rpm", "mariner": "rpm",
	"sles": "zypper", "sled": "zypper", "suse": "zypper", "opensuse": "zypper", "opensuse-leap": "zypper", "opensuse-tumbleweed": "zypper",
	"debian": "deb", "raspbian": "deb", "ubuntu": "ubuntu", "bottlerocket": "bottlerocket",
}

// noPackage are distributions for which AWS has no package, though some of them are made
// of one that has, with what their own makers offer.
var noPackage = map[string]struct {
	why string
	do  []Step
}{
	"alpine": {"its C library is musl, and AWS builds the agent for none of its releases",
		[]Step{{"Or see whether a repository of Alpine has a build of its own, which AWS does not support", "apk update && apk search -v amazon-ssm-agent", false}}},
	"nixos": {"it takes no rpm, deb or snap package",
		[]Step{{"Or use the module of nixpkgs, which AWS does not support: set services.amazon-ssm-agent.enable = true; in the configuration, then build it", "grep -rn amazon-ssm-agent /etc/nixos; nixos-rebuild switch", false}}},
	"flatcar": {"its root file system takes no package; the images that Flatcar publishes for AWS bring an agent of their own",
		[]Step{{"Or use an image that Flatcar publishes for AWS: the agent is a system extension of it. See which this host has", "systemd-sysext status; ls /oem/sysext /usr/share/oem/bin", true}}},
	"coreos": {"its root file system takes no package", nil}, "cos": {"its root file system takes no package", nil}, "talos": {"it has no shell and takes no package", nil},
	"arch": {"AWS builds no package for it", nil}, "archarm": {"AWS builds no package for it", nil}, "manjaro": {"AWS builds no package for it", nil}, "gentoo": {"AWS builds no package for it", nil},
	"void": {"AWS builds no package for it", nil}, "slackware": {"AWS builds no package for it", nil}, "guix": {"it takes no rpm, deb or snap package", nil}, "clear-linux-os": {"AWS builds no package for it", nil},
	"openwrt": {"AWS builds no package for it", nil}, "photon": {"AWS builds no package for it", nil}, "wolfi": {"AWS builds no package for it", nil}, "chainguard": {"AWS builds no package for it", nil},
	"buildroot": {"AWS builds no package for it", nil}, "poky": {"AWS builds no package for it", nil}, "freebsd": {"AWS builds no package for it", nil},
}

// processors are those for which AWS builds the agent, by Go's names.
var processors = []string{"amd64", "arm64", "386", "arm"}

// Platform tells whether AWS has an agent for this host's system, and how it comes to it.
func (n *Node) Platform() Platform {
	h := &n.Facts.Host
	p := Platform{Name: map[string]string{"freebsd": "FreeBSD"}[h.GOOS]}
	if h.GOOS == "windows" || h.GOOS == "darwin" {
		p.Name, p.Supported = facts.LayoutOf(h.GOOS).System, Yes
		return p
	}
	if h.GOOS == "" {
		return p
	}
	d, ok := h.Distro.Get()
	if !ok && h.GOOS == "linux" {
		return p
	}
	if h.GOOS != "linux" {
		d.ID = h.GOOS
	}
	p.Name = nameOfSystem(d, p.Name)
	if h.Arch != "" && !slices.Contains(processors, h.Arch) {
		p.Supported, p.Why = No, "AWS builds no agent for processors of this kind ("+h.Arch+")"
		return p
	}
	if w, ok := noPackage[d.ID]; ok {
		p.Supported, p.Why, p.Do = No, w.why, w.do
		return p
	}
	for _, id := range append([]string{d.ID}, strings.Fields(d.Like)...) {
		if w, ok := noPackage[id]; ok && id != d.ID {
			p.Supported, p.Why, p.Do = No, w.why, w.do
			return p
		}
		if f := families[id]; f != "" {
			p.Supported, p.Family = Yes, f
			if id != d.ID && f == "ubuntu" { // a relative of Ubuntu need not have its snaps
				p.Family = "deb"
			}
			return p
		}
	}
	// A system that is in neither table, and is like none that is: its tools tell.
	tools, known := h.Installers.Get()
	switch {
	case slices.Contains(tools, "dpkg"):
		p.Supported, p.Family = Yes, "deb"
	case slices.Contains(tools, "zypper"):
		p.Supported, p.Family = Yes, "zypper"
	case slices.Contains(tools, "rpm"), slices.Contains(tools, "dnf"), slices.Contains(tools, "yum"):
		p.Supported, p.Family = Yes, "rpm"
	case slices.Contains(tools, "snap"):
		p.Family = "ubuntu" // its snap may run here; whether AWS supports that is not known
	case known && d.ID != "":
		p.Supported, p.Why = No, "it is not on AWS's list, and has neither rpm nor dpkg nor snap"
	}
	return p
}

// nameOfSystem is a distribution in words.
func nameOfSystem(d facts.Distro, usual string) string {
	switch {
	case d.Name != "":
		return d.Name
	case usual != "":
		return usual
	}
	return strings.TrimSpace(d.ID + " " + d.Version)
}

// Has reports whether this host has a program that installs packages; unknown where
// nobody looked.
func (n *Node) Has(installer string) Answer {
	list, ok := n.Facts.Host.Installers.Get()
	return ifKnown(slices.Contains(list, installer), ok)
}
