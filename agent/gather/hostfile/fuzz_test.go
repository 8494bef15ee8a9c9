package hostfile

import (
	"testing"

	"ssm-doctor/agent/gather/gathertest"
)

// FuzzProc feeds the readers of tables of the proc file system.
func FuzzProc(f *testing.F) {
	gathertest.AddSeeds(f, gathertest.ProcFiles...)
	f.Fuzz(func(t *testing.T, b []byte) {
		parseStatus(b)
		ms := ParseMounts(b)
		MountOf(ms, "/var/lib/amazon/ssm")
		if len(ParseEnviron(b)) > MaxVars {
			t.Error("too many variables")
		}
	})
}

func FuzzPlist(f *testing.F) {
	gathertest.AddSeeds(f, `<plist version="1.0"><dict><key>Label</key><string>com.amazon.aws.ssm</string><key>A</key><array><string>x</string><dict><key>x</key><string>no</string></dict></array><key>KeepAlive</key><true/></dict></plist>`,
		"<plist><dict><key>a</key><dict><key>b</key><true/>", "<dict></dict></dict><string>x</string>")
	f.Fuzz(func(t *testing.T, b []byte) {
		if p := ParsePlist(b); len(p) > 1000 {
			t.Errorf("%d texts", len(p))
		}
	})
}
