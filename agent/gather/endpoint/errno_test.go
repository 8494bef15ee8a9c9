package endpoint

import (
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"

	"ssm-doctor/checks/facts"
)

func TestKernelSays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		goos string
		no   syscall.Errno
		want facts.Outcome
	}{
		{"windows", 10061, facts.Refused}, {"windows", 10013, facts.NotPermitted}, {"windows", 10049, facts.NoLocalAddress}, {"windows", 10048, facts.NoLocalAddress},
		{"windows", 10051, facts.NoRoute}, {"windows", 10065, facts.NoRoute}, {"windows", 10022, facts.Invalid}, {"windows", 10054, facts.Reset}, {"windows", 10053, facts.Reset},
		{"windows", 10060, facts.Timeout}, {"windows", 10055, facts.NoLocalAddress}, {"windows", 1225, facts.Refused}, {"windows", 1236, facts.Reset}, {"windows", 87, ""},
		{"linux", syscall.ECONNREFUSED, facts.Refused}, {"linux", syscall.EPERM, facts.NotPermitted}, {"darwin", syscall.EHOSTUNREACH, facts.NoRoute}, {"linux", 10061, ""},
	} {
		err := fmt.Errorf("request: %w", &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connectex", c.no)})
		got, words, ok := kernelSays(c.goos, err)
		if got != c.want || ok != (c.want != "") || ok && (words == "") == (c.goos == "windows") {
			t.Errorf("%s %d: %q %q %v, want %q", c.goos, c.no, got, words, ok, c.want)
		}
	}
	if _, _, ok := kernelSays("windows", os.ErrDeadlineExceeded); ok {
		t.Error("an error without a number has a meaning")
	}
}
