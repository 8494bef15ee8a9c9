package gather

import (
	"context"
	"io/fs"
	"net"
	"net/netip"
	"time"

	"ssm-doctor/checks/facts"
)

// Env is everything a source may touch. Host makes the real one; tests and the
// simulator make their own. A nil function means that this cannot be asked
// here (another root, offline) and the fact is unknown with that reason.
type Env struct {
	// FS is the examined root: names are absolute paths without the leading
	// slash. It refuses to leave the root by links, and to open anything but
	// regular files and directories.
	FS FileSystem
	// Root is its path for messages and for facts.Root; "/" on a live host.
	Root string
	// Live: the root is that of the running system, so processes, services, the
	// environment and the network speak of the same host.
	Live bool
	// Offline: only link-local addresses may be asked.
	Offline bool

	GOOS, GOARCH string
	// Privileged: this process runs as root or Administrator.
	Privileged facts.Seen[bool]
	Now        func() time.Time
	Getenv     func(string) string

	// Dial opens a TCP connection. local, when valid, is the source address.
	Dial func(ctx context.Context, network, address string, local netip.Addr) (net.Conn, error)
	// Lookup asks one resolver ("" is the host's own way, hosts file included)
	// for the A or AAAA records ("ip4", "ip6") of a host.
	Lookup func(ctx context.Context, server, network, host string) ([]netip.Addr, error)
	// SourceAddr is the local address that routing chooses for a destination; empty:
	// no route. Nil: ask the kernel.
	SourceAddr func(host string) string
	// RouteTo asks the kernel for its route to a port of an address; nil: not on this system.
	RouteTo func(to netip.AddrPort) facts.Seen[facts.Route]
	// DialSmall is Dial with segments of at most facts.SmallSegment bytes, both ways;
	// nil: not on this system.
	DialSmall func(ctx context.Context, address string) (net.Conn, error)
	// Flow tells what the kernel knows of a TCP connection; nil: not on this system.
	Flow func(net.Conn) facts.Seen[facts.Stall]
	// Exec runs one of the allowed programs; see exec.go.
	Exec func(ctx context.Context, name string, args ...string) ([]byte, error)
	// StatFS tells usage of the file system under a path.
	StatFS func(path string) (facts.Usage, error)
	// Volume describes the file system under a path; nil: files tell of mounts, or nothing.
	Volume func(path string) (Volume, error)
	// Owner is the user id of a file's owner; nil or false: not known here.
	Owner func(fi fs.FileInfo) (int, bool)
	// Kernel asks the running kernel; nil: not the running system.
	Kernel func() Kernel
	// Windows asks a running Windows; nil elsewhere.
	Windows *Windows

	// IMDS is the base URL of the metadata service, http://169.254.169.254.
	IMDS string
	// IMDS6 is its IPv6 form; empty: do not ask.
	IMDS6 string
	// AgentLatest is the newest agent that is published, as the operator knows it.
	AgentLatest string
	// EndpointURL, when set, takes the place of every regional endpoint's address
	// (host:port to dial); names, certificates and signatures stay those of AWS.
	EndpointURL string
	// Region overrides the detected one; empty: detect.
	Region string
	// RootCAs is a PEM file to trust besides the host's; simulator only.
	RootCAs []byte

	// WholeLines keeps lines of logs as they are, but for what looks like a secret;
	// otherwise what is not recognised in them is left out.
	WholeLines bool

	// Pseudonyms is the key of the pseudonyms of redaction; see PseudonymKey.
	Pseudonyms []byte

	// Feature lists what the user asked for besides what is in use; Probe names
	// families of further live requests.
	Features []string
	Probes   []string
	// Parameters are paths of parameters that the verdict on Parameter Store is wanted for.
	Parameters []string
	// Hold, when not empty, says why permission reads must not be sent now.
	Hold string
	// UserAgent is sent with every request.
	UserAgent string
	Version   string

	Limits Limits

	// Memory keeps what a later run may know of earlier ones; nil: nothing is kept.
	Memory *Memory
}

// Limits are the deadlines of single steps on a network that is neither slow nor loses
// packets; otherwise Patience waits longer.
type Limits struct {
	// Unhurried: nobody waits for the run, and who has confirmed what was sent, and may
	// only be slow to answer, is waited for as on a slow network.
	Unhurried bool

	// NotEC2 is how long metadata is waited for on a machine that is not an EC2 instance
	// by its firmware. What answers on such a one is near: the service of another cloud, or
	// that of the instance around a virtual machine. 0: 20 ms.
	NotEC2 time.Duration

	IMDS, Connect, TLS, HTTP, DNS, Exec time.Duration
}

// DefaultLimits are those of a run on a host: a dead network costs one of them.
func DefaultLimits() Limits {
	return Limits{IMDS: time.Second, Connect: time.Second, TLS: time.Second, HTTP: time.Second, DNS: time.Second, Exec: time.Second}
}

// FileSystem is what sources need of a file tree.
type FileSystem interface {
	fs.FS
	fs.ReadDirFS
	fs.StatFS
	// Lstat does not follow a last link; Readlink reads it.
	Lstat(name string) (fs.FileInfo, error)
	Readlink(name string) (string, error)
}

// Source fills one section of the facts.
type Source interface {
	Name() string // kebab-case; metric label and log field
	// Gather fills what it can and returns an error when it could not look at what
	// it is for. That a thing is not there, or does not answer, is no error.
	Gather(ctx context.Context, run *Run, f *facts.Facts) error
	// Reset empties what Gather fills. The engine calls it when Gather did not end
	// by itself: what nobody looked at is unknown, but a half would read as absence.
	Reset(f *facts.Facts)
}
