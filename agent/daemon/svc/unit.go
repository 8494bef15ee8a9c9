package svc

import (
	_ "embed"
	"strings"
	"text/template"
)

// Name is that of the service, its unit, its user and its directories.
const Name = "ssm-doctor"

// hardenedSince is the first systemd release that knows every setting of the
// hardened unit or ignores it safely. Older ones turn an unknown system call
// group into a filter that forbids almost everything.
const hardenedSince = 240

//go:embed ssm-doctor.service.tmpl
var unitTemplate string

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
	var b strings.Builder
	err := template.Must(template.New("unit").Parse(unitTemplate)).Execute(&b, struct {
		Path     string
		Hardened bool
	}{path, release >= hardenedSince})
	if err != nil {
		panic(err) // the template is part of the program and tested
	}
	return b.String()
}
