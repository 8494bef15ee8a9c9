package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"ssm-doctor/checks/logline"
	"ssm-doctor/checks/pattern"
)

// value is one setting. It has the methods of a flag's value besides.
type value interface {
	Set(string) error // one text: of a flag, of the environment, of the file
	String() string
	Type() string
	setAll([]string) error // in place of what is there; more than one text only for lists
}

func single(v value, s []string) error {
	if len(s) != 1 {
		return errors.New("wants one value, not a list")
	}
	return v.Set(s[0])
}

// quoted is a wrong value in a message, or a gap for what may be a secret that got into
// the wrong place. A login looks much like an address: of those only numbers are shown.
func quoted(s string) string {
	if !addressForm.MatchString(s) {
		s = logline.ShownName(s)
	}
	return strconv.Quote(s)
}

var addressForm = pattern.New(`^(?:[a-z]{2,10}://)?(?:localhost|[0-9.]{0,15}|\[[0-9a-f:.]{0,45}\]):[0-9]{1,5}$`)

// WithoutValues takes out of a message what it repeats of a file. A parser repeats what it
// cannot read, and that may be a secret.
func WithoutValues(message string) string {
	lines := strings.Split(message, "\n")
	for k, l := range lines {
		for _, q := range [][2]string{{"'", "'"}, {"`", "`"}, {`"`, `"`}, {"field ", " not found"}} {
			i, j := strings.Index(l, q[0]), strings.LastIndex(l, q[1])
			if i += len(q[0]); i >= len(q[0]) && i <= j {
				l = l[:i] + logline.Gap + l[j:]
			}
		}
		if i := strings.Index(l, "unknown "); i >= 0 && !strings.HasPrefix(l[i:], "unknown anchor") {
			if what, _, ok := strings.Cut(l[i:], ": "); ok {
				l = l[:i] + what + ": " + logline.Gap
			}
		}
		lines[k] = l
	}
	return strings.Join(lines, "\n")
}

type boolValue struct{ p *bool }

func (v boolValue) Set(s string) error {
	switch s {
	case "true", "false":
		*v.p = s == "true"
		return nil
	}
	return fmt.Errorf("%s is neither true nor false", quoted(s))
}
func (v boolValue) String() string          { return strconv.FormatBool(*v.p) }
func (v boolValue) Type() string            { return "bool" }
func (v boolValue) IsBoolFlag() bool        { return true }
func (v boolValue) setAll(s []string) error { return single(v, s) }

type durationValue struct {
	p        *time.Duration
	min, max time.Duration
}

func (v durationValue) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("%s is not a length of time such as 30s or 5m", quoted(s))
	}
	if d < v.min || d > v.max {
		return fmt.Errorf("%s is outside %s to %s", s, short(v.min), short(v.max))
	}
	*v.p = d
	return nil
}
func (v durationValue) String() string          { return short(*v.p) }
func (v durationValue) Type() string            { return "duration" }
func (v durationValue) setAll(s []string) error { return single(v, s) }

// short is 5m and not 5m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

type intValue struct {
	p        *int
	min, max int
}

func (v intValue) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil {
		return fmt.Errorf("%s is not a whole number", quoted(s))
	}
	if n < v.min || n > v.max {
		return fmt.Errorf("%d is outside %d to %d", n, v.min, v.max)
	}
	*v.p = n
	return nil
}
func (v intValue) String() string          { return strconv.Itoa(*v.p) }
func (v intValue) Type() string            { return "int" }
func (v intValue) setAll(s []string) error { return single(v, s) }

type textValue struct {
	p     *string
	check func(string) error // nil: anything
}

func (v textValue) Set(s string) error {
	if v.check != nil {
		if err := v.check(s); err != nil {
			return err
		}
	}
	*v.p = s
	return nil
}
func (v textValue) String() string          { return *v.p }
func (v textValue) Type() string            { return "string" }
func (v textValue) setAll(s []string) error { return single(v, s) }

// oneOf wants one of a few words.
func oneOf(words ...string) func(string) error {
	return func(s string) error {
		if slices.Contains(words, s) {
			return nil
		}
		return fmt.Errorf("%s is none of %s%s", quoted(s), strings.Join(words, ", "), hint(s, words))
	}
}

func hint(s string, words []string) string {
	if n := Nearest(s, words); n != "" {
		return fmt.Sprintf(" (did you mean %s?)", n)
	}
	return ""
}

// maxList bounds every list.
const maxList = 64

type listValue struct {
	p     *[]string
	check func(string) error // of one member; nil: anything
	fresh *bool              // true: the next Set replaces the default
}

// Set takes one or more members, separated by commas; a flag may be repeated.
func (v listValue) Set(s string) error {
	have := *v.p
	if *v.fresh {
		have = nil
	}
	next, err := v.members(have, strings.Split(s, ","))
	if err != nil {
		return err
	}
	*v.p, *v.fresh = next, false
	return nil
}

func (v listValue) members(have, add []string) ([]string, error) {
	out := slices.Clone(have)
	for _, m := range add {
		if m = strings.TrimSpace(m); m == "" {
			continue
		}
		if v.check != nil {
			if err := v.check(m); err != nil {
				return nil, err
			}
		}
		out = append(out, m)
	}
	if len(out) > maxList {
		return nil, fmt.Errorf("more than %d members", maxList)
	}
	return out, nil
}

func (v listValue) String() string { return strings.Join(*v.p, ",") }
func (v listValue) Type() string   { return "strings" }
func (v listValue) setAll(s []string) error {
	next, err := v.members(nil, s)
	if err != nil {
		return err
	}
	*v.p, *v.fresh = next, false
	return nil
}
