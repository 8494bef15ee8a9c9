package svc

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"ssm-doctor/checks/pattern"
)

var versionLine = pattern.New(`^ssm-doctor ([0-9]+(?:\.[0-9]+)*) `)

// releaseOf asks a program which release it is; empty when it does not tell.
func (s *systemd) releaseOf(ctx context.Context, program string) string {
	out, err := s.run(ctx, program, "version")
	if m := versionLine.FindStringSubmatch(out); err == nil && m != nil {
		return m[1]
	}
	return ""
}

// newer says whether release a came after release b; false where one is not known.
func newer(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range max(len(x), len(y)) {
		var v, w int
		if i < len(x) {
			v, _ = strconv.Atoi(x[i])
		}
		if i < len(y) {
			w, _ = strconv.Atoi(y[i])
		}
		if v != w {
			return v > w
		}
	}
	return false
}

// otherRoute refuses to install beside a package of the system, which would then update
// a program that nothing runs, and in place of a newer release from elsewhere.
func (s *systemd) otherRoute(ctx context.Context, executable string) error {
	for _, p := range packagedUnits {
		b, err := os.ReadFile(s.path(p))
		if err != nil {
			continue
		}
		if theirs := startsFrom(b); theirs != "" && theirs != executable {
			return fmt.Errorf("a package of this system has ssm-doctor already: run \"%s service install\", or remove the package first", clean(theirs))
		}
	}
	b, err := os.ReadFile(s.path(ownUnit))
	if err != nil {
		return nil
	}
	theirs := startsFrom(b)
	if theirs == "" || theirs == executable {
		return nil
	}
	if there := s.releaseOf(ctx, theirs); newer(there, s.releaseOf(ctx, executable)) {
		return fmt.Errorf("the service starts %s, which is the newer release %s: run \"%s service uninstall\" first", clean(theirs), there, clean(theirs))
	}
	s.say("the service started %s until now; the file stays", clean(theirs))
	return nil
}
