package gather

import (
	"time"
)

// HostZone is the time zone of the examined system; UTC where it has none.
func HostZone(env *Env) (*time.Location, error) {
	if env.GOOS == "windows" {
		return time.Local, nil
	}
	b, err := ReadFile(env.FS, "etc/localtime", MaxSmall)
	if Missing(err) {
		return time.UTC, nil
	}
	if err != nil {
		return time.UTC, err
	}
	zone, err := time.LoadLocationFromTZData("", b)
	if err != nil {
		return time.UTC, err
	}
	return zone, nil
}
