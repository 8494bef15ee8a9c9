package gather

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// dnsAnswer makes the answer to a query from its parts: flags, how many questions and
// answers it claims, and what follows the header and the question.
func dnsAnswer(query []byte, flags, questions, answers uint16, rest []byte) []byte {
	out := append([]byte{}, query[:2]...)
	out = binary.BigEndian.AppendUint16(out, flags)
	out = binary.BigEndian.AppendUint16(out, questions)
	out = binary.BigEndian.AppendUint16(out, answers)
	out = append(out, 0, 0, 0, 0)
	end := 12
	for end < len(query) && query[end] != 0 {
		end += int(query[end]) + 1
	}
	out = append(out, query[12:min(end+5, len(query))]...)
	return append(out, rest...)
}

// TestHostileResolvers: whatever a resolver answers, a lookup ends in time, holds little
// and returns few addresses.
func TestHostileResolvers(t *testing.T) {
	// The resolver reads its configuration once, which must not be in a bubble.
	_, _ = lookupBy(t.Context(), func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }, "ip4", "x.example.")
	record := func(name string, kind uint16, data string) []byte {
		b := append([]byte(name), byte(kind>>8), byte(kind), 0, 1, 0, 0, 0, 60)
		return append(binary.BigEndian.AppendUint16(b, uint16(len(data))), data...)
	}
	const self = "\xc0\x0c" // points to the question
	many := func(n int, r []byte) []byte { return []byte(strings.Repeat(string(r), n)) }
	for _, c := range []struct {
		name   string
		answer func(q []byte) []byte // nil: none
		raw    func(c net.Conn)      // instead of an answer
	}{
		{name: "silent"},
		{name: "4000 addresses", answer: func(q []byte) []byte {
			return dnsAnswer(q, 0x8180, 1, 4000, many(4000, record(self, 1, "\x0a\x00\x00\x01")))
		}},
		{name: "claims more addresses than come", answer: func(q []byte) []byte {
			return dnsAnswer(q, 0x8180, 1, 0xffff, record(self, 1, "\x0a\x00\x00\x01"))
		}},
		{name: "name that points to itself", answer: func(q []byte) []byte {
			a := dnsAnswer(q, 0x8180, 1, 1, nil)
			return append(a, record(string([]byte{0xc0, byte(len(a))}), 1, "\x0a\x00\x00\x01")...)
		}},
		{name: "alias that leads to itself", answer: func(q []byte) []byte { return dnsAnswer(q, 0x8180, 1, 1, record(self, 5, self)) }},
		{name: "2000 aliases", answer: func(q []byte) []byte { return dnsAnswer(q, 0x8180, 1, 2000, many(2000, record(self, 5, "\x01a\x00"))) }},
		{name: "address of the wrong length", answer: func(q []byte) []byte { return dnsAnswer(q, 0x8180, 1, 1, record(self, 1, "\x0a\x00")) }},
		{name: "escapes in an alias", answer: func(q []byte) []byte { return dnsAnswer(q, 0x8180, 1, 1, record(self, 5, "\x04\x1b[2J\x00")) }},
		{name: "answer to another question", answer: func(q []byte) []byte {
			a := dnsAnswer(q, 0x8180, 1, 1, record(self, 1, "\x0a\x00\x00\x01"))
			a[13] ^= 1
			return a
		}},
		{name: "another id", answer: func(q []byte) []byte {
			a := dnsAnswer(q, 0x8180, 1, 1, record(self, 1, "\x0a\x00\x00\x01"))
			a[0] ^= 0xff
			return a
		}},
		{name: "cut off, again and again", answer: func(q []byte) []byte { return dnsAnswer(q, 0x8380, 1, 0, nil) }},
		{name: "fails", answer: func(q []byte) []byte { return dnsAnswer(q, 0x8182, 1, 0, nil) }},
		{name: "noise", answer: func([]byte) []byte { return many(30_000, []byte("\xff\x00")) }},
		{name: "empty", answer: func([]byte) []byte { return nil }},
		{name: "closes", raw: func(net.Conn) {}},
		{name: "noise without end", raw: func(c net.Conn) {
			for {
				if _, err := c.Write([]byte("\xff\xff\xff\xff")); err != nil {
					return
				}
			}
		}},
		{name: "drips", raw: func(c net.Conn) {
			for {
				time.Sleep(100 * time.Millisecond)
				if _, err := c.Write([]byte("\x00")); err != nil {
					return
				}
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dial := func(context.Context, string, string) (net.Conn, error) {
					near, far := net.Pipe()
					go func() {
						defer far.Close()
						if c.raw != nil {
							go func() { _, _ = io.Copy(io.Discard, far) }()
							c.raw(far)
							return
						}
						for {
							var size [2]byte
							if _, err := io.ReadFull(far, size[:]); err != nil {
								return
							}
							q := make([]byte, binary.BigEndian.Uint16(size[:]))
							if _, err := io.ReadFull(far, q); err != nil || c.answer == nil {
								_, _ = io.Copy(io.Discard, far)
								return
							}
							a := c.answer(q)
							a = a[:min(len(a), 0xffff)]
							if _, err := far.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(a))), a...)); err != nil {
								return
							}
						}
					}()
					return near, nil
				}
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				ctx, cancel := context.WithTimeout(t.Context(), DefaultLimits().DNS)
				defer cancel()
				start := time.Now()
				out, err := lookupBy(ctx, dial, "ip4", "ssm.eu-west-1.amazonaws.com.")
				runtime.ReadMemStats(&after)
				if took := time.Since(start); took > DefaultLimits().DNS {
					t.Errorf("took %v", took)
				}
				if grew := after.TotalAlloc - before.TotalAlloc; grew > 64<<20 {
					t.Errorf("allocated %d MiB", grew>>20)
				}
				if len(out) > maxRecords || err != nil && strings.ContainsAny(Why(err), "\x1b\x00\n") {
					t.Errorf("%d addresses, %v", len(out), err)
				}
				time.Sleep(time.Minute)
			})
		})
	}
}
