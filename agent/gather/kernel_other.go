//go:build !linux && !windows && !darwin

package gather

import "ssm-doctor/checks/facts"

func hostKernel() Kernel {
	return Kernel{
		Interfaces: hostInterfaces(),
		IMDSRoute:  facts.Unknown[facts.Route](errUnsupported.Error(), ""),
		Synced:     facts.Unknown[bool](errUnsupported.Error(), ""),
		ImageState: facts.Absent[string]("not Windows", ""),
	}
}

func hostStatFS(string) (facts.Usage, error) { return facts.Usage{}, errUnsupported }

func hostAttr(string, string) (string, error) { return "", errUnsupported }
