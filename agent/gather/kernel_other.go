//go:build !linux && !windows && !darwin

package gather

import (
	"ssm-doctor/checks/facts"
)

func hostKernel() Kernel {
	return Kernel{
		Interfaces: hostInterfaces(),
		Links:      plainLinks(),
		Rules:      NotAskable[[]facts.RoutingRule](ErrUnsupported.Error(), ""),
		Synced:     NotAskable[bool](ErrUnsupported.Error(), ""),
		ImageState: facts.Absent[string]("not Windows", ""),
	}
}

func hostStatFS(string) (facts.Usage, error) { return facts.Usage{}, ErrUnsupported }
