package daemon

import (
	"cmp"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
)

// TestConnections: who is let go for a new client.
func TestConnections(t *testing.T) {
	t.Parallel()
	const n, i, a, c = http.StateNew, http.StateIdle, http.StateActive, http.StateClosed
	type step struct {
		conn  int
		state http.ConnState
	}
	for _, tc := range []struct {
		name  string
		steps []step
		gone  []int
	}{
		{"room for all", []step{{0, n}, {1, n}, {2, n}}, nil},
		{"the longest idle", []step{{0, n}, {1, n}, {2, n}, {0, a}, {0, i}, {3, n}}, []int{1}},
		{"not one that is served", []step{{0, n}, {0, a}, {1, n}, {2, n}, {2, a}, {3, n}}, []int{1}},
		{"the oldest when all are served", []step{{0, n}, {0, a}, {1, n}, {1, a}, {2, n}, {2, a}, {3, n}, {3, a}, {4, n}}, []int{0, 1}},
		{"closed ones leave room", []step{{0, n}, {1, n}, {2, n}, {1, c}, {3, n}}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				limit := connections{most: 3}
				conns := make([]*closed, 5)
				for k := range conns {
					conns[k] = &closed{}
				}
				for _, s := range tc.steps {
					limit.note(conns[s.conn], s.state)
				}
				synctest.Wait()
				var gone []int
				for k, c := range conns {
					if c.yes {
						gone = append(gone, k)
					}
				}
				if !slices.Equal(gone, tc.gone) {
					t.Errorf("closed %v, want %v", gone, tc.gone)
				}
			})
		})
	}
}

// closed is a connection that notes its end.
type closed struct {
	net.Conn
	from string
	yes  bool
}

func (c *closed) Close() error { c.yes = true; return nil }
func (c *closed) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.ParseIP(cmp.Or(c.from, "127.0.0.1"))}
}

// TestConnectionsFlood: who comes in numbers loses his own, whatever their state, and never
// the one of a client that just came, or that came before him.
func TestConnectionsFlood(t *testing.T) {
	t.Parallel()
	many := func(i int) string { return netip.AddrFrom4([4]byte{127, 1, byte(i >> 8), byte(i)}).String() }
	for name, flood := range map[string]struct {
		from  func(i int) string
		state http.ConnState
	}{
		"without a request": {func(int) string { return "127.0.0.2" }, http.StateNew},
		"that stay":         {func(int) string { return "127.0.0.2" }, http.StateIdle},
		"that read slowly":  {func(int) string { return "127.0.0.2" }, http.StateActive},
		"of one network":    {func(i int) string { return "2001:db8::" + strconv.FormatInt(int64(i+1), 16) }, http.StateNew},
		"mapped":            {func(int) string { return "::ffff:127.0.0.2" }, http.StateNew},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				limit := connections{most: 64}
				come := func(from string, state http.ConnState) *closed {
					c := &closed{from: from}
					limit.note(c, http.StateNew)
					if state != http.StateNew {
						limit.note(c, state)
					}
					return c
				}
				stays := []*closed{come("", http.StateIdle), come("10.0.0.9", http.StateActive)}
				for i := range 500 {
					come(flood.from(i), flood.state)
					if i%50 == 0 {
						stays = append(stays, come("", http.StateNew))
						limit.note(stays[len(stays)-2], http.StateClosed)
					}
				}
				last := come("10.0.0.1", http.StateNew)
				for i := range 500 {
					come(flood.from(i), flood.state)
				}
				synctest.Wait()
				for i, c := range append(stays, last) {
					if c.yes {
						t.Errorf("client %d was put out", i)
					}
				}
				if len(limit.clients) != 64 {
					t.Errorf("%d clients", len(limit.clients))
				}
			})
		})
	}
	// From as many addresses as connections nobody can be told from the others: the oldest
	// without a request goes, and who waits for another scrape stays.
	synctest.Test(t, func(t *testing.T) {
		limit := connections{most: 64}
		kept := &closed{}
		limit.note(kept, http.StateNew)
		limit.note(kept, http.StateIdle)
		for i := range 200 {
			limit.note(&closed{from: many(i)}, http.StateNew)
		}
		late := &closed{}
		limit.note(late, http.StateNew)
		for i := range 60 {
			limit.note(&closed{from: many(i)}, http.StateNew)
		}
		synctest.Wait()
		if kept.yes || late.yes {
			t.Errorf("put out: kept %v, late %v", kept.yes, late.yes)
		}
	})
}
