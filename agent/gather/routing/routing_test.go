package routing

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

// hex4 is an address as /proc/net/route writes it on this machine.
func hex4(t *testing.T, s string) string {
	t.Helper()
	b := netip.MustParseAddr(s).As4()
	return fmt.Sprintf("%08X", binary.NativeEndian.Uint32(b[:]))
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	const head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
	row := func(dev, to, via, flags, metric, mask string) string {
		return strings.Join([]string{dev, to, via, flags, "0", "0", metric, mask, "0", "0", "0"}, "\t") + "\n"
	}
	four := head + row("eth1", "00000000", hex4(t, "10.0.1.1"), "0003", "512", "00000000") + row("eth0", "00000000", hex4(t, "10.0.0.1"), "0003", "100", "00000000") +
		row("eth0", "000AA8C0", "00000000", "0001", "0", "00FFFFFF") + row("*", "00000000", "00000000", "0200", "9999", "00000000")
	zero := strings.Repeat("0", 32)
	six := zero + " 00 " + zero + " 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003 eth0\n" + zero + " 00 " + zero + " 00 " + zero + " ffffffff 00000001 00000000 00200200 lo\n"
	v4, v6, all := Defaults(gathertest.InMemory(map[string][]byte{"proc/net/route": []byte(four), "proc/net/ipv6_route": []byte(six)}))
	want := []facts.Route{
		{Destination: "default", Gateway: "10.0.0.1", Interface: "eth0", Kind: "unicast", Table: facts.MainTable, Metric: 100},
		{Destination: "default", Gateway: "10.0.1.1", Interface: "eth1", Kind: "unicast", Table: facts.MainTable, Metric: 512},
		{Destination: "default", Gateway: "fe80::1", Interface: "eth0", Kind: "unicast", Table: facts.MainTable, Metric: 1024},
	}
	if d := cmp.Diff(want, all.Value); d != "" || !all.Known() || !v4.Value || !v6.Value {
		t.Error(v4, v6, d)
	}
	v4, v6, all = Defaults(gathertest.InMemory(map[string][]byte{"proc/net/route": []byte(head)}))
	if !v4.Known() || v4.Value || !v6.Known() || v6.Value || len(all.Value) > 0 || !all.Known() {
		t.Error("an empty table", v4, v6, all)
	}
	if v4, _, all = Defaults(gathertest.InMemory(nil)); !v4.Unknown() || !all.Unknown() {
		t.Error("unread", v4, all)
	}
}

func TestWindows(t *testing.T) {
	t.Parallel()
	rows := facts.Known([]gather.WindowsRoute{
		{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("10.0.0.1"), Interface: "Ethernet", Metric: 25},
		{Prefix: netip.MustParsePrefix("10.0.0.0/16"), Gateway: netip.IPv4Unspecified(), Interface: "wg0", Metric: 5},
		{Prefix: netip.MustParsePrefix("::/0"), Gateway: netip.IPv6Unspecified(), Interface: "Ethernet", Metric: 25},
	}, "GetIpForwardTable2")
	env := &gather.Env{Live: true, GOOS: "windows", Windows: &gather.Windows{Routes: func() facts.Seen[[]gather.WindowsRoute] { return rows }}}
	for to, want := range map[string]facts.Route{
		"10.0.9.1":  {Destination: "10.0.0.0/16", Interface: "wg0", Kind: "unicast"},
		"52.94.1.1": {Destination: "default", Gateway: "10.0.0.1", Interface: "Ethernet", Kind: "unicast"},
	} {
		if got := To(t.Context(), env, netip.MustParseAddr(to), 443); got.Value != want {
			t.Errorf("%s: %+v", to, got)
		}
	}
	if list, four := WindowsDefaults(rows.Value); len(list) != 2 || four != 1 || list[0].Metric != 25 {
		t.Errorf("%d %+v", four, list)
	}
	rows.Value = rows.Value[1:2]
	if got := To(t.Context(), env, netip.MustParseAddr("52.94.1.1"), 443); !got.Absent() {
		t.Errorf("%+v", got)
	}
}

func TestElsewhere(t *testing.T) {
	t.Parallel()
	to := netip.MustParseAddr("10.0.0.2")
	if got := To(t.Context(), &gather.Env{}, to, 53); !got.Unknown() || got.Code != facts.NotAskable {
		t.Errorf("an image: %+v", got)
	}
	if got := To(t.Context(), &gather.Env{Live: true, GOOS: "plan9"}, to, 53); !got.Unknown() || got.Code != facts.NotAskable {
		t.Errorf("another system: %+v", got)
	}
	if got := windowsTo(&gather.Windows{Routes: func() facts.Seen[[]gather.WindowsRoute] {
		return gather.Unknown[[]gather.WindowsRoute](errors.New("denied"), "")
	}}, to); !got.Unknown() || got.Why != "denied" {
		t.Errorf("unread: %+v", got)
	}
}
