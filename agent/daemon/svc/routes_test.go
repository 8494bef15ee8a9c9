package svc

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A program from elsewhere takes the service over unless it would be an older one, and
// never from a package of the system.
func TestOtherRoutes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, unit, theirs, ours, refusal string }{
		{"older", ownUnit, "1.9.0", "1.10.0", ""},
		{"same", ownUnit, "1.10.0", "1.10", ""},
		{"newer", ownUnit, "1.10.1", "1.10.0", `"/elsewhere/ssm-doctor service uninstall" first`},
		{"does not tell", ownUnit, "", "1.0.0", ""},
		{"we do not tell", ownUnit, "1.0.0", "", ""},
		{"a package, older", packagedUnits[0], "0.1", "1.0.0", "or remove the package first"},
		{"a package, elsewhere", packagedUnits[1], "0.1", "1.0.0", `run "/elsewhere/ssm-doctor service install"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, f, _ := testRoot(t)
			unit := Unit("/elsewhere/ssm-doctor", 252)
			put(t, f.root, tt.unit, unit)
			f.versions = map[string]string{}
			for program, release := range map[string]string{"/elsewhere/ssm-doctor": tt.theirs, opts.Executable: tt.ours} {
				if release != "" {
					f.versions[program] = "ssm-doctor " + release + " (go1.26, linux/amd64)\n"
				}
			}
			err := s.install(t.Context(), opts)
			if (err == nil) != (tt.refusal == "") || err != nil && !strings.Contains(err.Error(), tt.refusal) {
				t.Fatalf("got %v, want %q", err, tt.refusal)
			}
			want := unit
			if err == nil {
				want = Unit(opts.Executable, 252)
			}
			if d := cmp.Diff(want, get(t, f.root, tt.unit)); d != "" {
				t.Error(d)
			}
		})
	}
}

// status tells which program the service starts, and that another one runs.
func TestStateOfAReplacedProgram(t *testing.T) {
	t.Parallel()
	s, f, _ := testRoot(t)
	if err := s.install(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(f.root, "opt/bin/ssm-doctor")); err != nil {
		t.Fatal(err)
	}
	put(t, f.root, "opt/bin/ssm-doctor", "newer program")
	st, err := s.state(t.Context())
	if err != nil || !st.Stale || st.Program != "/opt/bin/ssm-doctor" {
		t.Errorf("%+v, %v", st, err)
	}
}

// Whatever the host makes of groups: what was there before stays, what was made goes.
func TestAccounts(t *testing.T) {
	t.Parallel()
	for _, userGroups := range []bool{false, true} {
		for _, tt := range []struct {
			name          string
			users, groups []string
			fails         []string
		}{
			{"from nothing", nil, nil, nil},
			{"group before", nil, []string{"500"}, nil},
			{"user before", []string{Name}, nil, nil},
			{"both before", []string{Name}, []string{"500"}, nil},
			{"neither groupadd nor useradd", nil, nil, []string{"groupadd", "useradd"}},
		} {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				s, f, _ := testRoot(t)
				f.userGroups, f.users, f.groups, f.fails = userGroups, tt.users, tt.groups, tt.fails
				for range 2 {
					if err := s.install(t.Context(), opts); err != nil {
						t.Fatal(err)
					}
					if len(f.users) != 1 || len(f.groups) != 1 {
						t.Fatalf("users %v, groups %v", f.users, f.groups)
					}
					if err := errors.Join(s.uninstall(t.Context(), false), os.RemoveAll(filepath.Join(f.root, "proc"))); err != nil {
						t.Fatal(err)
					}
					if d := cmp.Diff([][]string{tt.users, tt.groups}, [][]string{f.users, f.groups}); d != "" {
						t.Fatal("afterwards: ", d)
					}
					if s.exists(accounts) {
						t.Fatal("the note is left")
					}
				}
			})
		}
	}
	t.Run("made by a release that kept no note", func(t *testing.T) {
		t.Parallel()
		s, f, _ := testRoot(t)
		f.users, f.groups = []string{Name}, []string{"998"}
		put(t, f.root, ownUnit, Unit("/opt/bin/ssm-doctor", 252))
		if err := s.uninstall(t.Context(), false); err != nil || f.users != nil || f.groups != nil {
			t.Errorf("%v; users %v, groups %v", err, f.users, f.groups)
		}
	})
}
