package registration

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

// keyFile is a stored registration; key is base64.
func keyFile(t testing.TB, id, key string) string {
	t.Helper()
	b, err := json.Marshal(map[string]string{"instanceID": id, "region": "eu-west-1", "privateKey": key, "privateKeyType": "Rsa", "privateKeyCreatedDate": "2026-11-22 09:10:23.016400703 +0000 UTC"})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestVaultDamage(t *testing.T) {
	t.Parallel()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	good := base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PrivateKey(k))
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	const (
		v        = "var/lib/amazon/ssm/Vault/"
		hybrid   = v + "Store/RegistrationKey"
		ec2      = v + "Store/EC2RegistrationKey"
		manifest = `{"RegistrationKey":"/var/lib/amazon/ssm/Vault/Store/RegistrationKey"}`
	)
	whole := keyFile(t, "mi-0123456789abcdef0", good)
	for _, c := range []struct {
		name  string
		files map[string]string
		state facts.State // of the hybrid key
		want  []string    // kind and path of each damage
	}{
		{"whole", map[string]string{v + "Manifest": manifest, hybrid: whole}, facts.IsKnown, nil},
		{"nothing", map[string]string{"var/lib/amazon/ssm/": ""}, facts.IsAbsent, nil},
		{"manifest is not JSON", map[string]string{v + "Manifest": "<xml>", hybrid: whole}, facts.IsKnown, []string{"not-json /" + v + "Manifest"}},
		{"manifest of the wrong type", map[string]string{v + "Manifest": `{"RegistrationKey":5}`, hybrid: whole}, facts.IsKnown, []string{"not-json /" + v + "Manifest"}},
		{"manifest cut off", map[string]string{v + "EC2Manifest": manifest[:20], hybrid: whole}, facts.IsKnown, []string{"truncated /" + v + "EC2Manifest"}},
		{"manifest empty", map[string]string{v + "Manifest": "\n", hybrid: whole}, facts.IsKnown, []string{"truncated /" + v + "Manifest"}},
		{"manifest names a missing file", map[string]string{v + "Manifest": manifest}, facts.IsAbsent, []string{"missing-file /" + hybrid}},
		{"manifest names another place", map[string]string{v + "Manifest": `{"RegistrationKey":"/srv/key"}`, "srv/key": whole}, facts.IsKnown, nil},
		{"manifest names a gone place", map[string]string{v + "Manifest": `{"RegistrationKey":"/srv/key"}`, hybrid: whole}, facts.IsKnown, []string{"missing-file /srv/key"}},
		{"manifest leads out of the root", map[string]string{v + "Manifest": `{"RegistrationKey":"/../../../../../../etc/hostname"}`}, facts.IsAbsent, []string{"missing-file /etc/hostname"}},
		{"key is not JSON", map[string]string{hybrid: "mi-0123"}, facts.IsUnknown, []string{"not-json /" + hybrid}},
		{"key cut off", map[string]string{hybrid: whole[:300]}, facts.IsUnknown, []string{"truncated /" + hybrid}},
		{"key empty", map[string]string{hybrid: ""}, facts.IsUnknown, []string{"truncated /" + hybrid}},
		{"key is not base64", map[string]string{hybrid: keyFile(t, "mi-0123456789abcdef0", "?"+good)}, facts.IsKnown, []string{"bad-key /" + hybrid}},
		{"key is not DER", map[string]string{hybrid: keyFile(t, "mi-0123456789abcdef0", good[:400])}, facts.IsKnown, []string{"bad-key /" + hybrid}},
		{"key is PKCS#8", map[string]string{hybrid: keyFile(t, "mi-0123456789abcdef0", base64.StdEncoding.EncodeToString(pkcs8))}, facts.IsKnown, []string{"bad-key /" + hybrid}},
		{"cleared registration", map[string]string{hybrid: keyFile(t, "", "")}, facts.IsKnown, nil},
		{"key is a directory", map[string]string{hybrid + "/": ""}, facts.IsUnknown, []string{"not-a-file /" + hybrid}},
		{"key is a dangling link", map[string]string{hybrid: "-> /srv/gone"}, facts.IsAbsent, []string{"missing-file /" + hybrid}},
		{"key is a circle of links", map[string]string{hybrid: "-> RegistrationKey"}, facts.IsUnknown, []string{"link-loop /" + hybrid}},
		{"key is huge", map[string]string{hybrid: strings.Repeat("x", maxVaultFile+1)}, facts.IsUnknown, []string{"not-json /" + hybrid}},
		{"store is a file", map[string]string{v + "Store": "x"}, facts.IsAbsent, []string{"not-a-file /" + v + "Store"}},
		{"vault is a file", map[string]string{strings.TrimSuffix(v, "/"): "x"}, facts.IsAbsent, []string{"not-a-file /" + strings.TrimSuffix(v, "/")}},
		{"both kinds are damaged", map[string]string{hybrid: "{", ec2: "}"}, facts.IsUnknown, []string{"truncated /" + hybrid, "not-json /" + ec2}},
		{"fingerprint is not JSON", map[string]string{hybrid: whole, v + "Store/InstanceFingerprint": "x"}, facts.IsKnown, []string{"not-json /" + v + "Store/InstanceFingerprint"}},
		{"fingerprint cut off", map[string]string{hybrid: whole, v + "Store/InstanceFingerprint": `{"fingerprint":"a`}, facts.IsKnown, []string{"truncated /" + v + "Store/InstanceFingerprint"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := gathertest.GatherDir(t, gathertest.Tree(t, c.files), Source{})
			var got []string
			for _, d := range f.Registration.Damage.Value {
				got = append(got, d.Kind+" "+d.Path)
				if d.What == "" {
					t.Errorf("%s without a word on it", d.Kind)
				}
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
			if s := f.Registration.Hybrid; s.State != c.state {
				t.Errorf("key is %s (%s), want %s", s.State, s.Why, c.state)
			}
			gathertest.Sound(t, f.Registration)
			gathertest.NoSecret(t, f, good[64:128], good[300:360])
		})
	}
}

// TestStateTable is the table of registration states.
func TestStateTable(t *testing.T) {
	t.Parallel()
	fp := `{"fingerprint":"0f8fad5b-d9cb-469f-a165-70867728950e","hardwareHash":{"machine-id":"0123456789abcdef0123456789abcdef\n","memory-hash":"","disk-info":"x"},"similarityThreshold":-1}`
	f := gathertest.GatherDir(t, gathertest.Tree(t, map[string]string{
		"var/lib/amazon/ssm/Vault/Store/RegistrationKey": keyFile(t, "", "QUJD"), "var/lib/amazon/ssm/Vault/Store/InstanceFingerprint": fp, "etc/machine-id": "fedcba9876543210fedcba9876543210\n",
		"var/lib/amazon/ssm/registration": `{"ManagedInstanceID":"mi-0abc","Region":"eu-west-1"}`, "var/lib/amazon/ssm/i-0aaaaaaaaaaaaaaaa/": "", "var/lib/amazon/ssm/mi-0bbbbbbbbbbbbbbbb/": "", "var/lib/amazon/ssm/i-not/": "", "var/lib/amazon/ssm/i-0cccccccccccccccc": "a file",
	}), Source{})
	r := f.Registration
	for _, w := range gathertest.Wrong(
		gathertest.Holds("wiped by a failed attempt", r.Hybrid.Value.HasPrivate && r.Hybrid.Value.InstanceID == "" && !r.Hybrid.Value.Complete()),
		gathertest.Holds("stale registration file", r.Informational.Value.InstanceID == "mi-0abc"), gathertest.Holds("check is off", r.Fingerprint.Value.Threshold == -1),
		gathertest.Is(r.Fingerprint.Value.MachineIDMatches, false), gathertest.Holds("leftovers", cmp.Equal(r.NodeFolders.Value, []string{"i-0aaaaaaaaaaaaaaaa", "mi-0bbbbbbbbbbbbbbbb"}))) {
		t.Error(w)
	}
	gathertest.NoSecret(t, f, "0f8fad5b", "0123456789abcdef", "fedcba98")
}

func TestModesAndOwners(t *testing.T) {
	t.Parallel()
	dir := gathertest.Tree(t, map[string]string{"var/lib/amazon/ssm/Vault/Store/RegistrationKey": "{}", "var/lib/amazon/ssm/runtimeconfig": "-> /srv/gone", "etc/amazon/ssm/": ""})
	if err := os.Chmod(filepath.Join(dir, "var/lib/amazon/ssm/Vault/Store/RegistrationKey"), 0o644); err != nil {
		t.Fatal(err)
	}
	env := gathertest.Plain(t, dir)
	env.Owner = func(fi os.FileInfo) (int, bool) { return 1000, fi.Name() == "RegistrationKey" }
	f := gathertest.Gather(t, env, Source{})
	got := map[string]facts.PathInfo{}
	for _, p := range f.Registration.Paths.Value {
		got[p.Path] = p
	}
	const v = "/var/lib/amazon/ssm/"
	for _, want := range []facts.PathInfo{
		{Path: v + "Vault/Store/RegistrationKey", Exists: true, Mode: "-rw-r--r--", Owner: facts.Known(1000, "")},
		{Path: v + "Vault/Store", Folder: true, Exists: true, Mode: "drwxr-xr-x", Owner: facts.Unknown[int]("the file system does not tell", "")},
		{Path: v + "Vault/Manifest", Owner: facts.Absent[int]("no such file", "")},
		{Path: v + "runtimeconfig", Folder: true, Owner: facts.Absent[int]("no such file", ""), Error: "dangling link"},
	} {
		if d := cmp.Diff(want, got[want.Path]); d != "" {
			t.Error(d)
		}
	}
}

// TestRuntimeDamage: a runtime configuration of every version and in every bad state.
func TestRuntimeDamage(t *testing.T) {
	t.Parallel()
	const name = "var/lib/amazon/ssm/runtimeconfig/identity_config.json"
	for _, c := range []struct {
		name, content string
		state         facts.State
		want          facts.Runtime
	}{
		{"1.1", `{"SchemaVersion":"1.1","InstanceId":"i-0abc","IdentityType":"EC2","ShareFile":"","ShareProfile":"","CredentialsExpiresAt":"2024-10-30T11:00:00.5Z","CredentialsRetrievedAt":"0001-01-01T00:00:00Z","CredentialSource":"EC2"}`, facts.IsKnown,
			facts.Runtime{InstanceID: "i-0abc", IdentityType: "EC2", Source: "EC2", HasSource: true}},
		{"before 3.2.1297", `{"InstanceId":"mi-0abc","IdentityType":"OnPrem","ShareFile":"/root/.aws/credentials","ShareProfile":""}`, facts.IsKnown, facts.Runtime{InstanceID: "mi-0abc", IdentityType: "OnPrem", ShareFile: "/root/.aws/credentials"}},
		{"cut off", `{"InstanceId":"mi-0abc`, facts.IsUnknown, facts.Runtime{}},
		{"empty", ``, facts.IsUnknown, facts.Runtime{}},
		{"wrong type", `{"InstanceId":7}`, facts.IsUnknown, facts.Runtime{}},
		{"a time that is none", `{"CredentialsExpiresAt":"soon"}`, facts.IsUnknown, facts.Runtime{}},
		{"dangling link", "-> /gone", facts.IsAbsent, facts.Runtime{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := gathertest.GatherDir(t, gathertest.Tree(t, map[string]string{name: c.content}), Credentials{})
			r := f.Credentials.Runtime
			r.Value.ExpiresAt, r.Value.ModifiedAt = c.want.ExpiresAt, c.want.ModifiedAt
			if d := cmp.Diff(c.want, r.Value); d != "" || r.State != c.state {
				t.Errorf("%s (%s)\n%s", r.State, r.Why, d)
			}
			if c.state == facts.IsUnknown && !strings.HasPrefix(r.Why, "damaged: ") {
				t.Errorf("why: %s", r.Why)
			}
		})
	}
}
