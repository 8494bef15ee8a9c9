package gather

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
)

// setNet fills the network functions of the real environment.
func setNet(env *Env) {
	if env.Dial == nil {
		env.Dial = hostDial
	}
	env.Lookup = hostLookup
	env.IMDS = "http://169.254.169.254"
	env.IMDS6 = "http://[fd00:ec2::254]"
}

// hostLookup asks a resolver for the addresses of a host. An empty server means
// the host's own way, hosts file and search list included, as the agent asks.
func hostLookup(ctx context.Context, server, network, host string) ([]netip.Addr, error) {
	host = asked(server, host)
	switch {
	case asksSystem(server, runtime.GOOS):
		// The agent asks the system there: policies for names, suffixes, DNS over HTTPS,
		// resolvers of single domains.
		return lookupTwice(ctx, func(ctx context.Context) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, network, host)
		}, func(ctx context.Context) ([]netip.Addr, error) { return lookupBy(ctx, nil, network, host) })
	case server == "":
		return lookupBy(ctx, nil, network, host)
	}
	return lookupBy(ctx, func(ctx context.Context, proto, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, proto, net.JoinHostPort(server, "53"))
	}, network, host)
}

// asksSystem reports whether a question goes to the system's own resolver.
func asksSystem(server, goos string) bool {
	return server == "" && (goos == "windows" || goos == "darwin")
}

// lookupTwice asks the system, whose answer counts, and beside it the servers
// themselves, which tell better why there is none.
func lookupTwice(ctx context.Context, system, servers func(context.Context) ([]netip.Addr, error)) ([]netip.Addr, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	why := make(chan error, 1)
	go func() {
		_, err := servers(ctx)
		why <- err
	}()
	addrs, err := system(ctx)
	if err == nil {
		return addrs, nil
	}
	if detail := <-why; detail != nil {
		return nil, detail
	}
	return nil, err
}

// asked is the name in the form in which it is asked for. A dot at its end keeps
// the search list out, which is for the host's own way only.
func asked(server, host string) string {
	if server == "" {
		return host
	}
	return strings.TrimSuffix(host, ".") + "."
}

// maxRecords bounds the addresses of one name; AWS gives 8 at most.
const maxRecords = 64

// lookupBy asks through the connections that dial makes; nil is the host's own way.
func lookupBy(ctx context.Context, dial func(ctx context.Context, proto, address string) (net.Conn, error), network, host string) ([]netip.Addr, error) {
	r := net.Resolver{PreferGo: true, Dial: dial}
	out, err := r.LookupNetIP(ctx, network, host)
	return out[:min(len(out), maxRecords)], err
}

// Roots yields the trusted certificates: the host's and those of the simulator.
// They are loaded once per process, at the latest when a handshake needs them.
func (env *Env) Roots() func() (*x509.CertPool, error) {
	if env.RootCAs == nil {
		return systemRoots
	}
	return sync.OnceValues(func() (*x509.CertPool, error) {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(env.RootCAs)
		return pool, nil
	})
}

func systemRoots() (*x509.CertPool, error) { return x509.SystemCertPool() }

// Bundle yields the certificates of the host's bundle alone, where it has one; nil: all must
// be read. A host that has a bundle mostly has the same certificates in a folder as well, and
// reads each twice for a pool of all: who is trusted by the bundle is trusted.
func (env *Env) Bundle() *Bundle {
	if env.RootCAs != nil {
		return nil
	}
	return bundle()
}

// bundles are where Go looks for one on Linux. Source: crypto/x509, root_linux.go.
var bundles = []string{
	"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
	"/etc/pki/tls/cacert.pem", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem",
}

var bundle = sync.OnceValue(func() *Bundle {
	if runtime.GOOS != "linux" {
		return nil
	}
	names := bundles
	if own := os.Getenv("SSL_CERT_FILE"); own != "" {
		names = []string{own}
	}
	return firstBundle(names)
})

// firstBundle is the first file of a list that can be read; nil: it has no certificate.
func firstBundle(names []string) *Bundle {
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		return newBundle(b)
	}
	return nil
}

// LoadRoots reads the host's trusted certificates, once per process, so that no handshake waits for them.
func (env *Env) LoadRoots() {
	if env.RootCAs == nil && !env.Offline && env.Bundle() == nil {
		_, _ = systemRoots()
	}
}

// SourceFor is the local address that routing chooses for a destination; no
// packet is sent. Empty when there is no route.
func SourceFor(host string) string {
	conn, err := net.Dial("udp", net.JoinHostPort(host, "443"))
	if err != nil {
		return ""
	}
	defer conn.Close()
	s, _, _ := net.SplitHostPort(conn.LocalAddr().String())
	return s
}
