//go:build lab && linux

package distance

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fault is what happens to the packets of one address besides what the way does to all.
type fault int

const (
	dropped fault = iota + 1 // nothing passes
	silent                   // what is sent there is confirmed, and never answered
	mute                     // it connects, and then nothing passes
)

// way is what lies between the box and its services: packets take half of a round trip each
// way, and some are lost.
type way struct {
	box, far  *os.File // frames of the box's wire, packets of the services
	mac       net.HardwareAddr
	mu        sync.Mutex
	roundTrip time.Duration
	loss      float64 // of the packets each way
	faults    map[string]fault
	rand      *rand.Rand
	wg        sync.WaitGroup
}

// inNamespace calls what makes a descriptor in a network namespace.
func inNamespace(t *testing.T, name string, do func() (int, error)) int {
	t.Helper()
	type made struct {
		fd  int
		err error
	}
	ch := make(chan made)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		ns, err := unix.Open("/run/netns/"+name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			ch <- made{err: err}
			return
		}
		defer unix.Close(ns)
		if err := unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
			ch <- made{err: err}
			return
		}
		fd, err := do()
		ch <- made{fd, err}
	}()
	m := <-ch
	if m.err != nil {
		t.Fatalf("in namespace %s: %v", name, m.err)
	}
	return m.fd
}

// wire opens the other end of the box's interface.
func wire(name string) func() (int, error) {
	return func() (int, error) {
		i, err := net.InterfaceByName(name)
		if err != nil {
			return 0, err
		}
		const ipv4 = unix.ETH_P_IP<<8&0xff00 | unix.ETH_P_IP>>8
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, ipv4)
		if err != nil {
			return 0, err
		}
		return fd, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: ipv4, Ifindex: i.Index})
	}
}

// tun makes a device whose packets the way carries.
func tun(name string) func() (int, error) {
	return func() (int, error) {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			return 0, err
		}
		req, err := unix.NewIfreq(name)
		if err != nil {
			return 0, err
		}
		req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		return fd, unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
}

// gateway is the address at which the box believes its gateway to be.
var gateway = net.HardwareAddr{0x0a, 0x58, 0x0a, 0, 0, 1}

// open begins to carry packets, until the test ends.
func (w *way) open(t *testing.T) {
	there, back := make(chan parcel, 10000), make(chan parcel, 10000)
	w.wg.Go(func() { w.read(w.box, 14, there) })
	w.wg.Go(func() { w.read(w.far, 0, back) })
	w.wg.Go(func() { deliver(there, w.far, nil) })
	w.wg.Go(func() { deliver(back, w.box, append(append(append([]byte{}, w.mac...), gateway...), 0x08, 0x00)) })
	t.Cleanup(func() {
		w.box.Close()
		w.far.Close()
		w.wg.Wait()
	})
}

// be sets what the way is like from now on.
func (w *way) be(roundTrip time.Duration, loss float64, faults map[string]fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.roundTrip, w.loss, w.faults = roundTrip, loss, faults
}

type parcel struct {
	at time.Time
	b  []byte
}

// read takes packets from one end, and queues those that arrive.
func (w *way) read(from *os.File, header int, to chan<- parcel) {
	defer close(to)
	buf := make([]byte, 1<<16)
	for {
		n, err := from.Read(buf)
		if err != nil {
			if errors.Is(err, os.ErrClosed) {
				return
			}
			continue
		}
		if n < header+20 || buf[header]>>4 != 4 {
			continue
		}
		p := append([]byte{}, buf[header:n]...)
		w.mu.Lock()
		arrives, delay := w.passes(p, header > 0) && w.rand.Float64() >= w.loss, w.roundTrip/2
		w.mu.Unlock()
		if arrives {
			finish(p)
			to <- parcel{time.Now().Add(delay), p}
		}
	}
}

// passes reports whether nobody on the way drops a packet.
func (w *way) passes(p []byte, there bool) bool {
	peer := p[12:16]
	if there {
		peer = p[16:20]
	}
	f := w.faults[net.IP(peer).String()]
	if f == 0 {
		f = w.faults["*"]
	}
	payload := false
	if l4 := p[int(p[0]&15)*4:]; p[9] == unix.IPPROTO_TCP && len(l4) >= 20 {
		payload = len(l4) > int(l4[12]>>4)*4
	}
	switch f {
	case dropped:
		return false
	case silent:
		return there || !payload
	case mute:
		return !payload
	}
	return true
}

// finish fills in what the box leaves to its network card: the checksum.
func finish(p []byte) {
	p = p[:min(len(p), int(binary.BigEndian.Uint16(p[2:])))]
	head := int(p[0]&15) * 4
	l4 := p[head:]
	at := 0
	switch {
	case p[9] == unix.IPPROTO_TCP && len(l4) >= 20:
		at = 16
	case p[9] == unix.IPPROTO_UDP && len(l4) >= 8:
		at = 6
	default:
		return
	}
	l4[at], l4[at+1] = 0, 0
	sum := uint32(p[9]) + uint32(len(l4))
	add := func(b []byte) {
		for ; len(b) > 1; b = b[2:] {
			sum += uint32(binary.BigEndian.Uint16(b))
		}
		if len(b) > 0 {
			sum += uint32(b[0]) << 8
		}
	}
	add(p[12:20])
	add(l4)
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(l4[at:], ^uint16(sum))
}

// deliver hands packets out when their time has come, in their order.
func deliver(from <-chan parcel, to *os.File, header []byte) {
	for p := range from {
		time.Sleep(time.Until(p.at))
		_, _ = to.Write(append(append([]byte{}, header...), p.b...)) // who is gone takes nothing
	}
}
