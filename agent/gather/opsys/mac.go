package opsys

import (
	"context"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/hostfile"
	"ssm-doctor/agent/gather/routing"
	"ssm-doctor/checks/facts"
)

// macDistro reads the version of macOS.
func macDistro(fsys gather.FileSystem) facts.Seen[facts.Distro] {
	const file = "System/Library/CoreServices/SystemVersion.plist"
	b, err := gather.ReadFile(fsys, file, gather.MaxSmall)
	if err != nil {
		return gather.Unseen[facts.Distro](err, file)
	}
	p := hostfile.ParsePlist(b)
	name := strings.TrimSpace(gather.OneLine(p["ProductName"], 50) + " " + gather.OneLine(p["ProductVersion"], 50))
	return facts.Known(facts.Distro{ID: "macos", Name: name}, gather.FileURL(file))
}

// macDefaults asks for the default routes.
func macDefaults(ctx context.Context, env *gather.Env, h *facts.Host) {
	const from = "route -n get"
	if env.Exec == nil {
		h.DefaultIPv4, h.DefaultIPv6 = gather.NotAskable[bool](gather.NotLive, from), gather.NotAskable[bool](gather.NotLive, from)
		h.Defaults = gather.NotAskable[[]facts.Route](gather.NotLive, from)
		return
	}
	h.Defaults = facts.Known([]facts.Route{}, from)
	for _, x := range []struct {
		to   *facts.Seen[bool]
		args []string
	}{{&h.DefaultIPv4, []string{"default"}}, {&h.DefaultIPv6, []string{"-inet6", "default"}}} {
		r := routing.MacRoute(ctx, env, x.args...)
		if r.Unknown() {
			*x.to = gather.Likewise[bool](r)
			h.Defaults = facts.Partly(h.Defaults.Value, r.Why, from)
			continue
		}
		if *x.to = facts.Known(r.Known(), from); r.Known() {
			h.Defaults.Value = append(h.Defaults.Value, r.Value)
		}
	}
}

// macFirmware tells an EC2 instance by the program that prepares one at its start: the
// hardware is the same as elsewhere, and images with it start on EC2 only.
// Source: aws/ec2-macos-init.
func macFirmware(env *gather.Env, d *facts.DMI) {
	const init = "usr/local/aws/ec2-macos-init"
	none := facts.Absent[string]("macOS has none", "")
	d.Vendor, d.AssetTag, d.Product, d.Chassis = none, none, none, none
	d.EC2UUID = facts.Absent[bool]("macOS has none", "")
	if _, err := env.FS.Stat(init); err == nil {
		d.Vendor = facts.Known("Amazon EC2", gather.FileURL(init))
	} else if !gather.Missing(err) {
		d.Vendor = gather.Unknown[string](err, gather.FileURL(init))
	}
}
