package node

import (
	"testing"

	"ssm-doctor/checks/facts"
)

func TestCloud(t *testing.T) {
	t.Parallel()
	firmware := func(vendor, product, chassis string) fault {
		return func(f *facts.Facts) {
			seen := func(s string) facts.Seen[string] {
				if s == "" {
					return facts.Absent[string]("no such file", "")
				}
				return facts.Known(s, "dmi")
			}
			f.Host.DMI = facts.DMI{Vendor: seen(vendor), Product: seen(product), Chassis: seen(chassis)}
		}
	}
	replies := func(e facts.Exchange) fault {
		return func(f *facts.Facts) { f.IMDS.Token = facts.Known(e, "imds") }
	}
	for _, c := range []struct {
		name, kind string
		fault      fault
		want       string
	}{
		{"an instance", "profile", nil, ""},
		{"a rack", "hybrid", nil, ""},
		{"Azure", "hybrid", firmware("Microsoft Corporation", "Virtual Machine", azureChassis), Azure},
		{"Hyper-V", "hybrid", firmware("Microsoft Corporation", "Virtual Machine", "1234"), ""},
		{"Hyper-V with a portal", "hybrid", all(firmware("Microsoft Corporation", "Virtual Machine", "1234"), replies(facts.Exchange{Status: 404, Server: "nginx"})), ""},
		{"Azure, no chassis", "hybrid", all(firmware("Microsoft Corporation", "", ""), replies(facts.Exchange{Status: 405})), Azure},
		{"Azure by its reply", "hybrid", replies(facts.Exchange{Status: 400, Body: "Bad request. Required metadata header not specified"}), Azure},
		{"Google by its reply", "hybrid", replies(facts.Exchange{Status: 404, Flavor: "Google"}), GoogleCloud},
		{"Google", "hybrid", firmware("Google", "Google Compute Engine", ""), GoogleCloud},
		{"Oracle", "hybrid", firmware("QEMU", "Standard PC", "OracleCloud.com"), "Oracle Cloud"},
		{"OpenStack", "hybrid", firmware("OpenStack Foundation", "OpenStack Nova", ""), "OpenStack"},
		{"VMware", "hybrid", firmware("VMware, Inc.", "VMware7,1", ""), ""},
		{"in the form of EC2", "hybrid", func(f *facts.Facts) { f.IMDS.Bare = facts.Known(facts.Exchange{Status: 200}, "imds") }, "a cloud with metadata in the form of EC2"},
		{"a portal", "hybrid", replies(facts.Exchange{Status: 200, Server: "nginx", Body: "<html>"}), ""},
	} {
		if got, _ := nodeOf(t, c.kind, nonNil(c.fault)).Cloud(); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if got := nodeOf(t, "hybrid", all(nowhere, replies(facts.Exchange{Status: 404, Flavor: "Google"}))).Identity.OnEC2; got != No {
		t.Errorf("on EC2, where Google answers: %v", got)
	}
}
