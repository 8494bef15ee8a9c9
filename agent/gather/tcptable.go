package gather

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"ssm-doctor/checks/facts"
)

// Rows of the TCP tables of Windows, MIB_TCPROW_OWNER_PID and MIB_TCP6ROW_OWNER_PID.
// A table begins with their number, of 32 bits.
// Source: Microsoft, tcpmib.h.
const (
	tcpRow, tcpRow6 = 24, 56
	tcpOpen         = 5 // MIB_TCP_STATE_ESTAB
	maxSockets      = 1000
)

// parseTCPTable reads the established connections of some processes to a port.
func parseTCPTable(b []byte, six bool, pids []int, port uint16) []facts.Socket {
	var out []facts.Socket
	if len(b) < 4 {
		return nil
	}
	n, row := int(binary.LittleEndian.Uint32(b)), tcpRow
	if six {
		row = tcpRow6
	}
	word := func(r []byte, at int) uint32 { return binary.LittleEndian.Uint32(r[at:]) }
	// Ports are in the order of the network, in the first two bytes of four.
	addr := func(r []byte, size, at, portAt int) netip.AddrPort {
		a, _ := netip.AddrFromSlice(r[at : at+size])
		return netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(r[portAt:]))
	}
	for b = b[4:]; n > 0 && len(b) >= row && len(out) < maxSockets; n, b = n-1, b[row:] {
		r := b[:row]
		var local, remote netip.AddrPort
		var state, pid uint32
		if six { // address, scope, port; the same of the other end; state, process
			local, remote, state, pid = addr(r, 16, 0, 20), addr(r, 16, 24, 44), word(r, 48), word(r, 52)
		} else { // state; address, port; the same of the other end; process
			state, local, remote, pid = word(r, 0), addr(r, 4, 4, 8), addr(r, 4, 12, 16), word(r, 20)
		}
		if state == tcpOpen && remote.Port() == port && slices.Contains(pids, int(pid)) {
			out = append(out, facts.Socket{Local: local.String(), Remote: remote.String(), Untold: true})
		}
	}
	return out
}
