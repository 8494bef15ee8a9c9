package sim_test

import (
	"testing"
	"time"

	"ssm-doctor/agent/sim"
)

// loneFaults are faults that others hide, so that no rule says what a host with
// two of them gets.
var loneFaults = []fault{
	{"stopped-long-after-denial", "agent-service-stopped", "critical", "profile", func(s *sim.Scenario) {
		ends(s, sim.Unit{Active: "inactive", Since: sim.Duration(3 * time.Hour)})
		s.Log = nil
		s.Host.SELinux = true
		s.Host.Audit = []string{`type=AVC msg=audit(1700000000.123:456): avc:  denied  { execute } for  pid=811 comm="(ssm-agent)" path="/usr/bin/amazon-ssm-agent" dev="nvme0n1p1" ino=42 scontext=system_u:system_r:init_t:s0 tcontext=unconfined_u:object_r:user_tmp_t:s0 tclass=file permissive=0`}
	}, nil},
	{"service-domain", "agent-config-invalid", "critical", "profile", func(s *sim.Scenario) {
		s.Agent.Config = `{"Agent": {"ServiceDomain": "internal.example"}}`
		broken(s, "dial tcp: lookup ssm.{region}.internal.example: no such host")
	}, nil},
}

func TestLoneFaults(t *testing.T) {
	t.Parallel()
	for _, f := range loneFaults {
		s := bases[f.base]()
		s.Now = now
		f.put(&s)
		r, _ := examine(t, s)
		if id, severity := answer(r); id != f.cause || severity != f.severity {
			t.Errorf("%s: got %s %s, want %s %s: %s", f.name, severity, id, f.severity, f.cause, r.Summary)
		}
	}
}
