package engine

import "ssm-doctor/agent/gather"

// plan is the order of sources: those of one wave run at the same time and do
// not read each other's sections; a wave may read those before it.
func plan(w Waves) [][]gather.Source {
	waves := [][]gather.Source{append(gather.FileSources(), gather.IMDSSources()...)}
	if !w.SkipNetwork {
		network := gather.NetworkSources()
		if !w.SkipPermissions {
			network = append(network, gather.IdentitySources()...)
		}
		waves = append(waves, network)
	}
	if !w.SkipNetwork && !w.SkipPermissions {
		waves = append(waves, gather.PermissionSources())
	}
	return waves
}
