package install

import (
	"testing"

	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

// TestReadConfig: a folder in the place of the file is one that cannot be parsed; a pipe tells nothing.
func TestReadConfig(t *testing.T) {
	t.Parallel()
	const name = "etc/amazon/ssm/amazon-ssm-agent.json"
	for _, tt := range []struct {
		files  map[string]string
		want   facts.State
		folder bool
	}{
		{map[string]string{name + "/": ""}, facts.IsKnown, true},
		{map[string]string{name: "{}"}, facts.IsKnown, false},
		{map[string]string{name: ""}, facts.IsKnown, false},
		{map[string]string{name: "-> /etc/none"}, facts.IsAbsent, false},
		{map[string]string{"etc/hosts": ""}, facts.IsAbsent, false},
		{map[string]string{name: "-> /etc", "etc/hosts": ""}, facts.IsKnown, true},
	} {
		env := gathertest.New(t, tt.files)
		got := readConfig(env.FS, name)
		if got.State != tt.want || got.Value.Folder != tt.folder || tt.folder && got.Value.ParseError == "" {
			t.Errorf("%v: %+v", tt.files, got)
		}
	}
}
