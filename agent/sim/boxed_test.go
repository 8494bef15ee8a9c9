package sim_test

import (
	"fmt"
	"strings"
	"time"

	"ssm-doctor/agent/sim"
)

// boxed is what the lab plants by shell where no observable describes it (box in
// the catalogue), for a simulated host: by scenario.
var boxed = map[string]func(*sim.Scenario){
	"wild-running-but-disabled":      func(s *sim.Scenario) { s.Host.Distro = "sles" },
	"wild-os-without-an-agent":       func(s *sim.Scenario) { s.Host.Distro = "alpine" },
	"wild-firewall-rejects-metadata": func(s *sim.Scenario) { s.IMDS.Mode = "refuse" },
	"wild-unit-without-its-program": func(s *sim.Scenario) {
		for _, name := range []string{"amazon-ssm-agent", "ssm-agent-worker", "ssm-cli", "ssm-document-worker", "ssm-session-worker", "ssm-session-logger"} {
			s.Files["/usr/bin/"+name] = sim.File{Absent: true}
		}
	},
	"wild-old-agent-hibernates-for-hours": func(s *sim.Scenario) {
		var b strings.Builder
		add := func(before time.Duration, text string) {
			fmt.Fprintf(&b, "%s INFO %s\n", s.Now.Add(-before).Format(time.DateTime), text)
		}
		add(50*time.Hour, "Agent is in hibernate mode. Reducing logging. Logging will be reduced to one log per backoff period")
		add(49*time.Hour+30*time.Minute, "Backing off health check to every 600 seconds for 1800 seconds.")
		add(49*time.Hour, "Backing off health check to every 1800 seconds for 5400 seconds.")
		for h := 47; h > 0; h -= 3 {
			add(time.Duration(h)*time.Hour, "Backing off health check to every 3600 seconds for 10800 seconds.")
		}
		s.Files["/var/log/amazon/ssm/hibernate.log"] = sim.File{Content: b.String(), Mode: 0o600}
	},
}

// hostOf is the host of a scenario at a time, and what of it cannot be expressed.
func hostOf(c *observed, at time.Time) (sim.Scenario, []string) {
	s, cannot := convert(c)
	s.Now = at
	id, _, _ := strings.Cut(c.ID, "~") // a mutant is named after its scenario
	if plant := boxed[id]; plant != nil {
		plant(&s)
	}
	return s, cannot
}
