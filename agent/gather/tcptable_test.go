package gather

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/checks/facts"
)

// row4 is a row of IPv4; addresses are the last byte of 10.0.0.x.
func row4(state uint32, local, remote byte, port uint16, pid uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, state)
	b = append(b, 10, 0, 0, local, 0xc3, 0x50, 0xff, 0xff) // port 50000, and bytes that mean nothing
	b = append(b, 10, 0, 0, remote)
	b = binary.BigEndian.AppendUint16(b, port)
	return binary.LittleEndian.AppendUint32(append(b, 0, 0), pid)
}

func TestParseTCPTable(t *testing.T) {
	t.Parallel()
	table := binary.LittleEndian.AppendUint32(nil, 4)
	for _, r := range [][]byte{row4(5, 1, 2, 443, 77), row4(8, 1, 3, 443, 77), row4(5, 1, 4, 80, 77), row4(5, 1, 5, 443, 78)} {
		table = append(table, r...)
	}
	want := []facts.Socket{{Local: "10.0.0.1:50000", Remote: "10.0.0.2:443", Untold: true}}
	if d := cmp.Diff(want, parseTCPTable(table, false, []int{77}, 443)); d != "" {
		t.Error(d)
	}
	six := binary.LittleEndian.AppendUint32(nil, 1)
	six = append(six, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0xc3, 0x50, 0, 0)
	six = append(six, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0x01, 0xbb, 0, 0)
	six = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(six, 5), 77)
	if d := cmp.Diff([]facts.Socket{{Local: "[2001:db8::1]:50000", Remote: "[2001:db8::2]:443", Untold: true}}, parseTCPTable(six, true, []int{77}, 443)); d != "" {
		t.Error(d)
	}
}

func FuzzTCPTable(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 5}, true)
	f.Add(append(binary.LittleEndian.AppendUint32(nil, 1<<31), row4(5, 1, 2, 443, 77)...), false)
	f.Fuzz(func(t *testing.T, b []byte, six bool) {
		if n := len(parseTCPTable(b, six, []int{77}, 443)); n > maxSockets || n > len(b)/tcpRow {
			t.Errorf("%d connections in %d bytes", n, len(b))
		}
	})
}
