package main

import (
	"encoding/json"
	"html"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ssm-doctor/agent/sim"
)

// reMarkup is what a reader of a page does not see.
var reMarkup = regexp.MustCompile(`(?s)<(?:style|script).*?</(?:style|script)>|<[^>]*>`)

// TestPlainWordsOfReports reads what every demo says in every format that has sentences,
// with the values in them: words that are fine alone may stumble together.
func TestPlainWordsOfReports(t *testing.T) {
	t.Parallel()
	for _, name := range sim.Names() {
		for _, how := range [][]string{{"text"}, {"text", "-v"}, {"short"}, {"wide"}, {"markdown"}, {"nagios"}, {"junit"}, {"html"}, {"json"}, {"prometheus"}} {
			t.Run(name+" "+strings.Join(how, " "), func(t *testing.T) {
				t.Parallel()
				_, out, _ := command(t, slices.Concat([]string{"demo", name, "--no-redact", "--fail-on", "never", "-o"}, how)...)
				if len(out) < 40 {
					t.Fatalf("only %q", out)
				}
				for _, s := range sentencesOfOutput(t, how[0], out) {
					if why := clumsiness(s); why != "" {
						t.Errorf("%s in %q", why, s)
					}
				}
			})
		}
	}
}

// sentencesOfOutput are the lines of an output, or the strings of JSON; what the terminal
// broke is one again, so that words on two lines are seen together.
func sentencesOfOutput(t *testing.T, format, out string) []string {
	t.Helper()
	switch format {
	case "json":
		var v any
		if err := json.Unmarshal([]byte(out), &v); err != nil {
			t.Fatal(err)
		}
		return stringsIn(v)
	case "html", "junit":
		out = html.UnescapeString(reMarkup.ReplaceAllString(out, "\n"))
	}
	var list []string
	for _, p := range strings.Split(out, "\n\n") {
		list = append(list, strings.Join(strings.Fields(p), " "))
	}
	return list
}

// stringsIn are the strings of a JSON value that are more than one word.
func stringsIn(v any) []string {
	var out []string
	switch v := v.(type) {
	case string:
		if strings.Contains(v, " ") {
			out = append(out, v)
		}
	case []any:
		for _, e := range v {
			out = append(out, stringsIn(e)...)
		}
	case map[string]any:
		for _, e := range v {
			out = append(out, stringsIn(e)...)
		}
	}
	return out
}

// TestPlainWordsOfHelp reads help, lists and the configuration, with the sentences of the
// embedded data in them.
func TestPlainWordsOfHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--help"}, {"check", "--help"}, {"permissions", "--help"}, {"permissions", "--table"}, {"outside", "--help"}, {"summary", "--help"}, {"compare", "--help"},
		{"collect", "--help"}, {"serve", "--help"}, {"service", "--help"}, {"history", "--help"}, {"explain", "--help"}, {"demo", "--help"}, {"demo", "--list"}, {"check", "--list"}, {"explain"}, {"config", "show"}} {
		_, out, _ := command(t, args...)
		if len(out) < 100 {
			t.Errorf("%v says only %q", args, out)
		}
		for _, s := range sentencesOfOutput(t, "text", out) {
			if why := clumsiness(s); why != "" {
				t.Errorf("%v: %s in %q", args, why, s)
			}
		}
	}
}
