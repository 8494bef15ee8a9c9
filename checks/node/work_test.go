package node

import (
	"testing"

	"ssm-doctor/checks/facts"
)

func TestSessionUser(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string]string{
		"Unable to start shell: failed to start pty since RunAs user ubuntu does not exist": "ubuntu",
		"Failed to retrieve uid for ssm-user: exit status 1":                                "ssm-user",
		"Failed to retrieve groups for CORP\\ana: exit status 1":                            "CORP\\ana",
		"Failed to create ssm-user: exit status 9":                                          "ssm-user",
		"please set the RunAs default user":                                                 "",
		"":                                                                                  "",
	} {
		if got := SessionUser(entry); got != want {
			t.Errorf("%q names %q, want %q", entry, got, want)
		}
	}
	got := SessionUsers([]facts.Match{{ID: facts.SigRunAsMissing, Text: "RunAs user deploy does not exist"}, {ID: facts.SigKMS, Text: "RunAs user no does not exist"}})
	if len(got) != 2 || got[0] != DefaultUser || got[1] != "deploy" {
		t.Errorf("got %q", got)
	}
}

func FuzzSessionUser(f *testing.F) {
	f.Add("RunAs user x does not exist")
	f.Fuzz(func(t *testing.T, s string) {
		if u := SessionUser(s); len(u) > 400 {
			t.Errorf("%d bytes", len(u))
		}
	})
}
