package gather

import "strings"

// Trust is where a process of this host looks for the certificates that it trusts: what
// SSL_CERT_FILE and SSL_CERT_DIR of its environment say. Only Go on Linux heeds them.
// Source: crypto/x509, root_unix.go.
type Trust struct {
	File, Dirs string
	Err        error // it is not known, since the environment was not read
}

// TrustFrom takes it out of an environment.
func TrustFrom(vars map[string]string) Trust {
	return Trust{File: vars["SSL_CERT_FILE"], Dirs: vars["SSL_CERT_DIR"]}
}

// Variables are those that are set, as they would be written; empty: none.
func (t Trust) Variables() string {
	var out []string
	if t.File != "" {
		out = append(out, "SSL_CERT_FILE="+OneLine(t.File, 300))
	}
	if t.Dirs != "" {
		out = append(out, "SSL_CERT_DIR="+OneLine(t.Dirs, 300))
	}
	return strings.Join(out, " ")
}

// OwnTrust is that of this process.
func (env *Env) OwnTrust() Trust {
	if env.RootCAs != nil || env.Getenv == nil {
		return Trust{}
	}
	return Trust{File: env.Getenv("SSL_CERT_FILE"), Dirs: env.Getenv("SSL_CERT_DIR")}
}
