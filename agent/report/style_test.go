package report

import (
	"os"
	"testing"
)

func TestStyleForColour(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		env  map[string]string
		tty  bool
		flag string
		want bool
	}{
		{name: "terminal", tty: true, want: true},
		{name: "pipe", want: false},
		{name: "dumb terminal", env: map[string]string{"TERM": "dumb"}, tty: true, want: false},
		{name: "NO_COLOR", env: map[string]string{"NO_COLOR": "1"}, tty: true, want: false},
		{name: "empty NO_COLOR", env: map[string]string{"NO_COLOR": ""}, tty: true, want: true},
		{name: "forced into a pipe", env: map[string]string{"CLICOLOR_FORCE": "1"}, want: true},
		{name: "not forced", env: map[string]string{"CLICOLOR_FORCE": "0"}, want: false},
		{name: "forced, dumb", env: map[string]string{"CLICOLOR_FORCE": "1", "TERM": "dumb"}, want: true},
		{name: "NO_COLOR beats force", env: map[string]string{"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, tty: true, want: false},
		{name: "always beats NO_COLOR", env: map[string]string{"NO_COLOR": "1"}, flag: "always", want: true},
		{name: "never", env: map[string]string{"CLICOLOR_FORCE": "1"}, tty: true, flag: "never", want: false},
		{name: "auto", tty: true, flag: "auto", want: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := StyleFor(func(k string) string { return tt.env[k] }, tt.tty, 0, tt.flag, "")
			if s.Color != tt.want {
				t.Errorf("colour %v, want %v", s.Color, tt.want)
			}
		})
	}
}

func TestUnicodeOutput(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		env  map[string]string
		goos string
		tty  bool
		want bool
	}{
		{name: "UTF-8", env: map[string]string{"LANG": "en_US.UTF-8"}, goos: "linux", want: true},
		{name: "utf8", env: map[string]string{"LANG": "C.utf8"}, goos: "linux", want: true},
		{name: "nothing set", goos: "linux", want: false},
		{name: "C", env: map[string]string{"LANG": "C"}, goos: "linux", want: false},
		{name: "LC_ALL wins", env: map[string]string{"LC_ALL": "POSIX", "LANG": "en_US.UTF-8"}, goos: "linux", want: false},
		{name: "LC_CTYPE wins", env: map[string]string{"LC_CTYPE": "de_DE.UTF-8", "LANG": "C"}, goos: "linux", want: true},
		{name: "macOS", goos: "darwin", want: true},
		{name: "Windows console", goos: "windows", tty: true, want: true},
		{name: "Windows pipe", env: map[string]string{"LANG": "en_US.UTF-8"}, goos: "windows", want: false},
	} {
		if got := unicodeOutput(func(k string) string { return tt.env[k] }, tt.tty, tt.goos); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestStyleForFlags(t *testing.T) {
	t.Parallel()
	utf8 := func(k string) string { return map[string]string{"LANG": "C.UTF-8"}[k] }
	none := func(string) string { return "" }
	for _, tt := range []struct {
		getenv func(string) string
		flag   string
		want   bool
	}{{utf8, "always", true}, {utf8, "true", true}, {none, "never", false}, {none, "false", false}} {
		if got := StyleFor(tt.getenv, false, 0, "", tt.flag).ASCII; got != tt.want {
			t.Errorf("--ascii=%s: %v, want %v", tt.flag, got, tt.want)
		}
	}
	for in, want := range map[int]int{0: 80, -1: 80, 20: 40, 60: 60, 100: 100, 200: 100} {
		if got := StyleFor(none, true, in, "", "").Width; got != want {
			t.Errorf("width %d became %d, want %d", in, got, want)
		}
	}
}

func TestTerminalOfAFile(t *testing.T) {
	t.Parallel()
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if tty, width := Terminal(f); tty || width != 0 {
		t.Errorf("a file is a terminal %d cells wide", width)
	}
}
