package gathertest

import (
	"io"
	"io/fs"
	"net"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Play is the near end of a connection whose far end answers what was sent with
// the given bytes and closes. Nothing runs beside it: the same bytes take the same way
// each time, which a fuzz target needs to tell new ways from chance.
func Play(b []byte) net.Conn { return &played{rest: b} }

type played struct {
	rest   []byte
	closed atomic.Bool // net/http reads, writes and closes from goroutines of its own
}

func (p *played) Read(b []byte) (int, error) {
	switch {
	case p.closed.Load():
		return 0, net.ErrClosed
	case len(p.rest) == 0:
		return 0, io.EOF
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

func (p *played) Write(b []byte) (int, error) {
	if p.closed.Load() {
		return 0, net.ErrClosed
	}
	return len(b), nil
}

func (p *played) Close() error {
	p.closed.Store(true)
	return nil
}

func (p *played) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (p *played) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (p *played) SetDeadline(time.Time) error      { return nil }
func (p *played) SetReadDeadline(time.Time) error  { return nil }
func (p *played) SetWriteDeadline(time.Time) error { return nil }

// HTTPAnswers are seeds of whatever reads an answer.
var HTTPAnswers = []string{
	"HTTP/1.1 400 Bad Request\r\nDate: Sun, 22 Nov 2026 09:30:00 GMT\r\nX-Amzn-Requestid: 1\r\nServer: \x1b[31mx\r\nContent-Length: 2\r\n\r\n{}", "HTTP/1.1 101 Switching Protocols\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", "HTTP/1.1 403\r\nX-Amzn-Errortype: " + strings.Repeat("A", 120) + ":x\r\n\r\n", "\x15\x03\x01", "HTTP/1.1 407 x\r\n\r\n", "HTTP/1.1 200 Connection established\r\n\r\n", "HTTP/1.1 999999999999 x\r\n\r\n",
}

// ProcFiles are seeds of the tables of the proc file system.
var ProcFiles = []string{
	"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   0: 0100007F:1F90 0A00000A:01BB 01 00000000:00000000 00:00000000 00000003     0        0 12345 1 0\n",
	"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\neth0\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\n",
	"00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003 eth0\n",
	"Name:\tx\nUid:\t0\t0\t0\t0\nPPid:\t1\n", "1 (a) b) S 1 1 1 0 -1 4194560 1 1 1 1 1 1 1 1 20 0 1 0 999 1\n", "btime 1700000000\n", "btime 99999999999999999\n",
	"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw\n25 22 0:5 / /a\\040b ro,noexec - tmpfs tmpfs rw\n", "a=b\x00=c\x00d\x00", "inotify wd:1 ino:1\n",
}

// maxSeed keeps targets quick: each input that finds something is made smaller first,
// which takes time by the square of its length.
const maxSeed = 200

// SeedFiles adds files of the recorded agents, by the form of their name, as seeds.
// It is for packages beside this one.
func SeedFiles(f *testing.F, ends ...string) {
	f.Helper()
	n := 0
	seen := map[string]bool{} // hosts have files in common
	err := filepath.WalkDir("../testdata/agent", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		for _, end := range ends {
			if ok, _ := path.Match(end, path.Base(filepath.ToSlash(p))); !ok {
				continue
			}
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			b = b[max(0, len(b)-maxSeed):] // of a log the end
			if n++; !seen[string(b)] {
				seen[string(b)] = true
				f.Add(b)
			}
		}
		return nil
	})
	if err != nil || n == 0 {
		f.Fatalf("no seed like %v: %v", ends, err)
	}
}

// AddSeeds adds texts as seeds.
func AddSeeds(f *testing.F, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
}
