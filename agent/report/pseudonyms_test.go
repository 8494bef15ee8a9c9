package report

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"ssm-doctor/checks/facts"
)

// TestPseudonymsAreKeyed: the same name has the same stand-in under one key, in report
// and facts, another under another, and never the one that anybody can compute.
func TestPseudonymsAreKeyed(t *testing.T) {
	t.Parallel()
	of := func(key string) (inReport, inFacts string) {
		r := &Report{Pseudonyms: []byte(key)}
		r.Credentials.Role = "WebServerRole"
		f := &facts.Facts{Pseudonyms: []byte(key)}
		f.IMDS.Role = facts.Known(facts.Role{Name: "WebServerRole"}, "")
		return Redact(r).Credentials.Role, RedactFacts(f).IMDS.Role.Value.Name
	}
	seen := map[string]string{}
	plain := sha256.Sum256([]byte("webserverrole"))
	empty := hmac.New(sha256.New, nil)
	empty.Write([]byte("webserverrole"))
	for _, guess := range []string{hex.EncodeToString(plain[:3]), hex.EncodeToString(empty.Sum(nil)[:3])} {
		seen["role-"+guess] = "anybody"
	}
	for _, key := range []string{"one", "other", "0123456789abcdef"} {
		a, b := of(key)
		if a != b || !reToken.MatchString(a) {
			t.Errorf("%s: %s in the report, %s in the facts", key, a, b)
		}
		if seen[a] != "" {
			t.Errorf("%s: the stand-in is that of %s", key, seen[a])
		}
		seen[a] = key
		if again, _ := of(key); again != a {
			t.Errorf("%s: %s, then %s", key, a, again)
		}
	}
}
