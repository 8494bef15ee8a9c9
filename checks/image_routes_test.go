package checks

import (
	"testing"

	"ssm-doctor/checks/facts"
)

func TestImageRoutes(t *testing.T) {
	t.Parallel()
	kept := func(r facts.Route) func(*facts.Facts) {
		return func(f *facts.Facts) { f.Host.PersistentRoutes = facts.Known([]facts.Route{r}, "network configuration") }
	}
	named := func(saw, value string) want {
		return want{status: Fail, effect: Blocks, cause: "imds-route-wrong", confidence: Proven, says: "the image keeps a route to 169.254.169.254 via 10.4.0.1", saw: saw, value: value}
	}
	route := facts.Route{Destination: "169.254.169.254/32", Gateway: "10.4.0.1", From: "file:/etc/netplan/50.yaml"}
	bare, registry := route, route
	bare.From, registry.From = "/etc/netplan/50.yaml", `registry:HKLM\PersistentRoutes`
	table := []row{
		{name: "clean", want: want{status: Pass, says: "no such route"}},
		{name: "a route", fault: kept(route), want: named("/etc/netplan/50.yaml: 169.254.169.254/32 via 10.4.0.1 (file:/etc/netplan/50.yaml)", "path=/etc/netplan/50.yaml")},
		{name: "its gateway", fault: kept(route), want: named("", "gateway=10.4.0.1")},
		{name: "a path alone", fault: kept(bare), want: named("(file:/etc/netplan/50.yaml)", "path=/etc/netplan/50.yaml")},
		{name: "Windows", kind: "windows", fault: kept(registry), want: named(`(registry:HKLM\PersistentRoutes)`, "gateway=10.4.0.1")},
		{name: "EC2Launch v2 sets it again", kind: "windows", fault: func(f *facts.Facts) {
			kept(registry)(f)
			f.Host.LaunchAgents = facts.Known([]facts.LaunchAgent{{Kind: facts.LaunchV2, Service: facts.Known(facts.Service{Active: "stopped", Enabled: "enabled"}, "")}}, "")
		}, want: want{status: Warn, says: "EC2Launch v2 sets it again at the next start"}},
		{name: "EC2Launch v2 is disabled", kind: "windows", fault: func(f *facts.Facts) {
			kept(registry)(f)
			f.Host.LaunchAgents = facts.Known([]facts.LaunchAgent{{Kind: facts.LaunchV2, Service: facts.Known(facts.Service{Active: "stopped", Enabled: "disabled"}, "")}}, "")
		}, want: named("", "")},
		{name: "EC2Launch is scheduled", kind: "windows", fault: func(f *facts.Facts) {
			kept(registry)(f)
			f.Host.LaunchAgents = facts.Known([]facts.LaunchAgent{{Kind: facts.LaunchV1, Scheduled: facts.Known(true, "")}}, "")
		}, want: want{status: Warn, says: "EC2Launch sets it again"}},
		{name: "EC2Launch has run", kind: "windows", fault: func(f *facts.Facts) {
			kept(registry)(f)
			f.Host.LaunchAgents = facts.Known([]facts.LaunchAgent{{Kind: facts.LaunchV1, Scheduled: facts.Known(false, "")}}, "")
		}, want: named("", "")},
		{name: "on link", fault: kept(facts.Route{Destination: "169.254.169.254/32", From: "file:/etc/netplan/50.yaml"}), want: want{status: Pass}},
		{name: "partly read", fault: func(f *facts.Facts) {
			f.Host.PersistentRoutes = facts.Partly([]facts.Route{route}, "permission denied", "")
		}, want: named("", "")},
		{name: "unread", fault: func(f *facts.Facts) { f.Host.PersistentRoutes = facts.Unknown[[]facts.Route]("permission denied", "") }, want: want{status: Unknown, says: "network configuration: permission denied"}},
	}
	judge(t, ImageRoutes, table)
	judgeUnread(t, ImageRoutes, table)
	judgeImageFix(t, ImageRoutes, table[1].fault, "grep -n 169.254.169.254 {root}{path}", "route delete 169.254.169.254")
}
