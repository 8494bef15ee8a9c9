package registration

import (
	"crypto/md5" //nolint:gosec // what the agent uses
	"encoding/base64"
	"testing"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

// TestUUIDOnWindows: a stored hash that is of this machine's UUID is known to be; another
// one says nothing, since the form of what is hashed is that of a release of Windows.
func TestUUIDOnWindows(t *testing.T) {
	t.Parallel()
	const uuid = "4C4C4544-0031-3010-8052-B4C04F4E3132"
	hash := func(s string) string {
		sum := md5.Sum([]byte(s)) //nolint:gosec // what the agent uses
		return base64.StdEncoding.EncodeToString(sum[:])
	}
	here := &gather.Windows{Firmware: func() facts.Seen[gather.Firmware] { return facts.Known(gather.Firmware{UUID: uuid}, "") }}
	bare := &gather.Windows{Firmware: func() facts.Seen[gather.Firmware] { return facts.Known(gather.Firmware{}, "") }}
	for _, c := range []struct {
		name   string
		w      *gather.Windows
		stored string
		match  bool
	}{
		{"wmic", here, hash("UUID                                  \r\r\n" + uuid + "  \r\r\n\r\r\n"), true},
		{"CIM", here, hash("{\r\n    \"UUID\":  \"" + uuid + "\"\r\n}\r\n"), true},
		{"of another machine, or of another form", here, hash("x"), false},
		{"none stored", here, "", false},
		{"the firmware has none", bare, hash("x"), false},
		{"a mounted volume", nil, hash("x"), false},
	} {
		got := uuidMatches(c.w, c.stored)
		if got.Known() != c.match || got.Value != c.match || !c.match && got.Obstacle() != facts.NotAskable {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	if _, id, err := parseFingerprint([]byte(`{"fingerprint":"f","hardwareHash":{"uuid":" abc "},"similarityThreshold":40}`)); id != "abc" || err != nil {
		t.Error(id, err)
	}
}
