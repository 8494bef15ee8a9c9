package svc

import (
	_ "embed"
	"strings"
)

// Name is that of the service, its unit, its user and its directories.
const Name = "ssm-doctor"

// hardenedSince is the first systemd release that knows every setting of the
// hardened unit or ignores it safely. Older ones turn an unknown system call
// group into a filter that forbids almost everything.
const hardenedSince = 240

// The units, with @PATH@ for the program.
//
//go:embed ssm-doctor.service
var hardenedUnit string

//go:embed ssm-doctor-before-240.service
var oldUnit string

//go:embed ptrace.conf
var ptraceDropIn string

// PtraceDropIn is the drop-in that adds CAP_SYS_PTRACE to the hardened unit.
func PtraceDropIn() string { return ptraceDropIn }

// Sysusers is the sysusers.d(5) line of the service's user.
func Sysusers() string {
	return `u ssm-doctor - "SSM doctor" /var/lib/ssm-doctor` + "\n"
}

// Unit renders the unit that starts path (absolute, without spaces, '%', '$' or
// quotes) under a systemd of the given release. Packages hold exactly this.
func Unit(path string, release int) string {
	unit := hardenedUnit
	if release < hardenedSince {
		unit = oldUnit
	}
	return strings.ReplaceAll(unit, "@PATH@", path)
}
