package opsys

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

const scutilDNS = `DNS configuration

resolver #1
  search domain[0] : ec2.internal
  nameserver[0] : 10.0.0.2
  nameserver[1] : fe80::800c:67ff:fe1d:fd64%12
  if_index : 6 (en0)
  flags    : Request A records
  reach    : 0x00020002 (Reachable,Directly Reachable Address)

resolver #2
  domain   : local
  options  : mdns
  timeout  : 5
  flags    : Request A records
  reach    : 0x00000000 (Not Reachable)
  order    : 300000

DNS configuration (for scoped queries)

resolver #1
  nameserver[0] : 192.0.2.1
  if_index : 6 (en0)
  flags    : Scoped, Request A records
  reach    : 0x00020002 (Reachable,Directly Reachable Address)
`

const scutilDomain = `DNS configuration
resolver #1
  search domain[0] : corp.example
  nameserver[0] : 10.0.0.2
resolver #2
  domain   : com
  nameserver[0] : 10.1.0.2
resolver #3
  domain   : amazonaws.com.
  nameserver[0] : 10.9.9.9
resolver #4
  domain   : notamazonaws.com
  nameserver[0] : 10.8.8.8
`

func TestScutilDNS(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, out string
		want      facts.Resolver
		none      bool
	}{
		{name: "one for all", out: scutilDNS, want: facts.Resolver{Servers: []string{"10.0.0.2", "fe80::800c:67ff:fe1d:fd64"}, Search: []string{"ec2.internal"}, Options: []string{}}},
		{name: "one for the names of AWS", out: scutilDomain, want: facts.Resolver{Servers: []string{"10.9.9.9"}, Search: []string{"corp.example"}, Options: []string{}}},
		{name: "none", out: "No DNS configuration available\n", none: true},
		{name: "only mdns", out: "resolver #1\n  domain   : local\n  options  : mdns\n", none: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, ok := parseScutilDNS([]byte(c.out))
			if d := cmp.Diff(c.want, got); ok == c.none || d != "" {
				t.Error(ok, d)
			}
		})
	}
	file := facts.Known(facts.Resolver{Servers: []string{"10.0.0.9"}}, "file:/etc/resolv.conf")
	env := &gather.Env{Exec: func(context.Context, string, ...string) ([]byte, error) { return nil, errors.New("x") }}
	if got := macResolver(t.Context(), env, file); got.Value.Servers[0] != "10.0.0.9" {
		t.Errorf("without scutil: %+v", got)
	}
}

func TestMacClock(t *testing.T) {
	t.Parallel()
	for out, want := range map[string]struct {
		state facts.State
		why   facts.Reason
	}{
		"Network Time: Off\n": {facts.IsKnown, ""},
		"Network Time: On\n":  {facts.IsUnknown, facts.NotAskable},
		"You need administrator access to run this tool... exiting!\n": {facts.IsUnknown, facts.NeedsRoot},
	} {
		env := &gather.Env{Exec: func(context.Context, string, ...string) ([]byte, error) { return []byte(out), nil }}
		if got := macClock(t.Context(), env); got.State != want.state || got.Obstacle() != want.why || got.Value {
			t.Errorf("%q: %+v", out, got)
		}
	}
}

// The system volume of macOS is read-only: it says nothing of a folder that is not there.
func TestMacVolumes(t *testing.T) {
	t.Parallel()
	env := gathertest.MacEnv(t, map[string]string{"opt/aws/ssm/data/x": "", "var/log/x": ""}, nil)
	env.Volume = func(at string) (gather.Volume, error) {
		switch at {
		case "/":
			return gather.Volume{Mount: "/", Type: "apfs", ReadOnly: true}, nil
		case "/var/log":
			return gather.Volume{}, errors.New("denied")
		}
		return gather.Volume{Mount: "/System/Volumes/Data", Type: "apfs", NoExec: true}, nil
	}
	got := map[string]facts.FileSystem{}
	for _, x := range fileSystems(env) {
		got[x.Dir] = x
	}
	if x := got["/opt/aws/ssm/data"]; x.Mount != "/System/Volumes/Data" || !x.ReadOnly.Known() || x.ReadOnly.Value || !x.NoExec.Value {
		t.Errorf("%+v", x)
	}
	if x := got["/var/log/amazon/ssm"]; x.ReadOnly.Why != "denied" {
		t.Errorf("%+v", x)
	}
	env = gathertest.MacEnv(t, map[string]string{"etc/x": ""}, nil)
	env.Volume = func(string) (gather.Volume, error) { return gather.Volume{Mount: "/", ReadOnly: true}, nil }
	for _, x := range fileSystems(env) {
		if x.Dir != "/" && !x.ReadOnly.Unknown() {
			t.Errorf("%+v", x)
		}
	}
}

// FuzzScutilDNS feeds the output of scutil --dns.
func FuzzScutilDNS(f *testing.F) {
	gathertest.AddSeeds(f, scutilDNS, scutilDomain, "resolver #1\ndomain :\nnameserver[0] : x")
	f.Fuzz(func(t *testing.T, b []byte) {
		r, _ := parseScutilDNS(b)
		gathertest.Sound(t, r)
	})
}
