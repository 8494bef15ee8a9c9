//go:build !linux

package gather

import "crypto/x509"

// Store are certificates that a process trusts.
type Store struct {
	Pool *x509.CertPool
	N    int // how many these are
}

// StoreOf reads no store: no variable of an environment names one there.
func (*Env) StoreOf(Trust) (Store, error) { return Store{}, ErrUnsupported }
