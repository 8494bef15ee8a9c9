package gather

import (
	"context"
	"errors"
	"net/netip"
	"testing"
)

func TestLookupTwice(t *testing.T) {
	t.Parallel()
	one := []netip.Addr{netip.MustParseAddr("10.0.0.1")}
	system, server := errors.New("no such host is known"), errors.New("i/o timeout")
	answer := func(list []netip.Addr, err error) func(context.Context) ([]netip.Addr, error) {
		return func(context.Context) ([]netip.Addr, error) { return list, err }
	}
	waits := func(ctx context.Context) ([]netip.Addr, error) { <-ctx.Done(); return nil, ctx.Err() }
	for _, c := range []struct {
		name            string
		system, servers func(context.Context) ([]netip.Addr, error)
		want            error
	}{
		{"the system answers, the servers hang", answer(one, nil), waits, nil},
		{"both fail", answer(nil, system), answer(nil, server), server},
		{"only the system fails", answer(nil, system), answer(one, nil), system},
	} {
		got, err := lookupTwice(t.Context(), c.system, c.servers)
		if !errors.Is(err, c.want) || (err == nil) != (len(got) == 1) {
			t.Errorf("%s: %v %v", c.name, got, err)
		}
	}
}
