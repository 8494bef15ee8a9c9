package install

import (
	"bytes"
	"strings"
	"testing"

	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

func FuzzConfig(f *testing.F) {
	gathertest.AddSeeds(f, `{}`, `{"Ssm":{"Endpoint":"ssm.example"},"Agent":{"Region":"eu-west-1"}}`, `{"ssm":{"healthfrequencyminutes":"5"}}`,
		"\xef\xbb\xbf{}", `{"Profile":{"ShareCreds":true,}}`, `{"Identity":{"ConsumptionOrder":["OnPrem","x"],"CustomIdentities":[{"InstanceID":"i","Region":"r"}]}}`,
		`{"Agent":{"Region":"\u001b[31m"},"\u202ex":1}`, `[]`, `null`)
	f.Fuzz(func(t *testing.T, b []byte) {
		c := ParseConfig(b)
		gathertest.Sound(t, c)
		if c.ParseError == "" && (c.HealthMinutes < 5 || c.HealthMinutes > 60) {
			t.Errorf("health interval %d", c.HealthMinutes)
		}
		if len(c.Keys) > maxKeys || c.CredentialRetrySeconds > 1800 || c.HibernationMinutes > 1440 {
			t.Errorf("%d keys, retry after %d s, hibernation %d min", len(c.Keys), c.CredentialRetrySeconds, c.HibernationMinutes)
		}
		if len(c.UnknownKeys) > maxUnknownKeys {
			t.Errorf("%d unknown keys", len(c.UnknownKeys))
		}
	})
}

func FuzzAudit(f *testing.F) {
	gathertest.SeedFiles(f, "amazon-ssm-agent-audit-*")
	gathertest.AddSeeds(f, "SchemaVersion=1\nagent_telemetry amazon-ssm-agent.start 3.3.1142.0 12:34:56\nagent_update_result 0 3.3.1.0 12:00:00\nAuditSent=000000001\n", "agent_telemetry x.start 1 25:00:00", "agent_telemetry .start 1.2.3.4 00:00:00")
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, a := range parseAudit(b, gathertest.Now) {
			gathertest.Sound(t, []string{a.exe, a.version})
			if !versionRE.MatchString(a.version) {
				t.Errorf("version %q", a.version)
			}
		}
	})
}

func FuzzDocumentState(f *testing.F) {
	gathertest.AddSeeds(f, `{"OutputS3BucketName":"my-bucket","LogGroupName":"/aws/ssm/x"}`, `"LogGroupName" : "`+strings.Repeat("a", 600)+`"`, "{")
	f.Fuzz(func(t *testing.T, b []byte) {
		env := gathertest.InMemory(map[string][]byte{"var/lib/amazon/ssm/i-0123456789abcdef0/document/state/completed/x": b})
		var x facts.Facts
		if err := (Uses{}).Gather(t.Context(), env.Begin(), &x); err != nil {
			t.Fatal(err)
		}
		gathertest.Sound(t, x.Agent)
	})
}

func FuzzDpkg(f *testing.F) {
	gathertest.AddSeeds(f, "Package: a\nStatus: x\n\nPackage: amazon-ssm-agent\nStatus: install ok installed\nVersion: 3.3.1142.0-1\n\n", "Package: amazon-ssm-agent\nPackage: b\n", "Package: amazon-ssm-agent\nStatus: "+strings.Repeat("x", 70)+"\nVersion: 1\n", "\n\n\n")
	f.Fuzz(func(t *testing.T, b []byte) {
		st, _, err := parseDpkg(bytes.NewReader(b), pkgName)
		if err != nil {
			t.Fatal(err)
		}
		gathertest.Sound(t, []string{st.status, st.version})
		list, _ := installations(t.Context(), gathertest.InMemory(map[string][]byte{"var/lib/dpkg/status": b}))
		gathertest.Sound(t, list)
	})
}

// TestDpkgLongLine: a line of any length does not hide what follows it.
func TestDpkgLongLine(t *testing.T) {
	t.Parallel()
	st, _, err := parseDpkg(strings.NewReader("Package: a\nDescription: "+strings.Repeat("x", 70_000)+"\n\nPackage: amazon-ssm-agent\nStatus: "+strings.Repeat("x", 70_000)+"\nVersion: 1\n"), pkgName)
	if err != nil || st.version != "1" || len(st.status) > 300 {
		t.Errorf("%+v, %v", st, err)
	}
}

func FuzzVersionOutput(f *testing.F) {
	gathertest.AddSeeds(f, "SSM Agent version: 3.3.1142.0\n", "SSM Agent version: ", "1:3.3.1142.0-1.amzn2", "3.3", "SSM Agent version: 1.2.3.4.5", "name: x\nversion: '3.3.1'\n", "package amazon-ssm-agent is not installed\n")
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, v := range []string{parseVersionOutput(b), agentVersion(string(b)), parseSnapVersion(b)} {
			if v != "" && (len(v) > 40 || !versionRE.MatchString(v)) {
				t.Errorf("version %q", v)
			}
		}
	})
}

func FuzzReceipt(f *testing.F) {
	gathertest.AddSeeds(f, "version: 3.3.1142.0\n", "version:\n")
	f.Fuzz(func(t *testing.T, b []byte) {
		if v := parseReceipt(b); v != "" && !versionRE.MatchString(v) {
			t.Errorf("version %q", v)
		}
	})
}
