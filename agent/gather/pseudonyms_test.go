package gather_test

import (
	"bytes"
	"testing"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
)

// TestPseudonymKey: the key is that of the variable, or of the machine, or random; and
// holds neither.
func TestPseudonymKey(t *testing.T) {
	t.Parallel()
	key := func(variable string, files map[string]string) []byte {
		env := gathertest.Plain(t, gathertest.Tree(t, files))
		env.Getenv = func(name string) string {
			if name == gather.PseudonymVariable {
				return variable
			}
			return ""
		}
		return gather.PseudonymKey(env)
	}
	const one, other = "0123456789abcdef0123456789abcdef", "1123456789abcdef0123456789abcdef"
	machine := func(id string) map[string]string { return map[string]string{"etc/machine-id": id + "\n"} }
	a := key("", machine(one))
	for name, c := range map[string]struct {
		key  []byte
		same bool
	}{
		"again":              {key("", machine(one)), true},
		"another machine":    {key("", machine(other)), false},
		"the older place":    {key("", map[string]string{"var/lib/dbus/machine-id": one}), true},
		"variable":           {key("fleet", machine(one)), false},
		"no machine id":      {key("", nil), false},
		"unusable":           {key("", machine("uninitialized")), false},
		"empty machine id":   {key("", machine("")), false},
		"variable elsewhere": {key(one, machine(other)), true},
	} {
		if bytes.Equal(c.key, a) != c.same || len(c.key) != 32 {
			t.Errorf("%s: same %v", name, !c.same)
		}
	}
	if !bytes.Equal(key("fleet", machine(one)), key("fleet", machine(other))) {
		t.Error("two hosts with one variable differ")
	}
	if !bytes.Equal(key("", nil), key("", nil)) {
		t.Error("the random key changes within the process")
	}
}
