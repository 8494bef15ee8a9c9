package gather

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

func FuzzConfig(f *testing.F) {
	add(f, `{}`, `{"Ssm":{"Endpoint":"ssm.example"},"Agent":{"Region":"eu-west-1"}}`, `{"ssm":{"healthfrequencyminutes":"5"}}`,
		"\xef\xbb\xbf{}", `{"Profile":{"ShareCreds":true,}}`, `{"Identity":{"ConsumptionOrder":["OnPrem","x"],"CustomIdentities":[{"InstanceID":"i","Region":"r"}]}}`,
		`{"Agent":{"Region":"\u001b[31m"},"\u202ex":1}`, `[]`, `null`)
	f.Fuzz(func(t *testing.T, b []byte) {
		c := parseConfig(b)
		sound(t, c)
		if c.ParseError == "" && (c.HealthMinutes < 5 || c.HealthMinutes > 60) {
			t.Errorf("health interval %d", c.HealthMinutes)
		}
		if len(c.UnknownKeys) > maxUnknownKeys {
			t.Errorf("%d unknown keys", len(c.UnknownKeys))
		}
	})
}

func FuzzRuntime(f *testing.F) {
	seedFiles(f, "identity_config.json")
	add(f, `{"InstanceId":"i-0abc","IdentityType":"EC2","CredentialSource":null}`, `{"CredentialsExpiresAt":"0001-01-01T00:00:00Z"}`, `{"CredentialsExpiresAt":"9999-12-31T23:59:59-23:59"}`, `{`, ``)
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := parseRuntime(b); err == nil {
			sound(t, r)
		} else {
			kind, what := jsonDamage(b, err)
			sound(t, []string{kind, what})
		}
	})
}

// FuzzVault puts the same bytes into every file of the registration state.
func FuzzVault(f *testing.F) {
	seedFiles(f, "RegistrationKey", "EC2RegistrationKey", "Manifest", "EC2Manifest", "InstanceFingerprint", "registration")
	add(f, ``, `{`, `{"RegistrationKey":"/../../etc/shadow"}`, `{"EC2RegistrationKey":"C:\\x\u001b"}`, `{"instanceID":"mi-1","region":"r","privateKey":"AAAA","privateKeyCreatedDate":"x"}`,
		`{"hardwareHash":{"machine-id":"deadbeefdeadbeefdeadbeefdeadbeef"},"similarityThreshold":99999999}`, `{"privateKey":"MAkCAQACAQECAQE="}`)
	f.Fuzz(func(t *testing.T, b []byte) {
		const dir = "var/lib/amazon/ssm/"
		env := memEnv(map[string][]byte{
			dir + "Vault/Manifest": b, dir + "Vault/EC2Manifest": b, dir + "Vault/Store/RegistrationKey": b, dir + "Vault/Store/EC2RegistrationKey": b,
			dir + "Vault/Store/InstanceFingerprint": b, dir + "registration": b, "etc/machine-id": []byte("0123456789abcdef0123456789abcdef\n"),
		})
		var x facts.Facts
		if err := (registrationSource{}).Gather(background, env.Begin(), &x); err != nil {
			t.Fatal(err)
		}
		sound(t, x.Registration)
		if k := x.Registration.Hybrid; k.Known() && k.Value.KeyValid && !k.Value.HasPrivate {
			t.Error("a valid key that is not there")
		}
	})
}

func FuzzSharedCredentials(f *testing.F) {
	seedFiles(f, "credentials")
	add(f, "[default]\naws_access_key_id = AKIDAKIDAKIDAKID\naws_secret_access_key=s\n", "[a", "x=1", "[profile p]\n k = v\n\tc\nk2", "; c\n# c\n[]\n=\n", "[default]\naws_access_key_id=\x1b[31mAAAAAAAAAAAA\n")
	f.Fuzz(func(t *testing.T, b []byte) {
		const name = "root/.aws/credentials"
		seen, sections := readShared(memEnv(map[string][]byte{name: b}).FS, name)
		sound(t, seen)
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

func FuzzLog(f *testing.F) {
	seedFiles(f, "amazon-ssm-agent.log", "errors.log")
	add(f, "2026-11-22 09:10:22.9567 INFO [amazon-ssm-agent] amazon-ssm-agent - v3.3.0.0\n", "2026-11-22 09:10:22 ERROR x AccessDeniedException: y\n\tstatus code: 400, request id: z\n",
		"2026-13-45 99:99:99 INFO Next credential rotation will be in 1 minutes", "\x1b]0;x\x07\n\xff\xfe", "2026-11-22 09:10:22 INFO Sleeping for 9999999h before retrying retrieve credentials\n",
		"2026-11-22 09:10:22 INFO Backing off health check to every 600 seconds for 1800 seconds\r\n", strings.Repeat("2026-11-22 09:10:22 ERROR is not authorized to perform: a:B\n", 5))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := newLogScan(time.UTC, testNow)
		s.path = "/var/log/amazon/ssm/amazon-ssm-agent.log"
		s.fresh = true
		var lf facts.LogFile
		n, err := s.read(background, bytes.NewReader(b), false, &lf)
		if err != nil || n != int64(len(b)) {
			t.Fatalf("read %d of %d: %v", n, len(b), err)
		}
		s.endGroup()
		var l facts.Log
		s.fill(&l, "file:/var/log/amazon/ssm", nil)
		sound(t, l)
		if len(l.Refusals) > maxRefusals {
			t.Errorf("%d refusals", len(l.Refusals))
		}
		if bo, ok := l.Backoff.Get(); ok && (bo.Seconds <= 0 || bo.Seconds > maxSleep.Seconds() || !bo.Until.After(testNow)) {
			t.Errorf("back-off %+v", bo)
		}
	})
}

func FuzzRefusal(f *testing.F) {
	f.Add("AccessDeniedException: User: arn:aws:sts::1:assumed-role/r/i is not authorized to perform: ssm:UpdateInstanceInformation on resource: x status code: 400, request id: y")
	f.Add("<AccessDeniedException><Message>User: x is not authorized to perform: ssmmessages:CreateControlChannel</Message></AccessDeniedException>")
	f.Add("Credentials: http_proxy:http://user:pa55@proxy:3128 The hardware ID (aaaa) differs (bbbb)")
	f.Fuzz(func(t *testing.T, s string) {
		if r, ok := parseRefusal(s); ok {
			sound(t, r)
			if r.Code == "" {
				t.Error("a refusal without code")
			}
		}
		sound(t, oneLine(scrub(s), maxMatch))
	})
}

func FuzzAudit(f *testing.F) {
	seedFiles(f, "amazon-ssm-agent-audit-*")
	add(f, "SchemaVersion=1\nagent_telemetry amazon-ssm-agent.start 3.3.1142.0 12:34:56\nagent_update_result 0 3.3.1.0 12:00:00\nAuditSent=000000001\n", "agent_telemetry x.start 1 25:00:00", "agent_telemetry .start 1.2.3.4 00:00:00")
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, a := range parseAudit(b, testNow) {
			sound(t, []string{a.exe, a.version})
			if !versionRE.MatchString(a.version) {
				t.Errorf("version %q", a.version)
			}
		}
	})
}

// FuzzProxy: whatever a proxy's value holds, the password does not become a fact.
func FuzzProxy(f *testing.F) {
	f.Add("http://", "user", "hunter2hunter2", "proxy.example:3128/x?y#z")
	f.Add("", "u", "p@ss:w/rd?#longer", "proxy:1")
	f.Add("https://", "", "\x1b[31mpassword", "[::1]:3128")
	f.Add("u", "", "0000000000", "://")
	f.Fuzz(func(t *testing.T, scheme, user, password, host string) {
		// A host with @ makes another value of the same login.
		if len(password) < 10 || strings.Contains(host, "@") || strings.Contains(oneLine(scheme+" "+host, 1000), password) || strings.Contains(user, "://") || strings.Contains(password, "://") {
			return
		}
		out, auth := redactProxy(scheme + user + ":" + password + "@" + host)
		sound(t, out)
		if strings.Contains(out, password) || !auth {
			t.Errorf("%q shows the password of %q", out, scheme+user+":"+password+"@"+host)
		}
	})
}

func FuzzScrub(f *testing.F) {
	f.Add("SessionToken", "IQoJb3JpZ2luX2VjEXAMPLE")
	f.Add("secretAccessKey", "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY")
	f.Add("password", "x/y+z==")
	f.Fuzz(func(t *testing.T, name, value string) {
		sound(t, oneLine(scrub(name+"="+value), 300))
		for _, c := range value {
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("+/=_-", c) {
				return
			}
		}
		if len(value) < 4 {
			return
		}
		for _, form := range []string{"SessionToken=%", "\"SecretAccessKey\": \"%\"", "aws_session_token = %", "activationCode: %", "password=%"} {
			if got := scrub(strings.Replace(form, "%", value, 1)); strings.Contains(got, value) && !strings.Contains(form, value) {
				t.Errorf("%q is left in %q", value, got)
			}
		}
	})
}

func FuzzDocumentState(f *testing.F) {
	add(f, `{"OutputS3BucketName":"my-bucket","LogGroupName":"/aws/ssm/x"}`, `"LogGroupName" : "`+strings.Repeat("a", 600)+`"`, "{")
	f.Fuzz(func(t *testing.T, b []byte) {
		env := memEnv(map[string][]byte{"var/lib/amazon/ssm/i-0123456789abcdef0/document/state/completed/x": b})
		var x facts.Facts
		if err := (usesSource{}).Gather(background, env.Begin(), &x); err != nil {
			t.Fatal(err)
		}
		sound(t, x.Agent)
	})
}
