package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// durationFlag is a length of time with a unit.
type durationFlag struct{ d *time.Duration }

func (v durationFlag) String() string {
	if v.d == nil || *v.d == 0 {
		return ""
	}
	s := v.d.String()
	for _, unit := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, unit) {
			s = s[:len(s)-2]
		}
	}
	return s
}

func (v durationFlag) Type() string { return "duration" }

func (v durationFlag) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err == nil {
		*v.d = d
		return nil
	}
	if _, number := strconv.ParseFloat(s, 64); number == nil {
		return fmt.Errorf("%s has no unit; did you mean %ss?", s, s)
	}
	return fmt.Errorf("%q is not a length of time, such as 30s, 5m or 1h30m", s)
}

// durationVar adds a flag for a length of time.
func durationVar(fs *pflag.FlagSet, p *time.Duration, name string, value time.Duration, usage string) {
	*p = value
	fs.Var(durationFlag{p}, name, usage)
}

// badValue says what is wrong with the value of a flag, without words of Go.
func badValue(e *pflag.InvalidValueError) error {
	f := e.GetFlag()
	switch f.Value.Type() {
	case "bool":
		return usagef("--%s is given or not; it takes no value %q", f.Name, e.GetValue())
	case "int":
		return usagef("--%s takes a number, not %q", f.Name, e.GetValue())
	}
	return usagef("--%s: %w", f.Name, e.Unwrap())
}
