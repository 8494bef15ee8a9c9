package gather

import (
	"errors"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"

	"ssm-doctor/checks/facts"
)

func hostKernel() Kernel {
	return Kernel{
		Hostname:   ownName(),
		Interfaces: hostInterfaces(),
		Links:      plainLinks(),
		Rules:      NotAskable[[]facts.RoutingRule](ErrUnsupported.Error(), ""),
		Synced:     NotAskable[bool](ErrUnsupported.Error(), ""),
		WindowsRoutes: func() facts.Seen[[]string] {
			const key = `SYSTEM\CurrentControlSet\Services\Tcpip\Parameters\PersistentRoutes`
			from := `registry:HKLM\` + key
			k, err := registry.OpenKey(registry.LOCAL_MACHINE, key, registry.QUERY_VALUE)
			if errors.Is(err, registry.ErrNotExist) {
				return facts.Known([]string{}, from)
			} else if err != nil {
				return Unknown[[]string](err, from)
			}
			defer k.Close()
			names, err := k.ReadValueNames(-1)
			if err != nil {
				return Unknown[[]string](err, from)
			}
			return facts.Known(names, from)
		}(),
		Boot: time.Now().Add(-windows.DurationSinceBoot()).Truncate(time.Second),
		ImageState: func() facts.Seen[string] {
			const key = `SOFTWARE\Microsoft\Windows\CurrentVersion\Setup\State`
			from := `registry:HKLM\` + key
			k, err := registry.OpenKey(registry.LOCAL_MACHINE, key, registry.QUERY_VALUE)
			if err != nil {
				return Unknown[string](err, from)
			}
			defer k.Close()
			s, _, err := k.GetStringValue("ImageState")
			if err != nil {
				return Unknown[string](err, from)
			}
			return facts.Known(OneLine(s, 100), from)
		}(),
	}
}

func hostStatFS(path string) (facts.Usage, error) {
	p, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return facts.Usage{}, err
	}
	var avail, total, free uint64
	if err := windows.GetDiskFreeSpaceEx(p, &avail, &total, &free); err != nil {
		return facts.Usage{}, err
	}
	return facts.Usage{TotalBytes: total, FreeBytes: avail}, nil
}
