package gather

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"

	"ssm-doctor/checks/facts"
)

// hostWindows asks this machine. Every handle is opened for reading only.
func hostWindows() *Windows {
	return &Windows{Service: queryService, Strings: registryStrings, Processes: listProcesses, Routes: listRoutes, Servers: dnsServers,
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

func registryStrings(key, value string) facts.Seen[[]string] {
	root, from := registry.LOCAL_MACHINE, RegistryURL(key)
	if strings.HasPrefix(key, ".DEFAULT") {
		root = registry.USERS
	}
	k, err := registry.OpenKey(root, key, registry.QUERY_VALUE)
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
	out := []WindowsRoute{}
	for _, r := range t.Rows() {
		a, ok := rawAddr(&r.DestinationPrefix.Prefix)
		if !ok || len(out) >= 10_000 {
			continue
		}
		w := WindowsRoute{Prefix: netip.PrefixFrom(a, int(r.DestinationPrefix.PrefixLength)), Metric: r.Metric, Interface: "if" + strconv.FormatUint(uint64(r.InterfaceIndex), 10)}
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

func dnsServers() facts.Seen[[]string] {
	const from = "GetAdaptersAddresses"
	size := uint32(16 << 10)
	var buf []byte
	for range 4 {
		buf = make([]byte, size)
		err := windows.GetAdaptersAddresses(windows.AF_UNSPEC, windows.GAA_FLAG_SKIP_ANYCAST|windows.GAA_FLAG_SKIP_MULTICAST, 0, (*windows.IpAdapterAddresses)(unsafe.Pointer(&buf[0])), &size)
		if err == nil {
			break
		}
		if !errors.Is(err, windows.ERROR_BUFFER_OVERFLOW) || size > 1<<20 {
			return Unknown[[]string](err, from)
		}
		buf = nil
	}
	if buf == nil {
		return facts.Unknown[[]string]("the table keeps growing", from)
	}
	out := []string{}
	for a := (*windows.IpAdapterAddresses)(unsafe.Pointer(&buf[0])); a != nil; a = a.Next {
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
