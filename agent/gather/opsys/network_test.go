package opsys

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

// TestResolverIsNoFile: a folder in the place of resolv.conf is as good as no file; what cannot
// be read is not.
func TestResolverIsNoFile(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		files map[string]string
		want  facts.State
	}{
		{map[string]string{"etc/resolv.conf/": ""}, facts.IsAbsent},
		{map[string]string{"etc/hosts": ""}, facts.IsAbsent},
		{map[string]string{"etc/resolv.conf": "-> /run/none"}, facts.IsAbsent},
		{map[string]string{"etc/resolv.conf": "nameserver 10.0.0.2"}, facts.IsKnown},
	} {
		env := gathertest.New(t, tt.files)
		if got := resolver(env.FS); got.State != tt.want {
			t.Errorf("%v: %+v", tt.files, got)
		}
	}
}

func TestNameSources(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		files map[string]string
		want  facts.State
		list  []string
	}{
		{map[string]string{"etc/nsswitch.conf": "hosts: files [NOTFOUND=return] dns"}, facts.IsKnown, []string{"files", "dns"}},
		{map[string]string{"etc/nsswitch.conf": "passwd: files"}, facts.IsAbsent, nil},
		{map[string]string{"etc/hosts": ""}, facts.IsAbsent, nil},
		{map[string]string{"etc/nsswitch.conf/": ""}, facts.IsUnknown, nil},
	} {
		env := gathertest.New(t, tt.files)
		got := nameSources(env)
		if got.State != tt.want {
			t.Errorf("%v: %+v", tt.files, got)
		}
		if diff := cmp.Diff(tt.list, got.Value); diff != "" {
			t.Errorf("%v: %s", tt.files, diff)
		}
	}
	if got := nameSources(gathertest.New(t, nil, func(env *gather.Env) { env.GOOS = "darwin" })); got.Obstacle() != facts.NotAskable {
		t.Errorf("darwin: %+v", got)
	}
}
