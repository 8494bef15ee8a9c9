package gather

import (
	"net/netip"
	"strings"

	"ssm-doctor/checks/facts"
)

// Windows is how a running Windows is asked. The functions return plain data;
// what it means is decided here, where it is tested on every system.
type Windows struct {
	// Service describes a service of the service manager; absent: no such service.
	Service func(name string) facts.Seen[WindowsService]
	// Strings reads values of a registry key under HKEY_LOCAL_MACHINE, under
	// HKEY_USERS for a key that begins with .DEFAULT, under HKEY_CURRENT_USER for one
	// that begins with HKCU: a text as one string, a multi-text as several, a number in
	// decimal, bytes as they are.
	Strings func(key, value string) facts.Seen[[]string]
	// Texts are the values of a key that are texts, as NAME=TEXT.
	Texts func(key string) facts.Seen[[]string]
	// Keys are the names of the keys in a key; nil: not asked.
	Keys func(key string) facts.Seen[[]string]
	// Processes lists running programs by the base name of their file.
	Processes func(names []string) facts.Seen[[]facts.Process]
	// Routes are the routes of IPv4 and IPv6.
	Routes func() facts.Seen[[]WindowsRoute]
	// Servers are the DNS servers of the interfaces, in order.
	Servers func() facts.Seen[[]string]
	// Connections are the established TCP connections of some processes to a port.
	Connections func(pids []int, port uint16) facts.Seen[[]facts.Socket]
	// Volume describes the volume that holds a path, such as C:\ProgramData.
	Volume   func(path string) (Volume, error)
	Elevated func() facts.Seen[bool]
	// Events are the newest entries of a log that an XPath query selects, newest first;
	// absent: there is no such log; nil: not asked.
	Events func(log, query string) facts.Seen[[]WindowsEvent]
	// Access is whose a file or folder is, such as C:\ProgramData, and whether the
	// system's account may use it; nil: not asked.
	Access func(path string) facts.Seen[facts.Access]
	// Firmware is what the firmware says of the machine; nil: not asked.
	Firmware func() facts.Seen[Firmware]
}

// WindowsService is the configuration and state of a service.
type WindowsService struct {
	State     uint32 // SERVICE_STOPPED and so on
	StartType uint32 // SERVICE_AUTO_START and so on
	ExitCode  uint32 // Win32 code; 1066: SpecificCode tells
	Specific  uint32
	PID       uint32
	Path      string // command line
	Account   string
}

// Volume is a file system as Windows or macOS describes it.
type Volume struct {
	Mount, Type string // C:\, NTFS; /System/Volumes/Data, apfs
	ReadOnly    bool
	NoExec      bool // Windows has no such flag
}

// WindowsRoute is a row of the forwarding table.
type WindowsRoute struct {
	Prefix    netip.Prefix
	Gateway   netip.Addr // unspecified: on link
	Interface string
	Metric    uint32 // that of the row and that of its interface
}

// RegistryURL names a key of the registry in a fact.
func RegistryURL(key string) string {
	switch {
	case strings.HasPrefix(key, ".DEFAULT"):
		return `registry:HKU\` + key
	case strings.HasPrefix(key, `HKCU\`):
		return "registry:" + key
	}
	return `registry:HKLM\` + key
}
