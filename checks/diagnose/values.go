package diagnose

import (
	"slices"
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/pattern"
	"ssm-doctor/checks/text"
)

// metadataAddresses never go through a proxy.
var metadataAddresses = []string{"169.254.169.254", "fd00:ec2::254"}

// values are this host's values for remedies.
func values(n *node.Node) causes.Values {
	f := n.Facts
	v := causes.Values{
		"goos": f.Host.GOOS, "manager": f.Agent.Manager.Value, "arch": f.Host.Arch,
		"node": n.Identity.ID, "region": regionOf(n), "account": n.Identity.Account, "partition": n.Identity.Partition,
		"role": n.RoleInUse(), "domain": f.Network.Domain, "config": f.Agent.ConfigPath, "cluster": f.ECS.Task.Value.Cluster, "task": f.ECS.Task.Value.TaskARN, "family": f.ECS.Task.Value.Family,
	}
	if id, ok := f.IMDS.InstanceID.Get(); ok {
		v["instance"] = id
	} else if strings.HasPrefix(v["node"], "i-") {
		v["instance"] = v["node"]
	}
	if p, ok := f.IMDS.Profile.Get(); ok {
		v["profile"] = p.Name
	}
	if n.Identity.Hybrid == node.Yes {
		v["servicerole"] = n.RoleInUse()
	}
	if n.Identity.OnEC2 == node.No {
		v["ec2"] = "no"
	}
	if vpc, ok := f.IMDS.VPC.Get(); ok {
		v["vpc"], v["subnet"], v["cidr"], v["sg"] = vpc.ID, vpc.Subnet, vpc.CIDR, first(vpc.SecurityGroups)
	}
	for _, in := range f.Agent.Installations.Some() {
		v["package"] = in.Kind
		if in.Dir != "" {
			v["agent"] = executable(f.Host.GOOS, in.Dir)
		}
	}
	if own := f.Agent.Folders; own.Data != "" {
		v["data"], v["runtime"], v["log"], v["config"] = own.Data, own.Runtime, own.Log, own.Config
	}
	if list, ok := noProxy(f); ok {
		v["noproxy"] = list
	}
	if !f.Live() {
		root := text.Or(safe(strings.TrimSuffix(f.Root, "/")), "ROOT")
		v["root"], v["chroot"], v["imagecheck"] = root, "chroot "+root+" ", "ssm-doctor check --profile image --root "+root
	}
	v["corepolicy"] = "arn:" + text.Or(v["partition"], "aws") + ":iam::aws:policy/AmazonSSMManagedInstanceCore"
	if n.Credentials.Source == facts.SourceDHMC {
		v["corepolicy"] = "arn:" + text.Or(v["partition"], "aws") + ":iam::aws:policy/AmazonSSMManagedEC2InstanceDefaultPolicy"
	}
	v["dhmcsetting"] = "arn:" + text.Or(v["partition"], "aws") + ":ssm:" + text.Or(v["region"], "REGION") + ":" + text.Or(v["account"], "ACCOUNT_ID") +
		":servicesetting/ssm/managed-instance/default-ec2-instance-management-role"
	refused, failed := n.RetryCap()
	v["refusedwait"], v["failedwait"] = text.Span(refused), text.Span(failed)
	v["reach"] = reach(n)
	serviceCommands(n, v)
	return v
}

// regionOf is the Region that the commands of steps name: that of the node, or else what its
// surroundings say. Nothing else is concluded from that.
func regionOf(n *node.Node) string {
	if n.Identity.Region != "" {
		return n.Identity.Region
	}
	f := n.Facts
	if part := strings.Split(f.ECS.Task.Value.Cluster, ":"); len(part) > 3 && part[0] == "arn" { // arn:aws:ecs:REGION:…
		return part[3]
	}
	if i, ok := f.Registration.Informational.Get(); ok && facts.IsRegion(i.Region) {
		return i.Region
	}
	if c, ok := f.Agent.Config.Get(); ok && facts.IsRegion(c.Region) {
		return c.Region
	}
	if n.Identity.OnEC2 == node.Yes { // its VPC names domains and hosts for it, unless its DHCP options say otherwise
		for _, name := range append([]string{f.Host.Hostname.Value}, f.Host.Resolver.Value.Search...) {
			if r := internalRegion(name); r != "" {
				return r
			}
		}
	}
	for _, m := range f.Log.Matches.Some() {
		if g := reRegional.FindStringSubmatch(m.Text); g != nil && facts.IsRegion(g[1]) {
			return g[1]
		}
	}
	return ""
}

// internalRegion is the Region of a name as VPCs give it: ip-10-0-0-1.REGION.compute.internal;
// in us-east-1 it is ec2.internal. Source: Amazon VPC user guide, "DNS attributes".
func internalRegion(name string) string {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if rest, ok := strings.CutSuffix(name, ".compute.internal"); ok {
		if r := rest[strings.LastIndex(rest, ".")+1:]; facts.IsRegion(r) {
			return r
		}
	}
	if name == "ec2.internal" || strings.HasSuffix(name, ".ec2.internal") {
		return "us-east-1"
	}
	return ""
}

// reRegional is the name of an endpoint in an entry of the agent's log.
var reRegional = pattern.New(`\b(?:ssm|ssmmessages|ec2messages)\.([a-z0-9-]+)\.(?:amazonaws\.com|api\.aws)`)

// reach is what else a stop of the agent touches: what signs with its credentials or keeps
// it, and what runs by it on a node that is accepted; empty: nothing that was seen.
func reach(n *node.Node) string {
	runs := ""
	if n.Acceptance.Now == node.Yes && n.Agent.Core == node.Yes {
		runs = "commands and sessions that run now are interrupted"
	}
	if n.Identity.Hybrid != node.Yes {
		return runs
	}
	for _, t := range []struct{ kind, says string }{
		{facts.AroundEKS, "the kubelet of this EKS hybrid node signs with the agent's credentials: a restart is short, but a new registration is another node to the cluster, so let nodeadm make it"},
		{facts.AroundECS, "the agent of Amazon ECS signs with the agent's credentials: a new registration is another container instance to the cluster"},
		{facts.AroundGreengrass, "the nucleus of Greengrass installs and registers the agent: make a new registration by deploying aws.greengrass.SystemsManagerAgent again"},
	} {
		if len(n.Dependents(t.kind)) > 0 {
			return t.says
		}
	}
	return runs
}

// executable is the agent's program in a folder.
func executable(goos, dir string) string {
	if goos == "windows" {
		return strings.TrimRight(dir, `\/`) + `\amazon-ssm-agent.exe`
	}
	return strings.TrimSuffix(dir, "/") + "/amazon-ssm-agent"
}

// noProxy is the no_proxy list of the agent's service, else that of the host's
// users, with the metadata addresses in it; false when no list could be read.
func noProxy(f *facts.Facts) (string, bool) {
	service, ok := f.Agent.ServiceProxy.Get()
	if !ok && !f.Agent.ServiceProxy.Absent() {
		return "", false
	}
	list := service.No
	if list == "" {
		list = f.Agent.ShellProxy.Value.No
	}
	// Entries that keep the agent from a proxy it needs do not belong there.
	var wrong []string
	if p, ok := f.Network.ShellProxy.Get(); ok && p.Outcome == facts.OK {
		wrong = p.Excluded
	}
	var out []string
	for _, a := range append(strings.Split(list, ","), metadataAddresses...) {
		if a = strings.TrimSpace(a); a != "" && !slices.Contains(out, a) && !slices.Contains(wrong, a) {
			out = append(out, a)
		}
	}
	return strings.Join(out, ","), true
}

// serviceCommands sets the commands that differ by the way the agent was
// installed and by what the host has to install it with.
func serviceCommands(n *node.Node, v causes.Values) {
	f := n.Facts
	region, domain := text.Or(safe(v["region"]), "REGION"), text.Or(safe(v["domain"]), "amazonaws.com")
	bucket := "https://s3." + region + "." + domain + "/amazon-ssm-" + region + "/latest/"
	v["downgrade"] = "" // only rpm takes an older package
	switch f.Host.GOOS {
	case "windows":
		v["install"] = `[Net.ServicePointManager]::SecurityProtocol = 'Tls12'; Invoke-WebRequest ` + bucket + `windows_amd64/AmazonSSMAgentSetup.exe -OutFile $env:TEMP\ssm.exe; Start-Process $env:TEMP\ssm.exe -ArgumentList '/S' -Wait`
	case "darwin":
		v["install"] = "curl -fsSLO " + bucket + "darwin_" + text.Or(safe(f.Host.Arch), "amd64") + "/amazon-ssm-agent.pkg && installer -pkg amazon-ssm-agent.pkg -target /"
	default:
		unit := text.Or(safe(n.Agent.UnitName()), "amazon-ssm-agent.service")
		name := strings.TrimSuffix(unit, ".service")
		v["unit"], v["restart"], v["stop"], v["start"] = unit, "systemctl restart "+name, "systemctl stop "+name, "systemctl start "+name
		v["enable"], v["enableonly"] = "systemctl enable --now "+unit, "systemctl enable "+unit
		u := n.Agent.Unit
		switch masked := u != nil && strings.HasPrefix(u.Enabled, "masked"); {
		case masked:
			v["enableonly"] = "systemctl unmask " + unit + "\n" + v["enableonly"]
			fallthrough
		case u == nil && n.Agent.Installed == node.No: // its package brings the unit
		case u == nil || u.Enabled == "": // where it is not masked this changes nothing
			v["enable"] = "systemctl unmask " + unit + "\n" + v["enable"]
		}
		switch f.Agent.Manager.Value {
		case "openrc":
			v["restart"], v["stop"], v["start"] = "rc-service "+name+" restart", "rc-service "+name+" stop", "rc-service "+name+" start"
			v["enableonly"] = "rc-update add " + name + " default"
			v["enable"] = v["enableonly"] + "\n" + v["start"]
		case "upstart":
			v["stop"], v["start"] = "initctl stop "+name, "initctl start "+name
			v["restart"] = v["stop"] + "; " + v["start"]
			v["enableonly"] = "rm -f /etc/init/" + name + ".override"
			v["enable"] = v["enableonly"] + "\n" + v["start"]
		case "sysv":
			v["restart"], v["stop"], v["start"] = "/etc/init.d/"+name+" restart", "/etc/init.d/"+name+" stop", "/etc/init.d/"+name+" start"
			v["enableonly"] = "update-rc.d " + name + " defaults || chkconfig --add " + name
			v["enable"] = v["enableonly"] + "\n" + v["start"]
		}
		v["journal"] = "journalctl -u " + unit + " -n 50 --no-pager; tail -n 50 /var/log/amazon/ssm/amazon-ssm-agent.log"
		if m := f.Agent.Manager.Value; m == "openrc" || m == "sysv" || m == "upstart" {
			v["journal"] = "tail -n 50 /var/log/amazon/ssm/amazon-ssm-agent.log"
		}
		v["install"] = installOnLinux(n, bucket, v["root"])
		if n.Agent.Installed == node.No && strings.HasPrefix(v["install"], "snap ") { // whose unit has another name
			v["enable"] = "snap start --enable amazon-ssm-agent"
		}
		if strings.HasPrefix(unit, "host-containers@") {
			v["enable"], v["enableonly"] = "apiclient set host-containers.control.enabled=true", "apiclient set host-containers.control.enabled=true"
			v["journal"] = "journalctl -u " + unit + " -n 100 --no-pager"
		}
	}
	switch d, family := f.Host.Distro.Value, n.Platform().Family; {
	case d.ID == "alpine":
		v["adduser"], v["installscript"] = "adduser -D", "apk add util-linux-misc"
		v["trustca"], v["refreshca"] = trustDebian, "apk upgrade ca-certificates"
		v["rebuildca"] = "apk fix --reinstall ca-certificates"
	case family == "deb", family == "ubuntu":
		v["installscript"] = "apt-get install -y bsdutils"
		v["trustca"], v["refreshca"] = trustDebian, "apt-get update && apt-get install -y ca-certificates"
		v["rebuildca"] = "apt-get update && apt-get install -y --reinstall ca-certificates"
	case d.ID == "fedora":
		v["installscript"] = "dnf install -y util-linux-script"
	case family == "zypper":
		v["installscript"] = "zypper --non-interactive install util-linux"
		v["trustca"], v["refreshca"] = "cp ~root/your-ca.pem /etc/pki/trust/anchors/ && update-ca-certificates", "zypper --non-interactive update ca-certificates ca-certificates-mozilla"
		v["rebuildca"] = "zypper --non-interactive install --force ca-certificates ca-certificates-mozilla"
	}
	v["reinstall"], v["repair"] = v["install"], repairOnLinux(n, bucket, v["root"], v["install"])
	for _, in := range f.Agent.Installations.Some() {
		switch {
		case in.Kind == "snap" && n.Has("snap") != node.No:
			v["reinstall"] = "snap refresh amazon-ssm-agent"
		case in.Kind == "deb" && v["root"] == "": // and no snap beside it
			v["reinstall"] = installDeb(n, bucket, "")
		case in.Kind == "rpm" && n.Platform().Family == "zypper":
			v["downgrade"] = "zypper --non-interactive install --oldpackage"
		case in.Kind == "rpm":
			v["downgrade"] = rpmTool(n) + " downgrade -y"
		}
	}
}

const trustDebian = "cp ~root/your-ca.pem /usr/local/share/ca-certificates/your-ca.crt && update-ca-certificates"

// installOnLinux is the command that installs or updates the agent, by a package
// manager of the distribution that this host has, into the file system below root where
// that is set; empty where there is no package for it. yum is on every rpm system that
// AWS supports, unless this one shows that it is not.
func installOnLinux(n *node.Node, bucket, root string) string {
	rpm := rpmOf(n, bucket)
	switch p := n.Platform(); {
	case p.Supported == node.No, p.Family == "bottlerocket":
		return ""
	case p.Family == "ubuntu" && root == "" && n.Has("snap") != node.No:
		return "snap install amazon-ssm-agent --classic"
	case p.Family == "ubuntu", p.Family == "deb":
		return installDeb(n, bucket, root)
	case p.Family == "zypper" && root != "":
		return "zypper --root " + root + " --non-interactive install " + rpm
	case p.Family == "zypper":
		return "zypper --non-interactive install " + rpm
	case root != "":
		return rpmTool(n) + " install -y --installroot=" + root + " " + rpm
	}
	return rpmTool(n) + " install -y " + rpm
}

// rpmOf is the address of the package for this processor.
func rpmOf(n *node.Node, bucket string) string {
	return bucket + "linux_" + packageArch(n) + "/amazon-ssm-agent.rpm"
}

// installDeb is the command that installs the package for this processor, into the file
// system below root where that is set.
func installDeb(n *node.Node, bucket, root string) string {
	s := "curl -fsSLO " + bucket + "debian_" + packageArch(n) + "/amazon-ssm-agent.deb && dpkg "
	if root != "" {
		s += "--root=" + root + " "
	}
	return s + "-i amazon-ssm-agent.deb"
}

// packageArch is the processor in the names of packages.
func packageArch(n *node.Node) string {
	if a := n.Facts.Host.Arch; a == "arm64" || a == "arm" || a == "386" {
		return a
	}
	return "amd64"
}

// rpmTool is what installs an rpm package from an address: yum, or dnf where yum is not
// even a link to it.
func rpmTool(n *node.Node) string {
	if n.Has("yum") == node.No && n.Has("dnf") == node.Yes {
		return "dnf"
	}
	return "yum"
}

// repairOnLinux is the command that puts the files of an installed package back, which
// installing it does not do where its record says that it is there; below root where that
// is set.
func repairOnLinux(n *node.Node, bucket, root, install string) string {
	f := n.Facts
	if f.Host.GOOS != "linux" && f.Host.GOOS != "" {
		return install
	}
	for _, in := range f.Agent.Installations.Some() {
		switch in.Kind {
		case "snap":
			if n.Has("snap") == node.No || root != "" {
				return install
			}
			switch {
			case in.Broken == facts.SnapNotCurrent: // as a disabled snap has it
				return "snap enable amazon-ssm-agent || snap revert amazon-ssm-agent"
			case in.Other != "":
				return "snap revert amazon-ssm-agent"
			}
			return "snap remove amazon-ssm-agent && snap install amazon-ssm-agent --classic"
		case "rpm":
			if root != "" {
				root = "--root=" + root + " "
			}
			return "rpm -Uvh --force " + root + rpmOf(n, bucket)
		case "deb":
			return installDeb(n, bucket, root)
		}
	}
	return install
}

// safe is a value that may stand in a command, or nothing.
func safe(s string) string {
	if causes.Safe(s) {
		return s
	}
	return ""
}

func first(s []string) string {
	if len(s) == 0 {
		return ""
	}
	return s[0]
}
