package main

import (
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Help fits into 80 columns, and what a command does into one line of a list.
func TestHelpWidth(t *testing.T) {
	t.Parallel()
	root := newRootCmd(&app{in: strings.NewReader(""), out: io.Discard, err: io.Discard, getenv: func(string) string { return "" }})
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if n := len(c.Short); n == 0 || n > 60 {
			t.Errorf("%s: %d characters: %s", c.CommandPath(), n, c.Short)
		}
		_, out, _ := command(t, append(strings.Fields(c.CommandPath())[1:], "--help")...)
		for l := range strings.SplitSeq(out, "\n") {
			if n := len([]rune(l)); n > helpWidth {
				t.Errorf("%s --help: %d columns: %s", c.CommandPath(), n, l)
			}
		}
		if c.Name() == "completion" {
			return // what is below is cobra's
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
}
