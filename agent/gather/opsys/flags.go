package opsys

import (
	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/hostfile"
	"ssm-doctor/checks/facts"
)

// dropIns are the folders of drop-ins of the agent's units.
var dropIns = []string{"etc/systemd/system/amazon-ssm-agent.service.d", "etc/systemd/system/snap.amazon-ssm-agent.amazon-ssm-agent.service.d"}

// flagged are the files of this host that a remedy may have to change, and that have a flag
// which keeps everybody from that.
func flagged(env *gather.Env) facts.Seen[[]facts.FileFlag] {
	if env.GOOS != "linux" {
		return gather.NotAskable[[]facts.FileFlag](gather.ErrUnsupported.Error(), "")
	}
	if !env.Live {
		return gather.NotAskable[[]facts.FileFlag](gather.NotLive, "")
	}
	names := []string{"etc/hosts", "etc/resolv.conf", "etc/nsswitch.conf", "root/.aws/credentials"}
	for _, d := range dropIns {
		names = append(append(names, d), hostfile.FilesIn(env.FS, d, ".conf")...)
	}
	out := []facts.FileFlag{}
	for _, name := range names {
		if flag := gather.FlagOf(env.FS, name); flag != "" {
			out = append(out, facts.FileFlag{Path: "/" + gather.OneLine(name, 300), Flag: flag})
		}
	}
	return facts.Known(out, "")
}
