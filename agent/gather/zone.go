package gather

import (
	"strings"
	"time"
)

// HostZone is the time zone of the examined system; UTC where it has none.
func HostZone(env *Env) (zone *time.Location, name string, err error) {
	if env.GOOS == "windows" {
		return time.Local, "", nil
	}
	const file = "etc/localtime"
	if l, lerr := env.FS.Readlink(file); lerr == nil {
		if _, z, ok := strings.Cut(l, "zoneinfo/"); ok {
			name = OneLine(z, 100)
		}
	}
	b, err := ReadFile(env.FS, file, MaxSmall)
	if err != nil {
		if Missing(err) {
			return time.UTC, "UTC", nil
		}
		return time.UTC, name, err
	}
	if name == "" {
		if s, err := ReadText(env.FS, "etc/timezone"); err == nil {
			name = OneLine(s, 100)
		}
	}
	zone, err = time.LoadLocationFromTZData(name, b)
	if err != nil {
		return time.UTC, name, err
	}
	return zone, name, nil
}
