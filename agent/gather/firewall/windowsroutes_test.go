package firewall

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/checks/facts"
)

func TestWindowsRoutes(t *testing.T) {
	t.Parallel()
	const from = "registry"
	got := WindowsRoutes(facts.Known([]string{
		"169.254.169.254,255.255.255.255,10.4.0.1,25", "169.254.169.250, 255.255.255.255, 10.4.0.1, 25", "169.254.0.0,255.255.0.0,10.4.0.2,25",
		"0.0.0.0,0.0.0.0,10.4.0.1,25", "169.254.169.254,255.255.255.255", "169.254.169.254,x,10.4.0.1,1", "",
	}, from))
	want := facts.Known([]facts.Route{
		{Destination: "169.254.169.254/32", Gateway: "10.4.0.1", Kind: "unicast", From: from},
		{Destination: "169.254.0.0/16", Gateway: "10.4.0.2", Kind: "unicast", From: from},
	}, from)
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got := WindowsRoutes(facts.Unknown[[]string]("access is denied", from)); got.Known() || got.Why != "access is denied" {
		t.Errorf("%+v", got)
	}
}
