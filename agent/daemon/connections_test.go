package daemon

import (
	"net"
	"net/http"
	"slices"
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
	yes bool
}

func (c *closed) Close() error { c.yes = true; return nil }
