// Package conntrack stands in for github.com/mwitkow/go-conntrack, which counts the
// connections of Prometheus's HTTP client. This program has none of that client: it
// comes with the TLS settings of github.com/prometheus/common/config. The real one
// brings golang.org/x/net/trace, with pages on http.DefaultServeMux and html/template,
// for which the linker keeps every method of every type: 2.5 MB.
package conntrack

import (
	"context"
	"net"
)

type dial = func(ctx context.Context, network, address string) (net.Conn, error)

// DialerOpt is an option of NewDialContextFunc.
type DialerOpt func(*dial)

// DialWithTracing does nothing here.
func DialWithTracing() DialerOpt { return func(*dial) {} }

// DialWithName does nothing here.
func DialWithName(string) DialerOpt { return func(*dial) {} }

// DialWithDialContextFunc names the function that dials.
func DialWithDialContextFunc(f dial) DialerOpt { return func(d *dial) { *d = f } }

// NewDialContextFunc returns the function that dials, with nothing around it.
func NewDialContextFunc(opts ...DialerOpt) func(ctx context.Context, network, address string) (net.Conn, error) {
	d := (&net.Dialer{}).DialContext
	for _, o := range opts {
		o(&d)
	}
	return d
}
