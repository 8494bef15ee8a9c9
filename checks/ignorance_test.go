package checks

import (
	"reflect"
	"strings"
	"testing"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/node"
)

// judgeUnread takes each section of the facts of each situation away: the check then
// neither passes, nor is skipped, nor names a cause where it was not so before.
func judgeUnread(t *testing.T, c *Check, table []row) {
	t.Helper()
	for _, r := range table {
		t.Run("unread/"+r.name, func(t *testing.T) {
			t.Parallel()
			kind := r.kind
			if kind == "" {
				kind = "profile"
			}
			f := factstest.Healthy(t, kind)
			if r.fault != nil {
				r.fault(f)
			}
			before := c.Judge(node.Of(f))
			for _, section := range []string{"Host", "Agent", "Registration", "IMDS", "Credentials", "Network", "Permissions", "Log", "ECS"} {
				g := factstest.Clone(f)
				reflect.ValueOf(g).Elem().FieldByName(section).SetZero()
				after := c.Judge(node.Of(g))
				if s := after.Status; (s == Pass || s == Skip) && s != before.Status {
					t.Errorf("without %s: %s %s (was %s: %s)", section, s, after.Summary, before.Status, before.Summary)
				}
				if after.Cause != "" && after.Cause != before.Cause {
					t.Errorf("without %s it names %s: %s (was %s: %s)", section, after.Cause, after.Summary, before.Status, before.Summary)
				}
			}
		})
	}
}

// judgeImageFix tells that a check repairs an image in place: with root rights, by a
// command for Unix and one for Windows, and that the gate is run again at the end.
func judgeImageFix(t *testing.T, c *Check, fault func(*facts.Facts), unix, windows string) {
	t.Helper()
	f := factstest.Healthy(t, "profile")
	f.Root = "/mnt/image"
	if fault != nil {
		fault(f)
	}
	fix := c.Judge(node.Of(f)).Fix
	if len(fix) != 3 || fix[len(fix)-1] != causes.ImageAgain {
		t.Fatalf("%s: steps %+v", c.ID, fix)
	}
	for i, command := range []string{unix, windows} {
		if s := fix[i]; s.Where != causes.OnHost || !s.Root || s.GOOS != []string{"linux darwin", "windows"}[i] || !strings.Contains(s.Command, command) {
			t.Errorf("%s: step %+v lacks %q", c.ID, s, command)
		}
	}
}
