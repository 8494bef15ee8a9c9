package engine

import (
	"context"
	"errors"
	"slices"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/awsapi"
	"ssm-doctor/agent/gather/ecs"
	"ssm-doctor/agent/gather/endpoint"
	"ssm-doctor/agent/gather/imds"
	"ssm-doctor/checks/facts"
)

// fromNetwork are the sources that ask a network, and what each of them fills. Of a
// recorded host their facts are kept, not what went over the wire, which holds credentials.
var fromNetwork = map[string]func(to, from *facts.Facts){
	ecs.Source{}.Name():         func(to, from *facts.Facts) { to.ECS = from.ECS },
	imds.Source{}.Name():        func(to, from *facts.Facts) { to.IMDS = from.IMDS },
	imds.ViaProxy{}.Name():      func(to, from *facts.Facts) { to.IMDS.ViaProxy = from.IMDS.ViaProxy },
	endpoint.Source{}.Name():    func(to, from *facts.Facts) { to.Network = from.Network },
	awsapi.Identities{}.Name():  func(to, from *facts.Facts) { to.Permissions.Identities = from.Permissions.Identities },
	awsapi.Permissions{}.Name(): func(to, from *facts.Facts) { to.Permissions = from.Permissions },
}

// sameSection are sources that fill a section after another has.
var sameSection = map[string]string{
	imds.ViaProxy{}.Name():      imds.Source{}.Name(),
	awsapi.Permissions{}.Name(): awsapi.Identities{}.Name(),
}

// replayed makes the sources of the network give what was recorded. Each fills a whole
// section, so that the one of which another fills a part ends before that one begins.
func replayed(steps []step, recorded *facts.Facts) {
	for i, s := range steps {
		if fill, ok := fromNetwork[s.Name()]; ok {
			steps[i].Source = replay{s.Source, fill, recorded}
			if first := sameSection[s.Name()]; first != "" {
				steps[i].after = append(slices.Clone(s.after), first)
			}
		}
	}
}

// replay is a source that gives what it gave when the host was recorded.
type replay struct {
	gather.Source
	fill     func(to, from *facts.Facts)
	recorded *facts.Facts
}

// Gather fills the section, or ends as the source ended then.
func (r replay) Gather(_ context.Context, _ *gather.Run, f *facts.Facts) error {
	i := slices.IndexFunc(r.recorded.Sources, func(s facts.Source) bool { return s.Name == r.Name() })
	if i < 0 {
		return errors.New("the recording does not hold it")
	}
	r.fill(f, r.recorded)
	if s := r.recorded.Sources[i]; !s.Success {
		return errors.New(s.Error)
	}
	return nil
}
