package gather

import (
	"errors"
	"slices"
	"syscall"
)

// Windows takes a refusal for a first answer only: it asks a second and a third time, half
// a second apart, before it tells who connects, who has given up by then and calls it
// dropped. Each socket can be told not to, see synRepeats; what a lost packet costs then
// is for hedged.
// Source: Microsoft, "INFO: Winsock TCP Connection Performance to Unused Ports", and
// "TCP_INITIAL_RTO_PARAMETERS" (mstcpip.h).
const (
	noSynRepeats  = 0xfe   // TCP_INITIAL_RTO_NO_SYN_RETRANSMISSIONS
	unsetRTT      = 0xffff // TCP_INITIAL_RTO_UNSPECIFIED_RTT
	buildOfNoSyns = 16299  // Windows 10 1709; Server 2016 is 14393
)

// initialRTO is a TCP_INITIAL_RTO_PARAMETERS.
type initialRTO struct {
	rtt        uint16
	synRepeats uint8
}

// synRepeats is how often at least a build of Windows repeats a SYN: with once, a refusal is
// told after half a second.
func synRepeats(build uint32) initialRTO {
	if build < buildOfNoSyns {
		return initialRTO{unsetRTT, 1}
	}
	return initialRTO{unsetRTT, noSynRepeats}
}

// gaveUp reports whether Windows itself ended a connection that nobody answered: by one of
// ERROR_SEM_TIMEOUT, ERROR_TIMEOUT and WSAETIMEDOUT, which Go does not take for a time-out.
func gaveUp(goos string, err error) bool {
	var no syscall.Errno
	return goos == "windows" && errors.As(err, &no) && slices.Contains([]syscall.Errno{121, 1460, 10060}, no)
}
