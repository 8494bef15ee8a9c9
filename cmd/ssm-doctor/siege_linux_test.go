package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ssm-doctor/agent/config"
	"ssm-doctor/agent/daemon"
	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

// maxPeak is the most memory that a run may take, whatever files and peers send.
const maxPeak = 64 << 10 // kB

func init() { programs["ssm-doctor-siege"] = siegeCommand }

// siegeCommand is the daemon on a host whose files are below SIEGE_ROOT and whose whole
// network, metadata service included, is the peer at SIEGE_PEER.
func siegeCommand() {
	debug.SetGCPercent(gcPercent)
	debug.SetMemoryLimit(memoryLimit)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	reload, end := reloadSignal()
	defer end()
	late := make(chan os.Signal, 1)
	signal.Notify(late, syscall.SIGUSR1)
	go func() {
		for range late {
			if f, err := os.Create(filepath.Join(os.Getenv("SIEGE_STATE"), "late-"+time.Now().Format("150405"))); err == nil {
				_ = pprof.Lookup("goroutine").WriteTo(f, 2)
				f.Close()
			}
		}
	}()
	load := func() (*config.Config, error) {
		c := config.Default()
		c.ListenAddresses, c.StateDir, c.Lifecycle, c.Region = []string{os.Getenv("SIEGE_LISTEN")}, os.Getenv("SIEGE_STATE"), true, "eu-central-1"
		c.Local, c.Network, c.Permissions = time.Second, 3*time.Second, time.Minute
		return c, nil
	}
	env := func(c *config.Config) (*gather.Env, error) {
		e, err := gather.Host(os.Getenv("SIEGE_ROOT"))
		if err != nil {
			return nil, err
		}
		e.Live, e.Root, e.GOOS, e.Privileged, e.Region = true, "/", "linux", facts.Known(true, ""), c.Region
		e.Exec, e.Kernel, e.Windows, e.RouteTo, e.DialSmall, e.Flow = nil, nil, nil, nil, nil, nil
		e.IMDS, e.SourceAddr = "http://169.254.169.254", func(string) string { return "127.0.0.1" }
		e.Lookup = func(context.Context, string, string, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("10.9.8.7")}, nil
		}
		e.Dial = func(ctx context.Context, network, address string, _ netip.Addr) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, os.Getenv("SIEGE_PEER"))
		}
		return named(e), nil
	}
	d, err := daemon.New(daemon.Options{Load: load, Env: env, Reload: reload, Eager: true, Quiet: daemon.GiveBack})
	if err == nil {
		err = d.Run(ctx)
	}
	if err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitInternal)
	}
}

// siegePeers are how a peer behaves, in turns. What is not HTTP gets TLS first where the
// other side begins with it.
var siegePeers = []func(io.ReadWriter){
	func(c io.ReadWriter) { _, _ = io.Copy(io.Discard, c) },
	func(c io.ReadWriter) {},
	func(c io.ReadWriter) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
		forever(c, "X-Pad: "+strings.Repeat("x", 8000)+"\r\n")
	},
	func(c io.ReadWriter) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		forever(c, strings.Repeat("x", 8000))
	},
	func(c io.ReadWriter) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		forever(c, "ffffffff\r\n"+strings.Repeat("y", 8000))
	},
	func(c io.ReadWriter) { forever(c, "HTTP/1.1 100 Continue\r\n\r\n") },
	func(c io.ReadWriter) { _, _ = io.WriteString(c, "HTTP/1.1 000 \x1b[31m\r\n\r\n") },
	func(c io.ReadWriter) { forever(c, "\x00\xff\x16\x03") },
	func(c io.ReadWriter) {
		_, _ = io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n")
	},
	func(c io.ReadWriter) {
		for range 100 {
			if _, err := io.WriteString(c, "H"); err != nil {
				return
			}
			time.Sleep(200 * time.Millisecond)
		}
	},
	func(c io.ReadWriter) {
		_, _ = io.WriteString(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 70000\r\nContent-Type: application/x-amz-json-1.1\r\n\r\n"+strings.Repeat(`{"__type":`, 7000))
	},
}

// TestSiege runs the daemon under all at once: peers that misbehave, a log that fills,
// is rotated and cut, slow readers, idle clients, reloads, and kill -9. Scrapes are
// answered, and memory stays as it is. SSM_DOCTOR_SIEGE says how long, such as 1h.
func TestSiege(t *testing.T) {
	lasts, err := time.ParseDuration(os.Getenv("SSM_DOCTOR_SIEGE"))
	if err != nil {
		t.Skip("SSM_DOCTOR_SIEGE does not say how long")
	}
	root, state := t.TempDir(), t.TempDir()
	dir := filepath.Join(root, "var/log/amazon/ssm")
	for _, d := range []string{dir, filepath.Join(root, "usr/bin"), filepath.Join(root, "proc")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "usr/bin/amazon-ssm-agent"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), lasts)
	defer cancel()
	address, peer := freeAddress(t), siegePeer(t, ctx)
	go siegeLog(ctx, filepath.Join(dir, "amazon-ssm-agent.log"))

	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var process atomic.Pointer[os.Process]
	var started atomic.Int64
	started.Store(time.Now().UnixNano())
	begin := func() *exec.Cmd {
		cmd := exec.Command(self)
		cmd.Args = []string{"ssm-doctor-siege"}
		cmd.Env = []string{"SIEGE_ROOT=" + root, "SIEGE_STATE=" + state, "SIEGE_PEER=" + peer, "SIEGE_LISTEN=" + address}
		cmd.Stderr = &bytes.Buffer{}
		if err := cmd.Start(); err != nil {
			t.Error(err)
			return nil
		}
		process.Store(cmd.Process)
		started.Store(time.Now().UnixNano())
		return cmd
	}
	var kills int
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			cmd := begin()
			if cmd == nil {
				return
			}
			gone := make(chan error, 1)
			go func() { gone <- cmd.Wait() }()
			select {
			case <-ctx.Done():
			case <-time.After(max(lasts/12, 20*time.Second)):
				kills++
			case err := <-gone:
				t.Errorf("the daemon ended: %v: %s", err, cmd.Stderr)
				continue
			}
			started.Store(time.Now().UnixNano()) // a scrape may meet its end
			_ = cmd.Process.Kill()
			<-gone
		}
	}()
	go annoy(ctx, address)
	go func() { // reloads
		for ctx.Err() == nil {
			// A service manager sends none to a program that has only just been started.
			if p := process.Load(); p != nil && time.Since(time.Unix(0, started.Load())) > time.Second {
				_ = p.Signal(syscall.SIGHUP)
			}
			pause(ctx, 700*time.Millisecond)
			if r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/-/run", nil); err == nil {
				if resp, err := http.DefaultClient.Do(r); err == nil {
					resp.Body.Close()
				}
			}
		}
	}()

	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	var answered, missed, near int
	var slowest time.Duration
	var memory []int
	descriptors := 0
	for ctx.Err() == nil {
		begun := time.Now()
		var reached atomic.Value // how far the request came
		reached.Store("not connected")
		trace := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
			GotConn:              func(httptrace.GotConnInfo) { reached.Store("connected") },
			WroteRequest:         func(httptrace.WroteRequestInfo) { reached.Store("asked") },
			GotFirstResponseByte: func() { reached.Store("answered in part") },
		})
		what := process.Load()
		late := time.AfterFunc(client.Timeout*3/4, func() {
			if what != nil {
				_ = what.Signal(syscall.SIGUSR1) // says what it is at
			}
		})
		r, err := http.NewRequestWithContext(trace, http.MethodGet, "http://"+address+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		late.Stop()
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if err == nil && resp.StatusCode != http.StatusOK {
				err = fmt.Errorf("status %d", resp.StatusCode)
			}
		}
		up := begun.Sub(time.Unix(0, started.Load()))
		switch took := time.Since(begun); {
		case ctx.Err() != nil:
		case err == nil:
			answered++
			slowest = max(slowest, took)
		case up < 3*time.Second || time.Since(time.Unix(0, started.Load())) < 3*time.Second:
			near++ // it was just killed
		default:
			missed++
			t.Logf("%s: %v after the start, %s: %v", time.Now().Format(time.TimeOnly), up, reached.Load(), err)
		}
		if p := process.Load(); p != nil && up > 3*time.Second {
			if kB := statusOf(p.Pid, "VmRSS:"); kB > 0 {
				memory = append(memory, kB)
			}
			if list, err := os.ReadDir("/proc/" + strconv.Itoa(p.Pid) + "/fd"); err == nil {
				descriptors = max(descriptors, len(list))
			}
		}
		pause(ctx, 500*time.Millisecond)
	}
	<-ended
	if len(memory) < 8 {
		t.Fatalf("only %d measurements", len(memory))
	}
	quarter := len(memory) / 4
	first, last := median(memory[:quarter]), median(memory[len(memory)-quarter:])
	t.Logf("%v: %d scrapes answered, the slowest in %v; %d missed, %d within 3 s of a start; %d times killed; memory %d kB at first, %d at last, at most %d; at most %d descriptors",
		lasts, answered, slowest.Round(time.Millisecond), missed, near, kills, first, last, slices.Max(memory), descriptors)
	if kept := os.Getenv("SSM_DOCTOR_SIEGE_KEEP"); kept != "" { // what it was at when it was late
		_ = os.CopyFS(kept, os.DirFS(state))
	}
	if missed > 0 || answered == 0 {
		t.Errorf("%d scrapes were missed, %d answered", missed, answered)
	}
	if slices.Max(memory) > maxPeak || last > first+first/4 {
		t.Errorf("memory grew from %d to %d kB, at most %d", first, last, slices.Max(memory))
	}
}

func median(list []int) int {
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func freeAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skip(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// statusOf is a number of /proc/PID/status.
func statusOf(pid int, key string) int {
	b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	_, rest, _ := strings.Cut(string(b), key)
	word, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, _ := strconv.Atoi(word)
	return n
}

// siegePeer is the network of the daemon.
func siegePeer(t *testing.T, ctx context.Context) string {
	of := httptest.NewTLSServer(nil)
	certs := of.TLS.Certificates
	of.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skip(err)
	}
	context.AfterFunc(ctx, func() { l.Close() })
	go func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(30 * time.Second))
				head := make([]byte, 1)
				if _, err := io.ReadFull(c, head); err != nil {
					return
				}
				var rw io.ReadWriter = c
				if head[0] == 0x16 && n%5 != 0 { // the beginning of TLS
					s := tls.Server(&begun{c, head}, &tls.Config{Certificates: certs})
					if s.Handshake() != nil {
						return
					}
					rw = s
				}
				siegePeers[n%len(siegePeers)](rw)
			}()
		}
	}()
	return l.Addr().String()
}

// begun is a connection of which some bytes were read.
type begun struct {
	net.Conn
	head []byte
}

func (b *begun) Read(p []byte) (int, error) {
	if len(b.head) > 0 {
		n := copy(p, b.head)
		b.head = b.head[n:]
		return n, nil
	}
	return b.Conn.Read(p)
}

// siegeLog fills a log, and rotates or cuts it.
func siegeLog(ctx context.Context, name string) {
	for round := 0; ctx.Err() == nil; round++ {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return
		}
		for size := 0; size < 8<<20 && ctx.Err() == nil; {
			var b bytes.Buffer
			for i := range 300 {
				fmt.Fprintf(&b, "%s ERROR [ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - AccessDeniedException: User: arn:aws:sts::111122223333:assumed-role/R%d/i-0abc is not authorized to perform: ssm:Get%d on resource: x%d\n\tstatus code: 400, request id: %d\n",
					time.Now().UTC().Format("2006-01-02 15:04:05.0000"), i, i%70, round, size)
			}
			n, _ := f.Write(b.Bytes())
			size += n
			pause(ctx, 300*time.Millisecond)
		}
		f.Close()
		if round%2 == 0 {
			_ = os.Rename(name, name+".1")
		} else {
			_ = os.Truncate(name, 0)
		}
	}
}

// annoy keeps connections to the daemon busy without taking what they ask for.
func annoy(ctx context.Context, address string) {
	for i := range 60 {
		go func() {
			for ctx.Err() == nil {
				c, err := net.DialTimeout("tcp", address, time.Second)
				if err != nil {
					pause(ctx, time.Second)
					continue
				}
				switch i % 3 {
				case 0: // reads a byte now and then
					_, _ = io.WriteString(c, strings.Repeat("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 20))
					for n := 0; n < 60 && ctx.Err() == nil; n++ {
						if _, err := c.Read(make([]byte, 1)); err != nil {
							break
						}
						pause(ctx, 200*time.Millisecond)
					}
				case 1: // says nothing
					pause(ctx, 10*time.Second)
				case 2: // never ends its headers
					_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n")
					for n := 0; n < 20 && ctx.Err() == nil; n++ {
						if _, err := io.WriteString(c, "X: y\r\n"); err != nil {
							break
						}
						pause(ctx, 500*time.Millisecond)
					}
				}
				c.Close()
			}
		}()
	}
}

func forever(w io.Writer, s string) {
	for {
		if _, err := io.WriteString(w, s); err != nil {
			return
		}
	}
}
