package install

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

// packet is one packet of the old format with a length of two bytes.
func packet(tag byte, body []byte) []byte {
	return append([]byte{0x80 | tag<<2 | 1, byte(len(body) >> 8), byte(len(body))}, body...)
}

// keyring is a key of a signer that was made at a time and lives so long.
func keyring(signer string, made time.Time, life time.Duration) []byte {
	key := binary.BigEndian.AppendUint32([]byte{4}, uint32(made.Unix()))
	key = append(key, 1, 0, 9, 1, 0x55, 0, 17, 1, 0, 1)
	sub := binary.BigEndian.AppendUint32([]byte{5, 9}, uint32(life.Seconds()))
	sig := append([]byte{4, 0x13, 1, 2, 0, byte(len(sub))}, sub...)
	return slices.Concat(packet(6, key), packet(13, []byte("SSM Agent <"+signer+">")), packet(2, sig))
}

func armored(b []byte) []byte {
	return []byte("-----BEGIN PGP PUBLIC KEY BLOCK-----\nVersion: x\n\n" + base64.StdEncoding.EncodeToString(b) + "\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n")
}

func TestKeyring(t *testing.T) {
	t.Parallel()
	made := time.Date(2025, 1, 22, 0, 0, 0, 0, time.UTC)
	ours, other := keyring(signer, made, 24*time.Hour), keyring("packages@example.com", made, time.Hour)
	for _, c := range []struct {
		name string
		b    []byte
		want int
	}{
		{"binary", ours, 1}, {"armored", armored(ours), 1}, {"two blocks", append(armored(other), armored(ours)...), 1},
		{"two in one", append(bytes.Clone(other), ours...), 1}, {"another's", other, 0}, {"cut off", ours[:20], 0}, {"text", []byte("hello"), 0}, {"nothing", nil, 0},
	} {
		got := ParseKeyring(c.b)
		if len(got) != c.want {
			t.Errorf("%s: %d keys, want %d", c.name, len(got), c.want)
		}
		for _, k := range got {
			if len(k.ID) != 16 || !k.Expires.Equal(made.Add(24*time.Hour)) {
				t.Errorf("%s: %+v", c.name, k)
			}
		}
	}
}

func TestRPMKeys(t *testing.T) {
	t.Parallel()
	got := rpmKeys([]byte("amazon-ssm-agent 3.3.1142.0\ngpg-pubkey d832c631\ngpg-pubkey 97dd04ed\ngpg-pubkey 4855a9e6683216d6a77d8fe451a8e050d0052e5d\n"))
	if len(got) != 2 || got[0].ID != "BC1F495C97DD04ED" || got[1].ID != "51A8E050D0052E5D" {
		t.Errorf("%+v", got)
	}
	if v := rpmVersion([]byte("package gpg-pubkey is not installed\namazon-ssm-agent 3.3.1142.0\n")); v != "3.3.1142.0" {
		t.Errorf("version %q", v)
	}
}

func TestHolds(t *testing.T) {
	t.Parallel()
	now := gathertest.Now
	for _, c := range []struct {
		name string
		got  []string
		want int
	}{
		{"pin", ParsePins([]byte("Package: amazon-ssm-agent\nPin: version 3.3.1142.0-1\nPin-Priority: 1001\n")), 1},
		{"pin of all", ParsePins([]byte("Package: *\nPin: release a=stable\nPin-Priority: 900\n")), 0},
		{"pin of another", ParsePins([]byte("Package: nginx\nPin: version 1*\n")), 0},
		{"lock", ParseVersionLock([]byte("# x\namazon-ssm-agent-0:3.3.1142.0-1.*\n0:amazon-ssm-agent-3.3.1142.0-1.x86_64\nkernel-5*\n")), 2},
		{"lock of dnf 5", ParseVersionLock([]byte("[[packages]]\nname = \"amazon-ssm-agent\"\n")), 1},
		{"lock of zypper", ParseVersionLock([]byte("type: package\nsolvable_name: amazon-ssm-agent\n")), 1},
		{"exclude", ParseExcludes([]byte("[main]\nexclude=kernel* amazon-ssm-*\n")), 1},
		{"exclude of others", ParseExcludes([]byte("[main]\nexclude=kernel*\ngpgcheck=1\n")), 0},
	} {
		if len(c.got) != c.want {
			t.Errorf("%s: %q", c.name, c.got)
		}
	}
	held := fmt.Sprintf(`{"data":{"config":{"core":{"refresh":{"hold":"forever"}}},"snaps-hold":{"amazon-ssm-agent":{"system":{"hold-until":%q}}}}}`, now.AddDate(100, 0, 0).Format(time.RFC3339))
	if h := ParseSnapHolds([]byte(held), now); len(h) != 2 || !h[0].Until.IsZero() {
		t.Errorf("held: %+v", h)
	}
	if h := ParseSnapHolds([]byte(`{"data":{"config":{"core":{"refresh":{"hold":"2020-01-01T00:00:00Z"}}}}}`), now); len(h) != 0 {
		t.Errorf("over: %+v", h)
	}
}

func TestUpdateLog(t *testing.T) {
	t.Parallel()
	got := ParseUpdateLog([]byte("2026-11-20T08:00:00+0100 ERROR Public key for amazon-ssm-agent-3.3.5226.0-1.x86_64.rpm is not installed. Failing package is: amazon-ssm-agent\nE: Could not get lock /var/lib/dpkg/lock-frontend\nError: GPG check FAILED nginx\n"))
	if len(got) != 2 || got[0].Kind != "signature" || got[1].Kind != "locked" || got[0].At.Hour() != 7 {
		t.Errorf("%+v", got)
	}
	if got := ParseUpdateLog([]byte("E: Could not get lock /var/lib/dpkg/lock-frontend\n")); len(got) != 0 {
		t.Errorf("a lock that has nothing to do with the agent: %+v", got)
	}
}

// What stands in files only is found without a program.
func TestUpdates(t *testing.T) {
	t.Parallel()
	env := gathertest.InMemory(map[string][]byte{
		"usr/share/keyrings/amazon-ssm-agent.gpg": armored(keyring(signer, time.Date(2022, 1, 1, 0, 0, 0, 0, time.UTC), time.Hour)),
		"var/lib/amazon/ssm/update.lock":          []byte("4711\n"),
		"etc/apt/preferences.d/ssm":               []byte("Package: amazon-ssm-agent\nPin: version 3.3.1142.0-1\n"),
		"var/log/apt/term.log":                    []byte("dpkg: amazon-ssm-agent\nE: Could not get lock /var/lib/dpkg/lock\n"),
		"opt/ssm/ssm-setup-cli":                   []byte("x"),
		"opt/nodeadm/tracker":                     []byte("x"),
		"usr/local/bin/aws_signing_helper":        []byte("x"),
		"etc/yum/pluginconf.d/versionlock.list":   []byte("amazon-ssm-agent\n"), // no rpm host
	})
	u := updates(env, []facts.Installation{{Kind: "deb", Package: "hold ok installed"}}, facts.Absent[[]facts.SigningKey]("no rpm", ""))
	if len(u.Keys.Value) != 1 || len(u.Holds.Value) != 2 || u.Lock.Value.PID != 4711 || len(u.Failures.Value) != 1 {
		t.Errorf("%+v", u)
	}
	if a := around(env); len(a.Value) != 2 {
		t.Errorf("%+v", a)
	}
}

// Every documented key is known, in any case, and what older templates had is no
// typing error.
func TestConfigKeys(t *testing.T) {
	t.Parallel()
	c := ParseConfig([]byte(`{"ssm":{"CREDENTIALRETRYMAXSLEEPSECONDS":60,"SessionHandshakeTimeoutSeconds":15,"AssociationRetryLimit":5},"Agent":{"EnforceWorkspaceRootOwnership":false,"GlobalEnhancedTelemetryEnabled":true,
		"TelemetryMetricsNamespace":"x","Regoin":"y"},"Plugins":{"aws:runShellScript":{"MaxStdoutLength":1}},"Profile":{"ProfilePath":""}}`))
	if strings.Join(c.UnknownKeys, " ") != "Agent.Regoin" || c.CredentialRetrySeconds != 60 || !c.OwnershipOff || !slices.Contains(c.Keys, "Ssm.CredentialRetryMaxSleepSeconds") {
		t.Errorf("%+v", c)
	}
	for in, want := range map[string]int{`{"Ssm":{"CredentialRetryMaxSleepSeconds":10}}`: 0, `{"Ssm":{"CredentialRetryMaxSleepSeconds":4000}}`: 0, `{}`: 0} {
		if got := ParseConfig([]byte(in)); got.CredentialRetrySeconds != want || got.OwnershipOff {
			t.Errorf("%s: %+v", in, got)
		}
	}
}

func FuzzKeyring(f *testing.F) {
	gathertest.AddSeeds(f, string(keyring(signer, gathertest.Now, time.Hour)), string(armored(keyring(signer, gathertest.Now, time.Hour))), "\xc6\xff\xff\xff\xff\xff", "-----BEGIN PGP PUBLIC KEY BLOCK-----")
	f.Fuzz(func(t *testing.T, b []byte) {
		keys := ParseKeyring(b)
		gathertest.Sound(t, keys)
		if len(keys) > maxFound*maxFound {
			t.Errorf("%d keys", len(keys))
		}
		gathertest.Sound(t, rpmKeys(b))
	})
}

func FuzzHolds(f *testing.F) {
	gathertest.AddSeeds(f, "Package: amazon-ssm-agent\nPin: version 1\n", "name = \"amazon-ssm-agent\"", "exclude=amazon-ssm-*", `{"data":{"snaps-hold":{"amazon-ssm-agent":{"system":{}}}}}`, "E: Could not get lock\namazon-ssm-agent is not signed")
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, list := range [][]string{ParsePins(b), ParseVersionLock(b), ParseExcludes(b)} {
			if len(list) > maxHolds {
				t.Errorf("%d rules", len(list))
			}
			for i := range list {
				list[i] = gather.OneLine(list[i], 200)
			}
			gathertest.Sound(t, list)
		}
		gathertest.Sound(t, ParseSnapHolds(b, gathertest.Now))
		gathertest.Sound(t, ParseUpdateLog(b))
	})
}
