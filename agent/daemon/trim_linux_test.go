package daemon

import "testing"

func TestCodeOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line string
		ok   bool
	}{
		{"00400000-00c8f000 r-xp 00000000 fe:00 10002498    /usr/bin/ssm-doctor\n", true},
		{"00400000-00c8f000 r--p 0088f000 fe:00 10002498    /usr/bin/ssm-doctor\n", true},
		{"55d0c8f00000-55d0c9556000 r--p 0088f000 fe:00 10002498    /usr/bin/ssm-doctor\n", false},
		{"01556000-0157c000 rw-p 01156000 fe:00 10002498    /usr/bin/ssm-doctor\n", false},
		{"7ff0000-7ff1000 r-xp 00000000 fe:00 1    /usr/lib/libc.so\n", false},
		{"7ff0000-7ff1000 r-xp 00000000 00:00 0\n", false},
		{"x-y r-xp 00000000 fe:00 1 /usr/bin/ssm-doctor\n", false},
		{"2-1 r-xp 00000000 fe:00 1 /usr/bin/ssm-doctor\n", false},
		{"", false},
	} {
		from, to, ok := codeOf(c.line, "/usr/bin/ssm-doctor")
		if ok != c.ok || ok && (from != 0x400000 || to != 0xc8f000) {
			t.Errorf("%q: %x %x %v", c.line, from, to, ok)
		}
	}
	Trim() // and the program goes on
}
