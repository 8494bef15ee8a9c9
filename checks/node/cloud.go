package node

import (
	"slices"
	"strings"

	"ssm-doctor/checks/facts"
)

// Clouds to which Systems Manager can be connected.
// Source: AWS Systems Manager user guide, "Cloud Connectors", for Azure and for GCP.
const (
	Azure       = "Microsoft Azure"
	GoogleCloud = "Google Cloud"
)

// azureChassis is the asset tag of the chassis of every machine of Azure; others of the
// same vendor run on a Hyper-V of their own.
// Source: cloud-init, tools/ds-identify.
const azureChassis = "7783-7084-3265-9085-8269-3286-77"

// cloudMark is what the firmware of a cloud's machines says. Source: cloud-init,
// tools/ds-identify, and the data sources of cloud-init.
type cloudMark struct{ name, field, text string }

var cloudMarks = []cloudMark{
	{Azure, "chassis", azureChassis},
	{GoogleCloud, "product", "Google Compute Engine"},
	{GoogleCloud, "vendor", "Google"},
	{GoogleCloud, "vendor", "Google Compute Engine"},
	{"Oracle Cloud", "chassis", "OracleCloud.com"},
	{"Oracle Cloud", "vendor", "OracleCloud.com"},
	{"Alibaba Cloud", "product", "Alibaba Cloud ECS"},
	{"Alibaba Cloud", "vendor", "Alibaba Cloud"},
	{"DigitalOcean", "vendor", "DigitalOcean"},
	{"Hetzner", "vendor", "Hetzner"},
	{"Scaleway", "vendor", "Scaleway"},
	{"OVHcloud", "vendor", "OVHcloud"},
	{"Vultr", "vendor", "Vultr"},
	{"Exoscale", "vendor", "Exoscale"},
	{"UpCloud", "vendor", "UpCloud"},
	{"Akamai", "vendor", "Akamai"},
	{"Akamai", "vendor", "Linode"},
	{"Tencent Cloud", "vendor", "Tencent Cloud"},
	{"Huawei Cloud", "chassis", "HUAWEICLOUD"},
	{"Open Telekom Cloud", "chassis", "OpenTelekomCloud"},
	{"IBM Cloud", "chassis", "ibmcloud"},
	{"CloudStack", "product", "CloudStack KVM Hypervisor"},
	{"CloudSigma", "product", "CloudSigma"},
	{"OpenStack", "vendor", "OpenStack Foundation"},
	{"OpenStack", "product", "OpenStack Nova"},
	{"OpenStack", "product", "OpenStack Compute"},
	{"OpenStack", "chassis", "OpenStack Nova"},
	{"OpenStack", "chassis", "OpenStack Compute"},
	{"OpenStack", "chassis", "SAP CCloud VM"},
}

// cloudOf is the cloud that the firmware names; empty: none that is known, or it is
// Amazon's. A hypervisor's name, such as VMware's, is none.
func cloudOf(f *facts.Facts) (name string, seen facts.Seen[string]) {
	fields := map[string]facts.Seen[string]{"vendor": f.Host.DMI.Vendor, "product": f.Host.DMI.Product, "chassis": f.Host.DMI.Chassis}
	for _, m := range cloudMarks {
		if v, ok := fields[m.field].Get(); ok && strings.EqualFold(v, m.text) {
			return m.name, fields[m.field]
		}
	}
	return "", facts.Seen[string]{}
}

// MarksCloud reports whether the asset tag of a chassis is that of a cloud's machines.
func MarksCloud(chassis string) bool {
	return slices.ContainsFunc(cloudMarks, func(m cloudMark) bool { return m.field == "chassis" && strings.EqualFold(chassis, m.text) })
}

// cloudOfReply is the cloud whose metadata service gave an answer to a token request of
// EC2, or to one without a token, as far as the answer names it.
// Source: the documentation of Azure Instance Metadata Service and of the metadata
// server of Google Compute Engine; recorded answers of the others.
func cloudOfReply(e facts.Exchange) string {
	server := strings.ToLower(e.Server)
	body := strings.ToLower(e.Body)
	switch {
	case strings.EqualFold(e.Flavor, "Google"), strings.Contains(server, "metadata server for vm"):
		return GoogleCloud
	case strings.HasPrefix(server, "microsoft-iis") || strings.HasPrefix(server, "imds"), strings.Contains(body, "required metadata header not specified"):
		return Azure
	case strings.Contains(body, "metadata-flavor"):
		return GoogleCloud
	}
	return ""
}

// cloudThatAnswers is the cloud by whose metadata service the requests for that of EC2
// were answered; empty: none that is known.
func cloudThatAnswers(f *facts.Facts) string {
	hyperV := strings.EqualFold(f.Host.DMI.Vendor.Value, "Microsoft Corporation") && !f.Host.DMI.Chassis.Known()
	for _, x := range []facts.Seen[facts.Exchange]{f.IMDS.Token, f.IMDS.Bare} {
		e, ok := x.Get()
		if !ok || e.Status == 0 || e.Token {
			continue
		}
		if name := cloudOfReply(e); name != "" {
			return name
		}
		if hyperV { // of machines with this maker only those of Azure have such a service
			return Azure
		}
	}
	return ""
}

// Cloud is another cloud that this host is a machine of, by its firmware or by what
// answers for metadata; empty: none that is known. The second is what told it.
func (n *Node) Cloud() (name, seen string) {
	if n.Identity.OnEC2 == Yes {
		return "", ""
	}
	if name, at := cloudOf(n.Facts); name != "" {
		return name, at.Value
	}
	if name := cloudThatAnswers(n.Facts); name != "" {
		return name, "its reply at 169.254.169.254"
	}
	i := n.Facts.IMDS
	// OpenStack and its kin also answer like the first version of EC2's service.
	if bare, ok := i.Bare.Get(); ok && n.Identity.OnEC2 == No && bare.Status == 200 && bare.Body == "" {
		return "a cloud with metadata in the form of EC2", "GET /latest/meta-data/ answers without a token"
	}
	return "", ""
}
