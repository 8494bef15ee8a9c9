package checks

import (
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// ImageNetwork is image-network.
var ImageNetwork = register(Check{
	ID: "image-network", Group: "network", Title: "The image's network configuration is for any machine",
	Profiles: []Profile{ProfileImage},
	Causes:   []string{"host-network-down", "imds-via-proxy", "imds-disabled"},
	Doc: "Files of netplan, systemd-networkd, NetworkManager, ifcfg, ifupdown, udev and cloud-init. What is bound to the hardware address, the device name or the fixed address of the machine that the image was made from does not work on another machine. " +
		"Where cloud-init configures the network, or a file does so for any device, that does no harm. Configuration that is made while a machine starts is not looked at. " +
		"On every system also the proxy that the agent's service will have, which must not take requests to the metadata service, and whether its environment switches that off; both are right in an image for machines outside EC2.",
	Eval: func(n *node.Node) Finding {
		if fd, ok := judgeImageProxy(n); ok {
			return fd
		}
		s, ok := n.Facts.Host.NetworkSetup.Get()
		if !ok {
			if n.Facts.Host.GOOS == "windows" {
				return passImageProxy(n, "the agent's service has no proxy that takes metadata requests")
			}
			if n.Facts.Host.NetworkSetup.Obstacle() == facts.NotAskable && n.Facts.Host.GOOS != "" && n.Facts.Host.GOOS != "linux" {
				return skip("only on linux")
			}
			return unread("network configuration", n.Facts.Host.NetworkSetup)
		}
		byCloudInit := s.CloudInit && s.CloudInitOff == ""
		var pinned []facts.NetworkEntry
		renamed := map[string]bool{}
		general := ""
		for _, e := range s.Entries {
			if e.Pinned == facts.PinnedName {
				renamed[e.Device] = true
			}
			if e.Pinned != "" && !(e.ByCloudInit && byCloudInit) {
				pinned = append(pinned, e)
			}
		}
		for _, e := range s.Entries {
			if e.Pinned == "" && !renamed[e.Device] { // a name that another machine's device does not get is for none
				general = text.Or(general, e.File)
			}
		}
		switch {
		case byCloudInit && len(pinned) > 0:
			return warns("cloud-init configures the network of new machines, but %s is bound to %s of the machine that the image was made from", pinned[0].File, pinnedTo(pinned[0]))
		case byCloudInit:
			return passImageProxy(n, "cloud-init configures the network of new machines")
		case general != "":
			return passImageProxy(n, "%s configures the network of any machine", general)
		case len(pinned) > 0:
			return blameBuilder(s, pinned)
		case s.CloudInitOff != "":
			return blocks("host-network-down", Likely, "machines made from this image will have no network: %s keeps cloud-init from configuring it, and nothing else does", s.CloudInitOff).
				saw(s.CloudInitOff, "network configuration of cloud-init is off", "file:"+s.CloudInitOff).with("path", s.CloudInitOff).
				fix(imageFix(
					causes.Step{Text: "Let cloud-init configure the network again", Command: "rm {root}{path}", GOOS: "linux darwin"},
					causes.Step{Text: "Let the adapters take their addresses from DHCP", Command: "Get-NetAdapter | Set-NetIPInterface -Dhcp Enabled", GOOS: "windows"})...)
		}
		return passImageProxy(n, "no network configuration is bound to one machine")
	},
})

// judgeImageProxy tells what the environment that the agent's service will have does to its
// metadata requests; false: nothing.
func judgeImageProxy(n *node.Node) (Finding, bool) {
	if m, ok := n.Facts.Agent.Metadata.Get(); ok && m.Disabled {
		const name = noMetadata
		return blocks("imds-disabled", Likely, "%s=true in the environment of the agent's service keeps agents of machines made from this image from asking the metadata service", name).
			saw(name+" of the service", "true", m.From).fix(imageDropIn("Take the variable away: "+name, "zz-metadata.conf", "UnsetEnvironment="+name+`\nEnvironment="`+name+`="`, withoutVariable(n, m, name))...), true
	}
	p, ok := n.Facts.Agent.ServiceProxy.Get()
	if !ok || !p.TakesMetadata {
		return Finding{}, false
	}
	fd := blocks("imds-via-proxy", Likely, "on machines made from this image the agent's http_proxy sends metadata requests to the proxy: its no_proxy lacks %s", imdsAddress).
		saw("http_proxy of the service", p.HTTP, p.From).saw("no_proxy of the service", text.Quote(p.No), text.Or(p.NoFrom, p.From)).with("proxy", p.HTTP)
	if by, ok := proxySetters[p.By]; ok {
		fd = fd.add("; the proxy is set by %s", by.name)
	}
	return fd.fix(imageDropIn("Add the metadata addresses to no_proxy of the service", "zz-no-proxy.conf", `Environment="no_proxy={noproxy}"`, causes.Get(fd.Cause).Fix)...), true
}

// imageDropIn gives the agent's unit of an image a setting by a drop-in; on Windows it is
// the first step of the remedy of a running host that is for Windows alone.
func imageDropIn(says, file, setting string, running []causes.Step) []causes.Step {
	const dir = "{root}/etc/systemd/system/{unit}.d"
	steps := []causes.Step{{Text: says, Command: "mkdir -p " + dir + " && printf '[Service]\\n" + setting + "\\n' > " + dir + "/" + file, GOOS: "linux"}}
	for _, s := range running {
		if s.GOOS == "windows" {
			s.Text += ". Do it on the machine that the image is made from, before sysprep: it changes the machine that it runs on"
			steps = append(steps, s)
			break
		}
	}
	return imageFix(steps...)
}

// passImageProxy passes where also the proxy of the agent's service was read.
func passImageProxy(n *node.Node, format string, a ...any) Finding {
	if p := n.Facts.Agent.ServiceProxy; p.Unknown() {
		return unread("proxy of the agent's service", p)
	}
	return pass(format, a...)
}

// pinnedTo says by what an entry is bound to one machine.
func pinnedTo(e facts.NetworkEntry) string {
	switch e.Pinned {
	case facts.PinnedMAC:
		return "the hardware address " + e.Value
	case facts.PinnedName:
		return "the name " + e.Device + " for the hardware address " + e.Value
	}
	return "the address " + e.Value
}

// blameBuilder names the first entry that is bound to one machine, and shows all.
func blameBuilder(s facts.NetworkSetup, pinned []facts.NetworkEntry) Finding {
	e := pinned[0]
	fd := blocks("host-network-down", Proven, "machines made from this image will have no network: %s is bound to %s of the machine that it was made from, and nothing else configures the network", e.File, pinnedTo(e))
	for _, x := range pinned[:min(len(pinned), 4)] {
		fd = fd.saw(x.File, pinnedTo(x), "file:"+x.File)
	}
	if s.CloudInitOff != "" {
		fd = fd.saw(s.CloudInitOff, "network configuration of cloud-init is off", "file:"+s.CloudInitOff)
	}
	says, command := "Take the hardware address out, and match by name or let any device take its address by DHCP, with an editor", "grep -niE 'mac|hwaddr|address' {root}{path}"
	switch e.Pinned {
	case facts.PinnedName:
		says, command = "Remove the rule: another machine's device gets no name by it", "rm {root}{path}"
	case facts.PinnedAddress:
		says = "Let the device take its address by DHCP in place of the fixed one, with an editor"
	}
	return fd.with("path", e.File).fix(imageFix(
		causes.Step{Text: says, Command: command, GOOS: "linux darwin"},
		causes.Step{Text: "Let the adapters take their addresses from DHCP", Command: "Get-NetAdapter | Set-NetIPInterface -Dhcp Enabled", GOOS: "windows"})...)
}
