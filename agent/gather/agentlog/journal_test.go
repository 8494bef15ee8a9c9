package agentlog

import (
	"context"
	"slices"
	"testing"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

func TestJournalOfBottlerocket(t *testing.T) {
	t.Parallel()
	const lines = `time="2026-11-22T08:00:00Z" level=info msg="pulled image successfully" img="x"
2026-11-22 08:00:01.1234 INFO [amazon-ssm-agent] amazon-ssm-agent - v3.3.3050.0
2026-11-22 08:00:02.1234 INFO EC2RoleProvider Successfully connected with instance profile role credentials
`
	for _, c := range []struct {
		name string
		err  error
		ok   bool
	}{{"read", nil, true}, {"no journalctl", gather.ErrNoProgram, false}} {
		env := gathertest.InMemory(map[string][]byte{"etc/os-release": []byte("ID=bottlerocket\n")})
		env.Exec = func(_ context.Context, name string, args ...string) ([]byte, error) {
			if name != "journalctl" || !slices.Contains(args, "host-containers@control.service") {
				t.Errorf("%s %v", name, args)
			}
			return []byte(lines), c.err
		}
		f := &facts.Facts{}
		err := Source{}.Gather(t.Context(), env.Begin(), f)
		if (err == nil) != c.ok || f.Log.Matches.Known() != c.ok {
			t.Errorf("%s: %v, %+v", c.name, err, f.Log.Matches)
		}
		found := slices.ContainsFunc(f.Log.Matches.Value, func(m facts.Match) bool { return m.ID == facts.SigProfileOK })
		if found != c.ok {
			t.Errorf("%s: %+v", c.name, f.Log.Matches.Value)
		}
	}
}
