package checks

import (
	"strings"
	"testing"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/node"
)

func TestImageNetwork(t *testing.T) {
	t.Parallel()
	setup := func(cloudInit bool, off string, list ...facts.NetworkEntry) func(*facts.Facts) {
		return func(f *facts.Facts) {
			f.Host.NetworkSetup = facts.Known(facts.NetworkSetup{Entries: list, CloudInit: cloudInit, CloudInitOff: off}, "network configuration")
		}
	}
	unasked := func(f *facts.Facts) {
		f.Host.NetworkSetup = facts.Unknown[facts.NetworkSetup]("only Linux", "").Because(facts.NotAskable)
	}
	proxyOf := func(f *facts.Facts, p facts.Proxy) { f.Agent.ServiceProxy = facts.Known(p, "unit files") }
	const mac, off = "0a:1b:2c:3d:4e:5f", "/etc/cloud/cloud.cfg.d/99-disable-network.cfg"
	pin := facts.NetworkEntry{File: "/etc/netplan/01.yaml", Device: "ens5", Pinned: facts.PinnedMAC, Value: mac}
	written := facts.NetworkEntry{File: "/etc/netplan/50-cloud-init.yaml", Device: "ens5", Pinned: facts.PinnedMAC, Value: mac, ByCloudInit: true}
	rule := facts.NetworkEntry{File: "/etc/udev/rules.d/70-persistent-net.rules", Device: "eth0", Pinned: facts.PinnedName, Value: mac}
	eth0 := facts.NetworkEntry{File: "/etc/sysconfig/network-scripts/ifcfg-eth0", Device: "eth0"}
	fixed := facts.NetworkEntry{File: "/etc/network/interfaces", Device: "eth0", Pinned: facts.PinnedAddress, Value: "10.0.0.5/24"}
	no := func(says, saw, value string) want {
		return want{status: Fail, effect: Blocks, cause: "host-network-down", says: says, saw: saw, value: value}
	}
	table := []row{
		{name: "nothing", fault: setup(false, ""), want: want{status: Pass, says: "no network configuration is bound"}},
		{name: "cloud-init", fault: setup(true, "", written), want: want{status: Pass, says: "cloud-init configures"}},
		{name: "cloud-init beside a pin", fault: setup(true, "", pin), want: want{status: Warn, says: "/etc/netplan/01.yaml is bound to the hardware address " + mac}},
		{name: "any device", fault: setup(false, "", eth0), want: want{status: Pass, says: "ifcfg-eth0 configures the network of any machine"}},
		{name: "a pin beside any device", fault: setup(true, off, pin, eth0), want: want{status: Pass}},
		{name: "hardware address", fault: setup(true, off, pin), want: no("/etc/netplan/01.yaml is bound to the hardware address "+mac, off+": network configuration of cloud-init is off", "path=/etc/netplan/01.yaml")},
		{name: "what cloud-init wrote, and then not again", fault: setup(true, off, written), want: no("50-cloud-init.yaml is bound", "", "")},
		{name: "name by udev", fault: setup(false, "", rule, eth0), want: no("the name eth0 for the hardware address "+mac, "", "path=/etc/udev/rules.d/70-persistent-net.rules")},
		{name: "name of another device", fault: setup(false, "", facts.NetworkEntry{File: "/etc/udev/rules.d/70.rules", Device: "eth1", Pinned: facts.PinnedName, Value: mac}, eth0), want: want{status: Pass}},
		{name: "fixed address", fault: setup(false, "", fixed), want: no("the address 10.0.0.5/24", "", "")},
		{name: "cloud-init off, nothing else", fault: setup(true, off), want: no("keeps cloud-init from configuring it, and nothing else does", "", "path="+off)},
		{name: "unread", fault: func(f *facts.Facts) {
			f.Host.NetworkSetup = facts.Unknown[facts.NetworkSetup]("permission denied", "")
		}, want: want{status: Unknown, says: "network configuration: permission denied"}},
		{name: "Windows", kind: "windows", fault: unasked, want: want{status: Pass, says: "no proxy that takes metadata requests"}},
		{name: "Windows, proxy unread", kind: "windows", fault: func(f *facts.Facts) {
			unasked(f)
			f.Agent.ServiceProxy = facts.Unknown[facts.Proxy]("not a file of the registry", "")
		}, want: want{status: Unknown, says: "proxy of the agent's service: not a file of the registry"}},
		{name: "macOS", kind: "mac", fault: unasked, want: want{status: Skip, says: "only on linux"}},
		{name: "proxy takes metadata", kind: "windows", fault: func(f *facts.Facts) {
			unasked(f)
			proxyOf(f, facts.Proxy{HTTP: "http://proxy:3128", By: facts.ByMachine, TakesMetadata: true})
		}, want: want{status: Fail, effect: Blocks, cause: "imds-via-proxy", says: "the proxy is set by the variables of the machine", saw: "http_proxy of the service: http://proxy:3128", value: "proxy=http://proxy:3128"}},
		{name: "proxy with its exception", fault: func(f *facts.Facts) {
			setup(false, "")(f)
			proxyOf(f, facts.Proxy{HTTP: "http://proxy:3128", No: "169.254.169.254"})
		}, want: want{status: Pass}},
		{name: "proxy of a unit", fault: func(f *facts.Facts) {
			setup(true, "")(f)
			proxyOf(f, facts.Proxy{HTTP: "http://proxy:3128", TakesMetadata: true})
		}, want: want{status: Fail, effect: Blocks, cause: "imds-via-proxy"}},
		{name: "metadata switched off", fault: func(f *facts.Facts) {
			setup(true, "")(f)
			f.Agent.Metadata = facts.Known(facts.MetadataEnv{Disabled: true, From: "unit files"}, "unit files")
		}, want: want{status: Fail, effect: Blocks, cause: "imds-disabled", saw: "AWS_EC2_METADATA_DISABLED of the service: true"}},
	}
	judge(t, ImageNetwork, table)
	judgeUnread(t, ImageNetwork, table)
	judgeImageFix(t, ImageNetwork, table[5].fault, "grep -niE 'mac|hwaddr|address' {root}{path}", "Set-NetIPInterface -Dhcp Enabled")
	judgeImageFix(t, ImageNetwork, table[10].fault, "rm {root}{path}", "Set-NetIPInterface -Dhcp Enabled")
	f := factstest.Healthy(t, "profile")
	table[len(table)-1].fault(f)
	fix := ImageNetwork.Judge(node.Of(f)).Fix
	if len(fix) != 3 || !strings.Contains(fix[0].Command, `UnsetEnvironment=AWS_EC2_METADATA_DISABLED\nEnvironment="AWS_EC2_METADATA_DISABLED="\n' > {root}/etc/systemd/system/{unit}.d/zz-`) || !strings.Contains(fix[1].Text, "before sysprep") {
		t.Errorf("steps %+v", fix)
	}
}
