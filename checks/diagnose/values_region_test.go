package diagnose

import (
	"testing"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/node"
)

func TestInternalRegion(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"ip-10-0-12-34.eu-central-1.compute.internal": "eu-central-1", "eu-west-2.compute.internal.": "eu-west-2",
		"ip-10-0-12-34.ec2.internal": "us-east-1", "ec2.internal": "us-east-1",
		"web.corp.example": "", "compute.internal": "", "x.compute.internal": "", "notec2.internal": "", "": "",
	} {
		if got := internalRegion(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// TestRegionOfSteps: commands name the Region that the surroundings of a host tell, where
// nothing else does; the node's own comes first.
func TestRegionOfSteps(t *testing.T) {
	t.Parallel()
	forget := func(f *facts.Facts) {
		f.IMDS.Region, f.Network.Region = facts.Unknown[string]("no answer", ""), ""
		f.Registration.Hybrid, f.Registration.Informational = facts.Absent[facts.Key]("no", ""), facts.Absent[facts.Informational]("no", "")
		f.Host.Hostname, f.Host.Resolver = facts.Known("web", ""), facts.Known(facts.Resolver{}, "")
		f.Log.Matches = facts.Known([]facts.Match{}, "")
	}
	for name, c := range map[string]struct {
		put  func(*facts.Facts)
		want string
	}{
		"own": {func(f *facts.Facts) { f.Network.Region = "eu-north-1" }, "eu-north-1"},
		"search": {func(f *facts.Facts) {
			f.Host.Resolver.Value.Search = []string{"corp.example", "eu-west-3.compute.internal"}
		}, "eu-west-3"},
		"host": {func(f *facts.Facts) { f.Host.Hostname.Value = "ip-10-0-0-1.ec2.internal" }, "us-east-1"},
		"log": {func(f *facts.Facts) {
			f.Log.Matches.Value = []facts.Match{{Text: "Post https://ssm.ap-south-1.amazonaws.com/: dial tcp: i/o timeout"}}
		}, "ap-south-1"},
		"none": {func(*facts.Facts) {}, ""},
	} {
		f := factstest.Healthy(t, "profile")
		forget(f)
		c.put(f)
		if got := regionOf(node.Of(f)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
