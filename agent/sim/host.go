package sim

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

// Host is a simulated host that runs. Its methods may be used from several goroutines.
type Host struct {
	seed  string // of keys; another one for each host
	world atomic.Pointer[world]
	ca    *authority

	plain, secure net.Listener
	servers       []*http.Server
	wg            sync.WaitGroup

	mu      sync.Mutex
	edit    Scenario
	targets map[string]target // by address of the client's end
	conns   map[string]*conn  // likewise
	by      map[string]string // of a tunnel's end to that of its client
	tunnels map[net.Conn]bool
	tokens  map[string]time.Time // of the metadata service, until when
	journal []Entry
	other   map[string]*authority // issuers that the host does not trust
	closed  bool
	demo    Demo // what New brought up
}

// maxJournal bounds the journal; older entries go.
const maxJournal = 2_000

// Entry is one request that the surroundings of the host received.
type Entry struct {
	Service   string // imds, ecs, proxy, site or that of an endpoint
	Method    string
	Path      string
	Action    string // ssm:GetDocument; empty where a request names none
	Resource  string
	Signed    bool
	Principal string // key of Scenario.Principals; empty: not authenticated
	Status    int
	Verdict   string // allow, LAYER:explicit-deny, LAYER:implicit-deny, unauthenticated, fault
	Code      string // of an error
}

// world is a scenario ready to be served. It does not change.
type world struct {
	Scenario
	keys     map[string]keys // by principal
	policies policies
	names    map[string]map[string]answer // resolver ("" is the host's) and name to its answer
	ports    map[string]fate              // address:port to what is there
	began    time.Time

	mu    sync.Mutex
	laid  time.Time
	files *tree
}

type keys struct{ id, secret, token string }

// Start brings a host up. Close ends it.
func Start(s Scenario) (*Host, error) {
	seed := make([]byte, 16)
	if _, err := rand.Read(seed); err != nil {
		return nil, fmt.Errorf("start host: %w", err)
	}
	h := &Host{seed: hex.EncodeToString(seed), targets: map[string]target{}, conns: map[string]*conn{}, by: map[string]string{}, tunnels: map[net.Conn]bool{}, tokens: map[string]time.Time{}, other: map[string]*authority{}}
	w, err := h.build(s)
	if err != nil {
		return nil, fmt.Errorf("start host: %w", err)
	}
	h.edit = s
	h.world.Store(w)
	if h.ca, err = newAuthority("CN=Amazon Root CA 1,O=Amazon,C=US", w.service()); err != nil {
		return nil, fmt.Errorf("start host: %w", err)
	}
	if err := h.listen(); err != nil {
		h.Close()
		return nil, fmt.Errorf("start host: %w", err)
	}
	return h, nil
}

// Set changes the scenario of a running host. What change did not touch stays,
// keys included. A scenario that cannot be played leaves the host as it was.
func (h *Host) Set(change func(*Scenario)) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	c, err := h.edit.clone()
	if err != nil {
		return err
	}
	change(&c)
	w, err := h.build(c)
	if err != nil {
		return fmt.Errorf("change host: %w", err)
	}
	w.began = h.world.Load().began
	h.edit = c
	h.world.Store(w)
	return nil
}

// Scenario is what is played, with the ordinary filled in.
func (h *Host) Scenario() Scenario { return h.world.Load().Scenario }

// Journal lists the requests received so far, oldest first.
func (h *Host) Journal() []Entry {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Entry(nil), h.journal...)
}

func (h *Host) note(e Entry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.journal) >= maxJournal {
		h.journal = append(h.journal[:0], h.journal[maxJournal/2:]...)
	}
	h.journal = append(h.journal, e)
}

// Close ends all servers and connections.
func (h *Host) Close() {
	h.mu.Lock()
	h.closed = true
	for c := range h.tunnels {
		c.Close()
	}
	h.mu.Unlock()
	for _, s := range h.servers {
		s.Close()
	}
	for _, l := range []net.Listener{h.plain, h.secure} {
		if l != nil {
			l.Close()
		}
	}
	h.wg.Wait()
}

// build makes the world of a scenario.
func (h *Host) build(s Scenario) (*world, error) {
	s, err := s.filled()
	if err != nil {
		return nil, err
	}
	w := &world{Scenario: s, keys: map[string]keys{}, began: time.Now()}
	for name, p := range s.Principals {
		w.keys[name] = makeKeys(h.seed, name, p.Kind)
	}
	if w.policies, err = w.parsePolicies(); err != nil {
		return nil, err
	}
	if err := w.connect(); err != nil {
		return nil, err
	}
	if _, _, err := w.logText(); err != nil {
		return nil, err
	}
	return w, nil
}

// now is the host's clock.
func (w *world) now() time.Time {
	if w.Now.IsZero() {
		return time.Now()
	}
	return w.Now
}

// service is the clock of AWS.
func (w *world) service() time.Time {
	return w.now().Add(time.Duration(w.Skew * float64(time.Second)))
}

// relay is how long a laid out tree is used before its times, which are
// relative to the clock, are made anew.
const relay = 20 * time.Second

func (w *world) tree() *tree {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.files == nil || w.Now.IsZero() && time.Since(w.laid) > relay {
		w.files, w.laid = w.layout(), time.Now()
	}
	return w.files
}

// patience is the limit of every step. Nothing waits for it: what would not
// answer in time fails at once.
const patience = 20 * time.Second

// Env is the environment that the host's sources see. Every call makes a new one.
func (h *Host) Env() *gather.Env {
	w := h.world.Load()
	env := &gather.Env{
		FS: view{tree: func() *tree { return h.world.Load().tree() }, uid: w.UID}, Root: "/", Live: true,
		GOOS: w.GOOS, GOARCH: "amd64", Privileged: facts.Known(w.UID == 0, "effective user id"),
		Now:    func() time.Time { return h.world.Load().now() },
		Getenv: func(k string) string { return h.world.Load().getenv(k) },
		Dial:   h.dial, Lookup: h.lookup, Exec: h.exec, SourceAddr: h.sourceAddr, DialSmall: h.dialSmall, Flow: h.flow,
		StatFS: func(name string) (facts.Usage, error) { return h.world.Load().usage(), nil },
		Owner:  owner, Kernel: func() gather.Kernel { return h.world.Load().kernel() },
		IMDS: "http://169.254.169.254", IMDS6: "http://[fd00:ec2::254]",
		RootCAs: h.ca.pem(), Memory: &gather.Memory{}, UserAgent: "ssm-doctor/sim", Version: "sim",
		Limits: gather.Limits{NotEC2: patience, IMDS: patience, Connect: patience, TLS: patience, HTTP: patience, DNS: patience, Exec: patience},
	}
	if w.GOOS == "linux" {
		env.RouteTo = func(to netip.AddrPort) facts.Seen[facts.Route] { return h.world.Load().routeTo(to.Addr()) }
	}
	return env
}

func (w *world) getenv(k string) string {
	if k == "ECS_CONTAINER_METADATA_URI_V4" && w.Task != nil {
		return "http://169.254.170.2/v4/0123456789abcdef-1"
	}
	return w.Env[k]
}

func (w *world) usage() facts.Usage {
	const total, inodes = 8 << 30, 4 << 20
	left := func(n uint64, used int) uint64 { return n / 100 * uint64(100-min(max(used, 0), 100)) }
	used, nodes := w.Host.DiskUsed, w.Host.InodesUsed
	if used == 0 {
		used = 23
	}
	if nodes == 0 {
		nodes = 5
	}
	return facts.Usage{TotalBytes: total, FreeBytes: left(total, used), TotalInodes: inodes, FreeInodes: left(inodes, nodes)}
}

// errExit is how a program ends that failed.
var errExit = errors.New("exit status 1")

// exec plays the programs that sources may run.
func (h *Host) exec(_ context.Context, name string, args ...string) ([]byte, error) {
	w := h.world.Load()
	none := fmt.Errorf("run %s: %w", name, gather.ErrNoProgram)
	switch name {
	case "systemctl":
		if w.Agent.NoManager || w.GOOS != "linux" {
			return nil, none
		}
		return []byte(w.systemctl()), nil
	case "rpm":
		if !w.rpmHost() {
			return nil, none
		}
		if !w.packaged("rpm") {
			return []byte("package amazon-ssm-agent is not installed\n" + w.Host.RPMKeys), errExit
		}
		if w.Host.RPMKeys == "" {
			return []byte("amazon-ssm-agent " + w.Agent.Version + "\npackage gpg-pubkey is not installed\n"), errExit
		}
		return []byte("amazon-ssm-agent " + w.Agent.Version + "\n" + w.Host.RPMKeys), nil
	case "nft":
		if w.Host.Firewall != "nft" {
			return nil, none
		}
		return []byte(w.Host.Rules), nil
	case "iptables-save":
		if w.Host.Firewall != "iptables" {
			return nil, none
		}
		return []byte(w.Host.Rules), nil
	}
	if strings.Contains(name, "amazon-ssm-agent") && w.Agent.Version != "" {
		return []byte("SSM Agent version: " + w.Agent.Version + "\n"), nil
	}
	return nil, none
}

func (h *Host) listen() (err error) {
	for _, l := range []*net.Listener{&h.plain, &h.secure} {
		if *l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			if *l, err = net.Listen("tcp", "[::1]:0"); err != nil {
				return err
			}
		}
	}
	h.serve(h.plain, http.HandlerFunc(h.servePlain))
	h.serve(h.tls(h.secure), http.HandlerFunc(h.serveAWS))
	return nil
}
