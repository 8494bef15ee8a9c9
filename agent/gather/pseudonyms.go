package gather

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"strings"
	"sync"
)

// PseudonymVariable names the environment variable whose value makes the pseudonyms of
// all hosts that share it the same.
const PseudonymVariable = "SSM_DOCTOR_PSEUDONYM_KEY"

// PseudonymKey is what the pseudonyms of redaction depend on, so that nobody else can
// confirm a guess: the value of PseudonymVariable; else made of the id of this machine,
// which is confidential (machine-id(5)) and is not kept; else random for this process.
func PseudonymKey(env *Env) []byte {
	secret := env.Getenv(PseudonymVariable)
	if secret == "" && env.GOOS == "windows" {
		if env.Windows != nil && env.Windows.Strings != nil {
			if v := env.Windows.Strings(`SOFTWARE\Microsoft\Cryptography`, "MachineGuid").Value; len(v) == 1 {
				secret = v[0]
			}
		}
	} else if secret == "" {
		for _, name := range []string{"etc/machine-id", "var/lib/dbus/machine-id"} {
			if id, err := ReadText(env.FS, name); err == nil && len(id) == 32 && strings.Trim(id, "0123456789abcdef") == "" {
				secret = id
				break
			}
		}
	}
	if secret == "" {
		secret = randomSecret()
	}
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte("ssm-doctor pseudonyms"))
	return h.Sum(nil)
}

var randomSecret = sync.OnceValue(rand.Text)
