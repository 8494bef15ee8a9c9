package agentsvc

import (
	"errors"
	"io"
	"maps"
	"strings"
	"testing"

	"ssm-doctor/agent/gather/gathertest"
)

const tcpHeader = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"

// tcpLine is an established connection to port 443.
func tcpLine(inode string) string {
	return "   1: 0A00000A:8C2E 110112C6:01BB 01 00000000:00000000 00:00000000 00000000     0        0 " + inode + " 1 0 100 0 0 10 0\n"
}

// TestTCPTable reads lines that come in pieces, and stops at the last that is wanted.
func TestTCPTable(t *testing.T) {
	for _, test := range []struct {
		name   string
		wanted map[string]bool
		want   int
		err    error
	}{
		{"all, to the end that fails", nil, 3, io.ErrUnexpectedEOF},
		{"two, and nothing after them", map[string]bool{"11": true, "12": true}, 2, nil},
		{"one that is not there", map[string]bool{"99": true}, 3, io.ErrUnexpectedEOF},
	} {
		t.Run(test.name, func(t *testing.T) {
			first, second := tcpHeader+tcpLine("11")+tcpLine("12")[:20], tcpLine("12")[20:]
			r := io.MultiReader(strings.NewReader(first), strings.NewReader(second), strings.NewReader(tcpLine("13")), broken{})
			list, err := tcpTable(r, 443, test.wanted)
			if len(list) != test.want || !errors.Is(err, test.err) {
				t.Errorf("%d connections, %v; want %d, %v", len(list), err, test.want, test.err)
			}
		})
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestConnections finds each connection where sockets of files are held as well.
func TestConnections(t *testing.T) {
	env := gathertest.InMemory(map[string][]byte{
		"proc/net/tcp":  []byte(tcpHeader + tcpLine("11") + tcpLine("12")),
		"proc/net/tcp6": []byte(tcpHeader + tcpLine("13")),
		"proc/net/unix": []byte("Num       RefCount Protocol Flags    Type St Inode Path\n0000000000000000: 00000003 00000000 00000000 0001 03 21\n"),
	})
	for _, test := range []struct {
		wanted map[string]bool
		want   int
	}{
		{nil, 3}, {map[string]bool{}, 0}, {map[string]bool{"21": true}, 0},
		{map[string]bool{"11": true, "12": true, "21": true}, 2}, {map[string]bool{"11": true, "13": true}, 3},
	} {
		list, err := connections(env.FS, 443, maps.Clone(test.wanted))
		if err != nil || len(list) != test.want {
			t.Errorf("wanted %v: %d connections, %v; want %d", test.wanted, len(list), err, test.want)
		}
	}
}
