package gather

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"path"
	"strings"
)

// Store are certificates that a process trusts.
type Store struct {
	Pool *x509.CertPool
	N    int // how many these are
}

// maxStore bounds the files of a folder of certificates; real ones have 300.
const maxStore = 2000

// StoreOf reads what a process trusts, as Go does: the first file that can be read, and all
// files of the folders. One that is not there is passed over; one that may not be read,
// while this process is not root, leaves it unknown.
func (env *Env) StoreOf(t Trust) (Store, error) {
	s, seen := Store{Pool: x509.NewCertPool()}, map[[sha256.Size]byte]bool{}
	if t.Err != nil {
		return s, t.Err
	}
	if env.RootCAs != nil && t.Variables() == "" { // of the simulator
		s.add(env.RootCAs, seen)
		return s, nil
	}
	var denied error
	take := func(name string) bool {
		b, err := ReadFile(env.FS, strings.TrimPrefix(path.Clean("/"+name), "/"), 8*MaxSmall)
		if err != nil {
			if !Missing(err) && !errors.Is(err, ErrNotAFile) {
				denied = err
			}
			return false
		}
		s.add(b, seen)
		return true
	}
	files, dirs := bundles, "/etc/ssl/certs:/etc/pki/tls/certs"
	if t.File != "" {
		files = []string{t.File}
	}
	if t.Dirs != "" {
		dirs = t.Dirs
	}
	for _, f := range files {
		if take(f) {
			break
		}
	}
	for dir := range strings.SplitSeq(dirs, ":") {
		dir = strings.TrimPrefix(path.Clean("/"+dir), "/")
		es, err := env.FS.ReadDir(dir)
		if err != nil && !Missing(err) {
			denied = err
		}
		for _, e := range es[:min(len(es), maxStore)] {
			take(dir + "/" + e.Name())
		}
	}
	if denied != nil && !env.privileged() {
		return s, denied
	}
	return s, nil
}

// add takes the certificates of a PEM text, each once. The pool keeps of each its bytes
// alone: what is read from them takes several times the memory.
func (s *Store) add(text []byte, seen map[[sha256.Size]byte]bool) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return
		}
		sum := sha256.Sum256(block.Bytes)
		if block.Type != "CERTIFICATE" || len(block.Headers) != 0 || seen[sum] {
			continue
		}
		if s.Pool.AppendCertsFromPEM(pem.EncodeToMemory(block)) {
			seen[sum] = true
			s.N++
		}
	}
}
