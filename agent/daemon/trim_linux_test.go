package daemon

import (
	"encoding/binary"
	"slices"
	"testing"
)

// TestNeverWritten: a program that is linked by others than Go's linker has a part that its
// loader, or itself, writes first and makes read-only then.
func TestNeverWritten(t *testing.T) {
	t.Parallel()
	program := func(types ...uint32) []byte {
		b := append([]byte("\x7fELF\x02"), make([]byte, 59+56*len(types))...)
		binary.NativeEndian.PutUint64(b[32:], 64)
		binary.NativeEndian.PutUint16(b[54:], 56)
		binary.NativeEndian.PutUint16(b[56:], uint16(len(types)))
		for i, p := range types {
			binary.NativeEndian.PutUint32(b[64+56*i:], p)
		}
		return b
	}
	static := program(6, 4, 1, 1, 1, 0x6474e551)
	far := slices.Clone(static)
	binary.NativeEndian.PutUint64(far[32:], 1<<63)
	for name, c := range map[string]struct {
		head []byte
		want bool
	}{
		"static":                 {static, true},
		"with a loader":          {program(6, 3, 1, 1, 1), false},
		"static, with relocated": {program(1, 1, 1, 0x6474e552), false},
		"cut short":              {static[:len(static)-1], false},
		"headers elsewhere":      {far, false},
		"no headers":             {program(), false},
		"of 32 bits":             {append([]byte("\x7fELF\x01"), static[5:]...), false},
		"nothing":                {nil, false},
	} {
		if got := neverWritten(c.head); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

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
		from, to, ok := codeOf(c.line, "/usr/bin/ssm-doctor", true)
		if ok != c.ok || ok && (from != 0x400000 || to != 0xc8f000) {
			t.Errorf("%q: %x %x %v", c.line, from, to, ok)
		}
	}
	if _, _, ok := codeOf("00400000-00c8f000 r--p 0088f000 fe:00 10002498    /usr/bin/ssm-doctor\n", "/usr/bin/ssm-doctor", false); ok {
		t.Error("what a loader has written would be dropped")
	}
	Trim() // and the program goes on
}
