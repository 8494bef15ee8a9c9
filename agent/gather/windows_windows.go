package gather

import (
	"cmp"
	"errors"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"

	"ssm-doctor/agent/safefile"
	"ssm-doctor/checks/facts"
)

// hostWindows asks this machine. Every handle is opened for reading only.
func hostWindows() *Windows {
	return &Windows{Service: queryService, Strings: registryStrings, Texts: registryTexts, Keys: registryKeys, Processes: listProcesses, Routes: listRoutes, Servers: dnsServers,
		Connections: listConnections, Volume: volumeOf, Events: listEvents, Access: accessOf, Firmware: listFirmware,
		Elevated: func() facts.Seen[bool] {
			return facts.Known(windows.GetCurrentProcessToken().IsElevated(), "process token")
		}}
}

func queryService(name string) facts.Seen[WindowsService] {
	from := "scm:" + name
	m, err := windows.OpenSCManager(nil, nil, windows.SC_MANAGER_CONNECT)
	if err != nil {
		return Unknown[WindowsService](err, from)
	}
	defer windows.CloseServiceHandle(m)
	n, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return Unknown[WindowsService](err, from)
	}
	h, err := windows.OpenService(m, n, windows.SERVICE_QUERY_STATUS|windows.SERVICE_QUERY_CONFIG)
	if errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
		return facts.Absent[WindowsService]("no such service", from)
	} else if err != nil {
		return Unknown[WindowsService](err, from)
	}
	defer windows.CloseServiceHandle(h)
	var st windows.SERVICE_STATUS_PROCESS
	var need uint32
	if err := windows.QueryServiceStatusEx(h, windows.SC_STATUS_PROCESS_INFO, (*byte)(unsafe.Pointer(&st)), uint32(unsafe.Sizeof(st)), &need); err != nil {
		return Unknown[WindowsService](err, from)
	}
	s := WindowsService{State: st.CurrentState, ExitCode: st.Win32ExitCode, Specific: st.ServiceSpecificExitCode, PID: st.ProcessId}
	// 8 KiB is the documented maximum; words keep the structure aligned.
	buf := make([]uint64, 1024)
	cfg := (*windows.QUERY_SERVICE_CONFIG)(unsafe.Pointer(&buf[0]))
	if err := windows.QueryServiceConfig(h, cfg, uint32(len(buf)*8), &need); err != nil {
		return Unknown[WindowsService](err, from)
	}
	s.StartType, s.Path, s.Account = cfg.StartType, windows.UTF16PtrToString(cfg.BinaryPathName), windows.UTF16PtrToString(cfg.ServiceStartName)
	return facts.Known(s, from)
}

// openKey opens a key for reading; see Windows.Strings for its name.
func openKey(key string) (registry.Key, error) {
	root := registry.LOCAL_MACHINE
	if strings.HasPrefix(key, ".DEFAULT") {
		root = registry.USERS
	} else if rest, ok := strings.CutPrefix(key, `HKCU\`); ok {
		root, key = registry.CURRENT_USER, rest
	}
	return registry.OpenKey(root, key, registry.QUERY_VALUE)
}

// maxTexts bounds the values of one key that are read. A server has some 600 rules of
// its firewall.
const maxTexts = 5000

func registryTexts(key string) facts.Seen[[]string] {
	from := RegistryURL(key)
	k, err := openKey(key)
	if errors.Is(err, registry.ErrNotExist) {
		return facts.Absent[[]string]("no such key", from)
	} else if err != nil {
		return Unknown[[]string](err, from)
	}
	defer k.Close()
	names, err := k.ReadValueNames(maxTexts)
	if err != nil && !errors.Is(err, io.EOF) {
		return Unknown[[]string](err, from)
	}
	out := []string{}
	for _, n := range names {
		if s, _, err := k.GetStringValue(n); err == nil {
			out = append(out, n+"="+s)
		}
	}
	if len(names) == maxTexts {
		return facts.Partly(out, "the key has too many values", from)
	}
	return facts.Known(out, from)
}

// maxKeys bounds the keys in one key that are listed.
const maxKeys = 500

func registryKeys(key string) facts.Seen[[]string] {
	from := RegistryURL(key)
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, key, registry.ENUMERATE_SUB_KEYS)
	if errors.Is(err, registry.ErrNotExist) {
		return facts.Absent[[]string]("no such key", from)
	} else if err != nil {
		return Unknown[[]string](err, from)
	}
	defer k.Close()
	names, err := k.ReadSubKeyNames(maxKeys)
	if err != nil && !errors.Is(err, io.EOF) {
		return Unknown[[]string](err, from)
	}
	return facts.Known(names, from)
}

func registryStrings(key, value string) facts.Seen[[]string] {
	from := RegistryURL(key)
	k, err := openKey(key)
	if errors.Is(err, registry.ErrNotExist) {
		return facts.Absent[[]string]("no such key", from)
	} else if err != nil {
		return Unknown[[]string](err, from)
	}
	defer k.Close()
	_, kind, err := k.GetValue(value, nil)
	if errors.Is(err, registry.ErrNotExist) {
		return facts.Absent[[]string]("no such value", from)
	} else if err != nil && !errors.Is(err, registry.ErrShortBuffer) {
		return Unknown[[]string](err, from)
	}
	var out []string
	switch kind {
	case registry.MULTI_SZ:
		out, _, err = k.GetStringsValue(value)
	case registry.DWORD, registry.QWORD:
		var n uint64
		n, _, err = k.GetIntegerValue(value)
		out = []string{strconv.FormatUint(n, 10)}
	case registry.BINARY:
		var b []byte
		b, _, err = k.GetBinaryValue(value)
		out = []string{string(b)}
	default:
		var s string
		s, _, err = k.GetStringValue(value)
		out = []string{s}
	}
	if err != nil {
		return Unknown[[]string](err, from)
	}
	return facts.Known(out, from)
}

// maxListed bounds the processes that are described.
const maxListed = 200

func listProcesses(names []string) facts.Seen[[]facts.Process] {
	const from = "toolhelp snapshot"
	snap, err := windows.CreateToolhelp32Snapshot(windows.TH32CS_SNAPPROCESS, 0)
	if err != nil {
		return Unknown[[]facts.Process](err, from)
	}
	defer windows.CloseHandle(snap)
	out := []facts.Process{}
	e := windows.ProcessEntry32{Size: uint32(unsafe.Sizeof(windows.ProcessEntry32{}))}
	for err = windows.Process32First(snap, &e); err == nil; err = windows.Process32Next(snap, &e) {
		exe := windows.UTF16ToString(e.ExeFile[:])
		for _, n := range names {
			if strings.EqualFold(exe, n+".exe") && len(out) < maxListed {
				p := facts.Process{PID: int(e.ProcessID), Exe: exe}
				describe(e.ProcessID, &p)
				out = append(out, p)
			}
		}
	}
	if !errors.Is(err, windows.ERROR_NO_MORE_FILES) {
		return Unknown[[]facts.Process](err, from)
	}
	return facts.Known(out, from)
}

// describe adds the path and the start of a process where they may be asked.
func describe(pid uint32, p *facts.Process) {
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, pid)
	if err != nil {
		return
	}
	defer windows.CloseHandle(h)
	buf := make([]uint16, 1024)
	n := uint32(len(buf))
	if windows.QueryFullProcessImageName(h, 0, &buf[0], &n) == nil {
		p.Exe = windows.UTF16ToString(buf[:n])
	}
	var start, end, kernel, user windows.Filetime
	if windows.GetProcessTimes(h, &start, &end, &kernel, &user) == nil {
		p.Started = SaneTime(time.Unix(0, start.Nanoseconds()))
	}
}

func listRoutes() facts.Seen[[]WindowsRoute] {
	const from = "GetIpForwardTable2"
	var t *windows.MibIpForwardTable2
	if err := windows.GetIpForwardTable2(windows.AF_UNSPEC, &t); err != nil {
		return Unknown[[]WindowsRoute](err, from)
	}
	defer windows.FreeMibTable(unsafe.Pointer(t))
	type link struct {
		index uint32
		six   bool
	}
	names, metrics := map[uint32]string{}, map[link]uint32{}
	if list, err := adapters(); err == nil {
		for a := list; a != nil; a = a.Next {
			names[cmp.Or(a.IfIndex, a.Ipv6IfIndex)] = OneLine(windows.UTF16PtrToString(a.FriendlyName), 100)
			metrics[link{a.IfIndex, false}], metrics[link{a.Ipv6IfIndex, true}] = a.Ipv4Metric, a.Ipv6Metric
		}
	}
	out := []WindowsRoute{}
	for _, r := range t.Rows() {
		a, ok := rawAddr(&r.DestinationPrefix.Prefix)
		if !ok || len(out) >= 10_000 {
			continue
		}
		w := WindowsRoute{Prefix: netip.PrefixFrom(a, int(r.DestinationPrefix.PrefixLength)), Interface: names[r.InterfaceIndex],
			Metric: r.Metric + metrics[link{r.InterfaceIndex, a.Is6()}]}
		if w.Interface == "" {
			w.Interface = "if" + strconv.FormatUint(uint64(r.InterfaceIndex), 10)
		}
		w.Gateway, _ = rawAddr(&r.NextHop)
		out = append(out, w)
	}
	return facts.Known(out, from)
}

func rawAddr(r *windows.RawSockaddrInet) (netip.Addr, bool) {
	switch r.Family {
	case windows.AF_INET:
		return netip.AddrFrom4((*windows.RawSockaddrInet4)(unsafe.Pointer(r)).Addr), true
	case windows.AF_INET6:
		return netip.AddrFrom16((*windows.RawSockaddrInet6)(unsafe.Pointer(r)).Addr), true
	}
	return netip.Addr{}, false
}

// adapters are those of the host, as a list.
func adapters() (*windows.IpAdapterAddresses, error) {
	size := uint32(16 << 10)
	for range 4 {
		buf := make([]byte, size)
		list := (*windows.IpAdapterAddresses)(unsafe.Pointer(&buf[0]))
		err := windows.GetAdaptersAddresses(windows.AF_UNSPEC, windows.GAA_FLAG_SKIP_ANYCAST|windows.GAA_FLAG_SKIP_MULTICAST, 0, list, &size)
		if err == nil {
			return list, nil
		}
		if !errors.Is(err, windows.ERROR_BUFFER_OVERFLOW) || size > 1<<20 {
			return nil, err
		}
	}
	return nil, errors.New("the table keeps growing")
}

func dnsServers() facts.Seen[[]string] {
	const from = "GetAdaptersAddresses"
	list, err := adapters()
	if err != nil {
		return Unknown[[]string](err, from)
	}
	out := []string{}
	for a := list; a != nil; a = a.Next {
		if a.OperStatus != windows.IfOperStatusUp {
			continue
		}
		for s := a.FirstDnsServerAddress; s != nil && len(out) < 10; s = s.Next {
			// Site-local addresses stand for none.
			if ip, ok := netip.AddrFromSlice(s.Address.IP()); ok && !strings.HasPrefix(ip.String(), "fec0:") {
				out = append(out, ip.Unmap().String())
			}
		}
	}
	return facts.Known(out, from)
}

var (
	iphlpapi         = windows.NewLazySystemDLL("iphlpapi.dll")
	extendedTCPTable = iphlpapi.NewProc("GetExtendedTcpTable")
)

// tcpConnections is TCP_TABLE_OWNER_PID_CONNECTIONS.
const tcpConnections = 4

func listConnections(pids []int, port uint16) facts.Seen[[]facts.Socket] {
	const from = "GetExtendedTcpTable"
	out := []facts.Socket{}
	for _, family := range []uint32{windows.AF_INET, windows.AF_INET6} {
		b, err := tcpTable(family)
		if err != nil {
			return Unknown[[]facts.Socket](err, from)
		}
		out = append(out, parseTCPTable(b, family == windows.AF_INET6, pids, port)...)
	}
	return facts.Known(out, from)
}

// tcpTable is the table of one family, as Windows lays it out.
func tcpTable(family uint32) ([]byte, error) {
	if err := extendedTCPTable.Find(); err != nil {
		return nil, err
	}
	size := uint32(32 << 10)
	for range 4 {
		buf := make([]byte, size)
		code, _, _ := extendedTCPTable.Call(uintptr(unsafe.Pointer(&buf[0])), uintptr(unsafe.Pointer(&size)), 0, uintptr(family), tcpConnections, 0)
		switch {
		case code == 0:
			return buf[:min(int(size), len(buf))], nil
		case windows.Errno(code) != windows.ERROR_INSUFFICIENT_BUFFER || size > 16<<20:
			return nil, windows.Errno(code)
		}
		size += 4 << 10 // it may have grown meanwhile
	}
	return nil, errors.New("the table keeps growing")
}

func volumeOf(path string) (Volume, error) {
	var v Volume
	p, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return v, err
	}
	root := make([]uint16, windows.MAX_PATH)
	if err := windows.GetVolumePathName(p, &root[0], uint32(len(root))); err != nil {
		return v, err
	}
	kind := make([]uint16, windows.MAX_PATH)
	var flags uint32
	if err := windows.GetVolumeInformation(&root[0], nil, 0, nil, nil, &flags, &kind[0], uint32(len(kind))); err != nil {
		return v, err
	}
	v.Mount, v.Type = windows.UTF16ToString(root), windows.UTF16ToString(kind)
	v.ReadOnly = flags&windows.FILE_READ_ONLY_VOLUME != 0
	return v, nil
}

var (
	kernel32      = windows.NewLazySystemDLL("kernel32.dll")
	firmware      = kernel32.NewProc("GetSystemFirmwareTable")
	wineVersion   = windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version")
	errNoFirmware = errors.New("the firmware has no such table")
)

// smbios is the provider RSMB, and maxFirmware more than any of its tables has.
const (
	smbios      = 'R'<<24 | 'S'<<16 | 'M'<<8 | 'B'
	maxFirmware = 1 << 20
)

func listFirmware() facts.Seen[Firmware] {
	const from = "GetSystemFirmwareTable"
	b, err := firmwareTable()
	if err != nil {
		return Unknown[Firmware](err, from)
	}
	f, ok := ParseFirmware(b)
	if !ok {
		return Unknown[Firmware](errNoFirmware, from)
	}
	return facts.Known(f, from)
}

func firmwareTable() ([]byte, error) {
	if err := firmware.Find(); err != nil {
		return nil, err
	}
	size, _, err := firmware.Call(smbios, 0, 0, 0)
	if size == 0 {
		return nil, err
	}
	if size > maxFirmware {
		return nil, errNoFirmware
	}
	buf := make([]byte, size)
	n, _, _ := firmware.Call(smbios, 0, uintptr(unsafe.Pointer(&buf[0])), size)
	if n == 0 || n > size {
		return nil, errNoFirmware
	}
	return buf[:n], nil
}

func accessOf(path string) facts.Seen[facts.Access] {
	from := "access list of " + path
	if wineVersion.Find() == nil {
		return NotAskable[facts.Access]("this is Wine, which keeps no access lists", from)
	}
	a, err := safefile.AccessOf(path)
	if err != nil {
		return Unknown[facts.Access](err, from)
	}
	return facts.Known(facts.Access(a), from)
}
