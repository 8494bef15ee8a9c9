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

// Plan lists the sources in the order in which they run: those of one wave run at
// the same time and do not read each other's sections; a wave may read those
// before it. A new source is one line here.
func Plan(w Waves) [][]gather.Source {
	waves := [][]gather.Source{{
		opsys.Source{}, install.Source{}, registration.Source{}, registration.Credentials{}, agentlog.Source{}, install.Uses{}, ecs.Source{}, imds.Source{},
	}, {work.Source{}}}
	if w.SkipNetwork {
		return waves
	}
	network := []gather.Source{endpoint.Source{}, imds.ViaProxy{}}
	if w.SkipPermissions {
		return append(waves, network)
	}
	return append(waves, append(network, awsapi.Identities{}), []gather.Source{awsapi.Permissions{}})
}
