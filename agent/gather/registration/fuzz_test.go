package registration

import (
	"strings"
	"testing"

	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

func FuzzRuntime(f *testing.F) {
	gathertest.SeedFiles(f, "identity_config.json")
	gathertest.AddSeeds(f, `{"InstanceId":"i-0abc","IdentityType":"EC2","CredentialSource":null}`, `{"CredentialsExpiresAt":"0001-01-01T00:00:00Z"}`, `{"CredentialsExpiresAt":"9999-12-31T23:59:59-23:59"}`, `{`, ``)
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, _, err := parseRuntime(b); err == nil {
			gathertest.Sound(t, r)
		} else {
			kind, what := jsonDamage(b, err)
			gathertest.Sound(t, []string{kind, what})
		}
	})
}

// FuzzVault puts the same bytes into every file of the registration state.
func FuzzVault(f *testing.F) {
	gathertest.SeedFiles(f, "RegistrationKey", "EC2RegistrationKey", "Manifest", "EC2Manifest", "InstanceFingerprint", "registration")
	gathertest.AddSeeds(f, ``, `{`, `{"RegistrationKey":"/../../etc/shadow"}`, `{"EC2RegistrationKey":"C:\\x\u001b"}`, `{"instanceID":"mi-1","region":"r","privateKey":"AAAA","privateKeyCreatedDate":"x"}`,
		`{"hardwareHash":{"machine-id":"deadbeefdeadbeefdeadbeefdeadbeef"},"similarityThreshold":99999999}`, `{"privateKey":"MAkCAQACAQECAQE="}`)
	f.Fuzz(func(t *testing.T, b []byte) {
		const dir = "var/lib/amazon/ssm/"
		env := gathertest.InMemory(map[string][]byte{
			dir + "Vault/Manifest": b, dir + "Vault/EC2Manifest": b, dir + "Vault/Store/RegistrationKey": b, dir + "Vault/Store/EC2RegistrationKey": b,
			dir + "Vault/Store/InstanceFingerprint": b, dir + "registration": b, "etc/machine-id": []byte("0123456789abcdef0123456789abcdef\n"),
		})
		var x facts.Facts
		if err := (Source{}).Gather(t.Context(), env.Begin(), &x); err != nil {
			t.Fatal(err)
		}
		gathertest.Sound(t, x.Registration)
	})
}

func FuzzSharedCredentials(f *testing.F) {
	gathertest.SeedFiles(f, "credentials")
	gathertest.AddSeeds(f, "[default]\naws_access_key_id = AKIDAKIDAKIDAKID\naws_secret_access_key=s\n", "[a", "x=1", "[profile p]\n k = v\n\tc\nk2", "; c\n# c\n[]\n=\n", "[default]\naws_access_key_id=\x1b[31mAAAAAAAAAAAA\n")
	f.Fuzz(func(t *testing.T, b []byte) {
		const name = "root/.aws/credentials"
		seen, sections := readShared(gathertest.InMemory(map[string][]byte{name: b}).FS, name)
		gathertest.Sound(t, seen)
		if len(sections) > 200 {
			t.Errorf("%d sections", len(sections))
		}
		for _, s := range sections {
			for _, k := range []string{"aws_secret_access_key", "aws_session_token"} {
				if v := s.values[k]; len(v) >= 24 && !strings.Contains(s.name, v) && !strings.Contains(s.values["aws_access_key_id"], v) {
					for _, p := range seen.Value.Profiles {
						if strings.Contains(p.Profile+p.KeyPrefix+seen.Value.ParseError, v) {
							t.Error("a secret became a fact")
						}
					}
				}
			}
		}
	})
}
