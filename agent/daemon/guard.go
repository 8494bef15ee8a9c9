package daemon

import (
	"crypto/sha256"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
	"golang.org/x/crypto/bcrypt"

	"ssm-doctor/agent/config"
	"ssm-doctor/agent/safefile"
)

// reportAccess tells whether a request gets the pages with the report: they name
// accounts and roles' kinds, so not to a network without authentication.
func reportAccess(cfg *config.Config, r *http.Request) (bool, string) {
	switch {
	case cfg.Report == "full":
		return true, ""
	case cfg.Report == "off":
		return false, "the report is switched off (--web.report=off)"
	case loopbackOnly(cfg) || authenticated(cfg.WebConfigFile, r):
		return true, ""
	}
	return false, "the report is not shown on an address that is not loopback without authentication; set up --web.config.file, or --web.report=full"
}

func loopbackOnly(cfg *config.Config) bool {
	if cfg.SystemdSocket { // nobody says where it listens
		return false
	}
	for _, a := range cfg.ListenAddresses {
		host, _, err := net.SplitHostPort(a)
		ip, bad := netip.ParseAddr(host)
		if err != nil || host != "localhost" && (bad != nil || !ip.IsLoopback()) {
			return false
		}
	}
	return true
}

// authenticated reports whether a request itself says who sent it, by the web
// configuration as it is now. The toolkit reads the file too, a moment before, and it
// may be another meanwhile: so what the toolkit let pass is looked at here once more,
// against what is read here. Whether there is TLS at all was settled at start.
func authenticated(file string, r *http.Request) bool {
	if file == "" {
		return false
	}
	f, err := safefile.OpenRead(file)
	if err != nil {
		return false
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxWebConfig))
	if err != nil {
		return false
	}
	var c struct {
		Users map[string]string `yaml:"basic_auth_users"`
		TLS   struct {
			ClientAuth string `yaml:"client_auth_type"`
		} `yaml:"tls_server_config"`
	}
	if yaml.Unmarshal(b, &c) != nil {
		return false
	}
	if len(c.Users) > 0 {
		user, password, _ := r.BasicAuth()
		return knownPasswords.matches(c.Users[user], password)
	}
	return c.TLS.ClientAuth == "RequireAndVerifyClientCert" && r.TLS != nil && len(r.TLS.VerifiedChains) > 0
}

// maxWebConfig bounds the web configuration.
const maxWebConfig = 1 << 20

// knownPasswords remembers which passwords match which hashes, since to work that out
// takes a tenth of a second by intent.
var knownPasswords passwords

type passwords struct {
	mu    sync.Mutex
	right map[[sha256.Size]byte]bool
}

func (p *passwords) matches(hash, password string) bool {
	if hash == "" {
		return false
	}
	key := sha256.Sum256([]byte(hash + "\x00" + password))
	p.mu.Lock()
	defer p.mu.Unlock() // one at a time: those that were wrong are not remembered
	if p.right[key] {
		return true
	}
	if bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) != nil {
		return false
	}
	if p.right == nil || len(p.right) >= 100 {
		p.right = map[[sha256.Size]byte]bool{}
	}
	p.right[key] = true
	return true
}

// hostGuard refuses names that this server does not go by: a page elsewhere
// whose name was made to point here would send them (DNS rebinding). On other
// than loopback addresses, metrics, health and explanations are left to be fetched by any name.
func hostGuard(next http.Handler, cfg *config.Config, own string) http.Handler {
	names := append([]string{"localhost"}, cfg.AllowedHosts...)
	if own != "" {
		short, _, _ := strings.Cut(own, ".")
		names = append(names, own, short)
	}
	open := !loopbackOnly(cfg)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		free := open && (r.URL.Path == "/metrics" || strings.HasPrefix(r.URL.Path, "/explain/") || strings.HasPrefix(r.URL.Path, "/-/") && r.Method == http.MethodGet)
		if !free && !knownHost(r.Host, names) {
			plain(w, http.StatusMisdirectedRequest, "this host name is not accepted; add it to --web.allowed-hosts if it is yours")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func knownHost(host string, names []string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.TrimSuffix(strings.ToLower(strings.Trim(name, "[]")), ".")
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	return slices.ContainsFunc(names, func(n string) bool { return n == "*" || strings.EqualFold(n, name) })
}

func securityHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// limitRequests answers 503 beyond n requests at the same time. Scrapes and
// health have a limit of their own or cost nothing.
func limitRequests(next http.Handler, n int) http.Handler {
	slots := make(chan struct{}, n)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" || r.URL.Path == "/-/healthy" || r.URL.Path == "/-/ready" {
			next.ServeHTTP(w, r)
			return
		}
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			next.ServeHTTP(w, r)
		default:
			w.Header().Set("Retry-After", "1")
			plain(w, http.StatusServiceUnavailable, "too many requests at the same time; ask again in a moment")
		}
	})
}
