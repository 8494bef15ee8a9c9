package engine

import (
	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/agentlog"
	"ssm-doctor/agent/gather/awsapi"
	"ssm-doctor/agent/gather/ecs"
	"ssm-doctor/agent/gather/endpoint"
	"ssm-doctor/agent/gather/imds"
	"ssm-doctor/agent/gather/install"
	"ssm-doctor/agent/gather/opsys"
	"ssm-doctor/agent/gather/registration"
	"ssm-doctor/agent/gather/work"
)

// step is a source and the names of those that must have ended before it begins: it
// reads their sections. Sources of which neither is after the other run at the same time
// and do not read each other's sections, unless they wait for the end of one (gather.Run.Await).
type step struct {
	gather.Source
	after []string
}

// first are the sources that begin before all others: they send a little and wait, which
// is not to stand behind what reads files.
var first = []string{imds.Source{}.Name()}

// plan lists the sources. A new one is one line here.
func plan(w Waves) []step {
	steps := []step{
		{opsys.Source{}, nil}, {install.Source{}, nil}, {registration.Source{}, nil}, {registration.Credentials{}, nil}, {agentlog.Source{}, nil}, {install.Uses{}, []string{"agent"}}, {ecs.Source{}, nil},
		{imds.Source{}, nil},
		{work.Source{}, []string{"agent", "log"}},
	}
	if w.SkipNetwork {
		return steps
	}
	// Where the Region is known without the metadata service, nothing waits for that.
	steps = append(steps, step{endpoint.Source{}, []string{"host", "registration"}}, step{imds.ViaProxy{}, []string{"host", "agent", "imds"}})
	if w.SkipPermissions {
		return steps
	}
	identity := step{awsapi.Identities{}, []string{"host", "registration", "credentials"}}
	return append(steps, identity, step{awsapi.Permissions{}, []string{"host", "registration", "credentials", "log", "ecs", "network"}})
}

// Sources are the names of all sources, in the order of a report.
func Sources() []string {
	var out []string
	for _, s := range plan(Waves{}) {
		out = append(out, s.Name())
	}
	return out
}
