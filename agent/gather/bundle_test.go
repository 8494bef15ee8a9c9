package gather_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
)

// TestFirstBundle: the first file that can be read decides, as it does for Go; without a
// certificate in it, all certificates of the host have to be read.
func TestFirstBundle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	missing, empty, good := filepath.Join(dir, "missing"), filepath.Join(dir, "empty"), filepath.Join(dir, "good")
	if err := os.WriteFile(empty, []byte("no certificate\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(good, gathertest.NewAuthority(t, "Test Root").Pem(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		files []string
		some  bool
	}{
		{"none", nil, false},
		{"missing", []string{missing}, false},
		{"the second", []string{missing, good}, true},
		{"one without a certificate before it", []string{empty, good}, false},
	} {
		if got := gather.FirstBundle(c.files); (got != nil) != c.some {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// TestBundleFor: the verdict by the certificates that are read is that by all of the file.
func TestBundleFor(t *testing.T) {
	t.Parallel()
	ours, same, other := gathertest.NewAuthority(t, "Test Root"), gathertest.NewAuthority(t, "Test Root"), gathertest.NewAuthority(t, "Other Root")
	headed := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Headers: map[string]string{"A": "b"}, Bytes: der(t, ours.Pem())})
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der(t, ours.Pem())})
	broken := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der(t, ours.Pem())[:300]})
	now := gathertest.Now
	leaf := ours.Issue(t, now, -time.Hour, time.Hour, "ssm.example").Certificate[0]
	shown := map[string][][]byte{
		"a leaf":                    {leaf},
		"with its root":             {leaf, der(t, ours.Pem())},
		"with another root":         {leaf, der(t, other.Pem())},
		"expired":                   {ours.Issue(t, now, -2*time.Hour, -time.Hour, "ssm.example").Certificate[0]},
		"another name":              {ours.Issue(t, now, -time.Hour, time.Hour, "kms.example").Certificate[0]},
		"the root itself":           {der(t, ours.Pem())},
		"a leaf of a root's sister": {same.Issue(t, now, -time.Hour, time.Hour, "ssm.example").Certificate[0]},
		"a leaf of another root":    {other.Issue(t, now, -time.Hour, time.Hour, "ssm.example").Certificate[0]},
	}
	files := map[string][]byte{
		"its root": ours.Pem(), "another": other.Pem(), "both": append(other.Pem(), ours.Pem()...), "two of one name": append(same.Pem(), ours.Pem()...),
		"with a header, and a key": bytes.Join([][]byte{other.Pem(), headed, key}, nil), "cut off, and whole": append(broken, ours.Pem()...),
	}
	trusted := 0
	for file, text := range files {
		all := x509.NewCertPool()
		all.AppendCertsFromPEM(text)
		b := gather.NewBundle(text)
		for what, chain := range shown {
			var certs []*x509.Certificate
			inter := x509.NewCertPool()
			for i, raw := range chain {
				c, err := x509.ParseCertificate(raw)
				if err != nil {
					t.Fatal(err)
				}
				if certs = append(certs, c); i > 0 {
					inter.AddCert(c)
				}
			}
			verdict := func(roots *x509.CertPool) string {
				chains, err := certs[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: inter, DNSName: "ssm.example", CurrentTime: now})
				return fmt.Sprint(len(chains), err)
			}
			want := verdict(all)
			if got := verdict(b.For(certs)); got != want {
				t.Errorf("%s, %s: %s, by all %s", file, what, got, want)
			}
			if want == "1 <nil>" {
				trusted++
			}
		}
	}
	if trusted == 0 {
		t.Error("nothing was trusted")
	}
	if b := gather.NewBundle(append(broken, key...)); b != nil {
		t.Error("a bundle of what is no certificate")
	}
}

func der(t *testing.T, text []byte) []byte {
	t.Helper()
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatal("no block")
	}
	return block.Bytes
}

// TestSubjectsOfThisHost: of each certificate that this host trusts, the subject is that
// which crypto/x509 reads.
func TestSubjectsOfThisHost(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("/etc/ssl/certs/ca-certificates.crt")
	if err != nil {
		t.Skip(err)
	}
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			continue
		}
		if got, ok := gather.SubjectOf(block.Bytes); !ok || !bytes.Equal(got, c.RawSubject) {
			t.Errorf("%s: %x", c.Subject, got)
		}
	}
}

// FuzzSubjectOf: whatever crypto/x509 takes for a certificate has the subject that it reads.
func FuzzSubjectOf(f *testing.F) {
	a := gathertest.NewAuthority(f, "Test Root")
	block, _ := pem.Decode(a.Pem())
	f.Add(block.Bytes)
	f.Add(a.Issue(f, gathertest.Now, -time.Hour, time.Hour, "ssm.example").Certificate[0])
	f.Add([]byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0x30, 0x82, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, ok := gather.SubjectOf(b)
		if c, err := x509.ParseCertificate(b); err == nil && (!ok || !bytes.Equal(got, c.RawSubject)) {
			t.Errorf("%x, want %x", got, c.RawSubject)
		}
	})
}
