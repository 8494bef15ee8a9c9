package checks

import (
	"testing"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/node"
)

func TestKeepsFromExec(t *testing.T) {
	t.Parallel()
	n := node.Of(factstest.Healthy(t, "profile"))
	for _, tt := range []struct {
		key, value string
		want       bool
	}{
		{"NoExecPaths", "/", true},
		{"NoExecPaths", "", false},
		{"RootDirectory", "/srv/jail", true},
		{"RootDirectory", "/", false},
		{"InaccessiblePaths", "/home -/usr/bin/ssm-agent-worker", true},
		{"InaccessiblePaths", "/usr/bin/", true},
		{"InaccessiblePaths", "/usr/bin/python3 /var/lib", false},
		{"ProtectSystem", "strict", false},
	} {
		if got := keepsFromExec(n, facts.Override{Key: tt.key, Value: tt.value}); got != tt.want {
			t.Errorf("%s=%s: %v", tt.key, tt.value, got)
		}
	}
}

func TestOnlyCondition(t *testing.T) {
	t.Parallel()
	a, b := facts.Override{Key: "ConditionPathExists", Value: "/a"}, facts.Override{Key: "ConditionHost", Value: "b"}
	for name, tt := range map[string]struct {
		list []facts.Override
		want string
	}{
		"one":     {[]facts.Override{{Key: "User", Value: "root"}, a}, "/a"},
		"several": {[]facts.Override{a, b}, ""},
		"reset":   {[]facts.Override{{Key: "ConditionHost"}, b}, "b"},
		"none":    {nil, ""},
	} {
		if got, ok := onlyCondition(&facts.Unit{Overrides: tt.list}); got.Value != tt.want || ok != (tt.want != "") {
			t.Errorf("%s: %+v %v", name, got, ok)
		}
	}
}

// TestLacksDescriptors: the kernel says "too many open files" of both limits.
func TestLacksDescriptors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		used int
		want bool
	}{
		{"Error initializing the watcher: too many open files", 7, true},
		{"Error initializing the watcher: too many open files", 120, false},
		{"add watch: no space left on device", 7, false},
	} {
		f := factstest.Healthy(t, "profile")
		neverAccepted(f)
		log(f, facts.SigFiles, 0, "open identity_config.json: too many open files")
		n := node.Of(f)
		if got := lacksDescriptors(n, node.Entry{Match: facts.Match{Text: tt.text}}, facts.Inotify{UsedInstances: tt.used, MaxInstances: 128}); got != tt.want {
			t.Errorf("%s, %d: %v", tt.text, tt.used, got)
		}
	}
}
