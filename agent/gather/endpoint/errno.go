package endpoint

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"

	"ssm-doctor/checks/facts"
)

// said is what a kernel says of a connection that ended.
type said struct {
	outcome facts.Outcome
	name    string // of the number
	words   string // Windows' own are in the language of the host
}

const (
	saysRefused   = "connection refused"
	saysForbidden = "forbidden by the access permissions of this host"
	saysNoNetwork = "network is unreachable"
	saysNoHost    = "no route to host"
	saysReset     = "connection reset"
	saysNoAddress = "no local port or address left"
	saysTimeout   = "i/o timeout"
)

// winsock are the errors of sockets of Windows by their numbers. Go's names for them
// are numbers that Windows never gives.
// Source: Microsoft, "Windows Sockets Error Codes" (winsock2.h) and, below 10000,
// "System Error Codes" (winerror.h).
var winsock = map[uint32]said{
	5:     {facts.NotPermitted, "ERROR_ACCESS_DENIED", saysForbidden},
	64:    {facts.Reset, "ERROR_NETNAME_DELETED", saysReset},
	121:   {facts.Timeout, "ERROR_SEM_TIMEOUT", saysTimeout},
	1225:  {facts.Refused, "ERROR_CONNECTION_REFUSED", saysRefused},
	1231:  {facts.NoRoute, "ERROR_NETWORK_UNREACHABLE", saysNoNetwork},
	1232:  {facts.NoRoute, "ERROR_HOST_UNREACHABLE", saysNoHost},
	1234:  {facts.Refused, "ERROR_PORT_UNREACHABLE", saysRefused},
	1236:  {facts.Reset, "ERROR_CONNECTION_ABORTED", saysReset},
	1460:  {facts.Timeout, "ERROR_TIMEOUT", saysTimeout},
	10013: {facts.NotPermitted, "WSAEACCES", saysForbidden},
	10022: {facts.Invalid, "WSAEINVAL", "invalid argument"},
	10048: {facts.NoLocalAddress, "WSAEADDRINUSE", saysNoAddress}, // of connect: every local port is in use
	10049: {facts.NoLocalAddress, "WSAEADDRNOTAVAIL", saysNoAddress},
	10050: {facts.NoRoute, "WSAENETDOWN", "network is down"},
	10051: {facts.NoRoute, "WSAENETUNREACH", saysNoNetwork},
	10052: {facts.Reset, "WSAENETRESET", saysReset},
	10053: {facts.Reset, "WSAECONNABORTED", saysReset},
	10054: {facts.Reset, "WSAECONNRESET", saysReset},
	10055: {facts.NoLocalAddress, "WSAENOBUFS", saysNoAddress},
	10060: {facts.Timeout, "WSAETIMEDOUT", saysTimeout},
	10061: {facts.Refused, "WSAECONNREFUSED", saysRefused},
	10064: {facts.NoRoute, "WSAEHOSTDOWN", saysNoHost},
	10065: {facts.NoRoute, "WSAEHOSTUNREACH", saysNoHost},
}

// posix are those of the other systems, whose words are English.
var posix = map[syscall.Errno]facts.Outcome{
	syscall.ECONNREFUSED: facts.Refused,
	syscall.EPERM:        facts.NotPermitted, syscall.EACCES: facts.NotPermitted,
	syscall.EADDRNOTAVAIL: facts.NoLocalAddress,
	syscall.ENETUNREACH:   facts.NoRoute, syscall.EHOSTUNREACH: facts.NoRoute,
	syscall.EINVAL:     facts.Invalid,
	syscall.ECONNRESET: facts.Reset,
}

// kernelSays is how the kernel of a system ended a connection, by the number it gave;
// words only where its own would be in any language. False: the number says nothing.
func kernelSays(goos string, err error) (facts.Outcome, string, bool) {
	var no syscall.Errno
	if !errors.As(err, &no) {
		return "", "", false
	}
	if goos != "windows" {
		out, ok := posix[no]
		return out, "", ok
	}
	s, ok := winsock[uint32(no)]
	return s.outcome, fmt.Sprintf("%s (%s, %d)", s.words, s.name, no), ok
}

// onThis is kernelSays for the system that this program runs on.
func onThis(err error) (facts.Outcome, string, bool) { return kernelSays(runtime.GOOS, err) }
