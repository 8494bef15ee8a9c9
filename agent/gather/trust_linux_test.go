package gather_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"testing"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
)

// authority is a certificate of one, in PEM.
func authority(t *testing.T, serial int64) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(serial), IsCA: true, BasicConstraintsValid: true, NotAfter: time.Unix(1<<33, 0)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestStoreOf(t *testing.T) {
	t.Parallel()
	a, b, c := authority(t, 1), authority(t, 2), authority(t, 3)
	env := gathertest.New(t, map[string]string{
		"etc/ssl/certs/ca-certificates.crt": a + b + a,
		"etc/ssl/certs/c.pem":               c,
		"etc/corp.pem":                      c,
		"etc/empty.pem":                     "",
		"opt/certs/b.pem":                   b,
	})
	for _, x := range []struct {
		trust gather.Trust
		want  int
	}{
		{gather.Trust{}, 3},
		{gather.Trust{File: "/etc/corp.pem"}, 3}, // the folders count beside it
		{gather.Trust{File: "/etc/corp.pem", Dirs: "/gone"}, 1},
		{gather.Trust{File: "/etc/empty.pem", Dirs: "/opt/certs"}, 1},
		{gather.Trust{File: "/gone", Dirs: "/gone:/opt/certs"}, 1},
		{gather.Trust{File: "/gone", Dirs: "/gone"}, 0},
	} {
		s, err := env.StoreOf(x.trust)
		if err != nil || s.N != x.want {
			t.Errorf("%s: %d certificates (%v), want %d", x.trust.Variables(), s.N, err, x.want)
		}
	}
	unread := errors.New("permission denied")
	if _, err := env.StoreOf(gather.Trust{Err: unread}); !errors.Is(err, unread) {
		t.Errorf("an environment that was not read: %v", err)
	}
}
