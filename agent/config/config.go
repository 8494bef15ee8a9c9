// Package config is what the daemon is told: defaults, then the file
// ssm-doctor.yml, then the environment, then flags. One table names every
// setting for all of them.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/pattern"
)

// Config is one validated configuration. It is not changed after Load.
type Config struct {
	ListenAddresses        []string
	WebConfigFile          string // TLS and authentication, as exporter-toolkit reads them; empty: none
	SystemdSocket          bool   // listen on the sockets that systemd passes
	Lifecycle              bool   // POST /-/run and /-/reload
	DisableExporterMetrics bool   // leave out go_*, process_* and promhttp_*
	Report                 string // auto, full, off
	AllowedHosts           []string

	MetricsLean     bool
	MetricsAll      bool
	MetricsDisable  []string
	MetricsFeatures []string
	AgentLatest     string // newest SSM Agent that is published, as the operator knows it

	LogLevel, LogFormat string

	Local       time.Duration // between looks at the host itself
	Network     time.Duration // between runs that use the network
	Permissions time.Duration // between reads of the node's rights
	Budget      time.Duration // longest run
	CallsPerRun int           // requests to AWS in one run
	CallsPerDay int           // in 24 hours

	StateDir     string // history and time of the last permission reads; empty: memory only
	Inventory    bool
	InventoryDir string // empty: the agent's folder of this node
	Textfile     string // empty: none
	Offline      bool
	Region       string
	EndpointURL  string
	Features     []string
	Probes       []string
}

// Names that this package cannot know; the program fills them in before Load.
type Names struct {
	MetricGroups []string // for metrics.disable
	Features     []string
	Probes       []string
}

// setting is one row: a key of the file, a flag, a variable of the environment.
type setting struct {
	key, flag, help string
	value           value
}

// Default is the configuration without file, environment and flags.
func Default() *Config {
	return &Config{
		ListenAddresses: []string{"127.0.0.1:10776"}, Report: "auto", AllowedHosts: nil, LogLevel: "info", LogFormat: "logfmt",
		Local: 30 * time.Second, Network: 5 * time.Minute, Permissions: 24 * time.Hour, Budget: 20 * time.Second, CallsPerRun: 40, CallsPerDay: 200,
		StateDir: defaultStateDir(runtime.GOOS),
	}
}

func defaultStateDir(goos string) string {
	switch goos {
	case "windows":
		return `C:\ProgramData\ssm-doctor\state`
	case "darwin":
		return "/Library/Application Support/ssm-doctor"
	}
	return "/var/lib/ssm-doctor"
}

// DefaultFile is where the configuration lies unless --config.file says otherwise.
func DefaultFile(goos string) string {
	switch goos {
	case "windows":
		return `C:\ProgramData\ssm-doctor\ssm-doctor.yml`
	case "darwin":
		return "/Library/Preferences/ssm-doctor/ssm-doctor.yml"
	}
	return "/etc/ssm-doctor/ssm-doctor.yml"
}

// settings is the table, over the fields of c.
func settings(c *Config, n Names) []setting {
	list := func(p *[]string, check func(string) error) value {
		fresh := true
		return listValue{p, check, &fresh}
	}
	known := func(names []string) func(string) error {
		return func(s string) error {
			if s == "*" {
				return nil
			}
			return oneOf(names...)(s)
		}
	}
	return []setting{
		{"web.listen_addresses", "web.listen-address", "`address` to listen on, HOST:PORT; :10776 is every interface", list(&c.ListenAddresses, checkListen)},
		{"web.config_file", "web.config.file", "`file` with TLS and authentication, in the format of the Prometheus exporter toolkit", textValue{&c.WebConfigFile, nil}},
		{"web.systemd_socket", "web.systemd-socket", "listen on the sockets that systemd passes (Linux)", boolValue{&c.SystemdSocket}},
		{"web.enable_lifecycle", "web.enable-lifecycle", "accept POST /-/run and /-/reload", boolValue{&c.Lifecycle}},
		{"web.disable_exporter_metrics", "web.disable-exporter-metrics", "leave out go_*, process_* and promhttp_*", boolValue{&c.DisableExporterMetrics}},
		{"web.report", "web.report", "`which` pages with the report: auto (not on other than loopback addresses without authentication), full, off", textValue{&c.Report, oneOf("auto", "full", "off")}},
		{"web.allowed_hosts", "web.allowed-hosts", "`names` that clients may use in the Host header besides addresses, localhost and the name of this host; * is any", list(&c.AllowedHosts, checkHost)},
		{"metrics.lean", "metrics.lean", "only state, root cause, findings, last run, credentials' expiry, skew, build and agent", boolValue{&c.MetricsLean}},
		{"metrics.all", "metrics.all", "the families that are off by default too", boolValue{&c.MetricsAll}},
		{"metrics.disable", "metrics.disable", "`groups` of families to leave out", list(&c.MetricsDisable, oneOf(n.MetricGroups...))},
		{"metrics.agent_latest", "metrics.agent-latest", "newest `version` of the SSM Agent that is published, such as 3.3.3050.0; tells ssm_doctor_agent_outdated, since nothing asks for updates", textValue{&c.AgentLatest, checkVersion}},
		{"metrics.features", "metrics.features", "Systems Manager `features` to tell of; * is all (default: the common ones)", list(&c.MetricsFeatures, known(n.Features))},
		{"log.level", "log.level", "least `level`: debug, info, warn, error", textValue{&c.LogLevel, oneOf("debug", "info", "warn", "error")}},
		{"log.format", "log.format", "`format`: logfmt, json", textValue{&c.LogFormat, oneOf("logfmt", "json")}},
		{"schedule.local", "schedule.local", "time between looks at the host itself", durationValue{&c.Local, 5 * time.Second, time.Hour}},
		{"schedule.network", "schedule.network", "time between runs that use the network", durationValue{&c.Network, 30 * time.Second, 24 * time.Hour}},
		{"schedule.permissions", "schedule.permissions", "time between reads of the node's rights", durationValue{&c.Permissions, time.Hour, 7 * 24 * time.Hour}},
		{"schedule.budget", "schedule.budget", "longest duration of a run", durationValue{&c.Budget, time.Second, 2 * time.Minute}},
		{"aws.calls_per_run", "aws.calls-per-run", "greatest `number` of requests to AWS in one run; 0 sends none", intValue{&c.CallsPerRun, 0, 200}},
		{"aws.calls_per_day", "aws.calls-per-day", "greatest `number` of requests to AWS in 24 hours; 0 sends none", intValue{&c.CallsPerDay, 0, 10000}},
		{"state_dir", "state-dir", "`directory` for the history and the time of the last reads; empty keeps them in memory", textValue{&c.StateDir, checkDir}},
		{"inventory.enabled", "inventory", "write a custom inventory item for the SSM Agent after each run; under systemd the service needs a drop-in for it, see daemon.md", boolValue{&c.Inventory}},
		{"inventory.dir", "inventory.dir", "`folder` for it (default: the agent's folder of this node)", textValue{&c.InventoryDir, checkDir}},
		{"textfile", "textfile", "also write metrics to this `file` for node_exporter; under systemd the service needs a drop-in for it, see daemon.md", textValue{&c.Textfile, checkTextfile}},
		{"target.offline", "offline", "send only to link-local addresses", boolValue{&c.Offline}},
		{"target.region", "region", "work against this `Region` (default: detected)", textValue{&c.Region, CheckRegion}},
		{"target.endpoint_url", "endpoint-url", "connect to this `host:port` in place of every AWS endpoint", textValue{&c.EndpointURL, CheckEndpoint}},
		{"target.features", "feature", "also judge these Systems Manager `features`", list(&c.Features, oneOf(n.Features...))},
		{"target.probes", "probe", "also send the harmless reads of these `families`, at most daily", list(&c.Probes, oneOf(n.Probes...))},
	}
}

func checkListen(s string) error {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return fmt.Errorf("%s is not HOST:PORT", quoted(s))
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("%s: no such port", quoted(s))
	}
	return nil
}

var (
	hostName      = pattern.New(`^(\*|[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)$`)
	versionNumber = pattern.New(`^[0-9]+(\.[0-9]+){3}$`)
)

// CheckEndpoint refuses what is not host:port; empty is none.
func CheckEndpoint(s string) error {
	host, port, err := net.SplitHostPort(s)
	if n, e := strconv.Atoi(port); s != "" && (err != nil || host == "" || e != nil || n < 1 || n > 65535) {
		return fmt.Errorf("%s is not host:port", quoted(s))
	}
	return nil
}

// checkTextfile knows what node_exporter reads.
func checkTextfile(s string) error {
	if s != "" && filepath.Ext(s) != ".prom" {
		return fmt.Errorf("%s does not end in .prom", quoted(s))
	}
	return checkDir(s)
}

func checkHost(s string) error {
	if !hostName.MatchString(s) {
		return fmt.Errorf("%s is not a host name", quoted(s))
	}
	return nil
}

// CheckRegion refuses what cannot be the name of a Region; empty is none.
func CheckRegion(s string) error {
	if s != "" && !facts.IsRegion(s) {
		return fmt.Errorf("%s does not look like a Region, such as eu-central-1", quoted(s))
	}
	if meant := meantRegion(s); meant != s {
		return fmt.Errorf("%s does not look like a Region (did you mean %s?)", quoted(s), meant)
	}
	return nil
}

// directions are the words of Regions' names. Source: the Regions of aws-sdk-go-v2,
// internal/endpoints/v2.
var directions = []string{"central", "east", "north", "northeast", "northwest", "south", "southeast", "southwest", "west"}

// meantRegion is the name with its direction spelled right. One that is like none of
// them stays: new Regions are opened.
func meantRegion(s string) string {
	parts := strings.Split(s, "-")
	if len(parts) < 3 {
		return s
	}
	if i := len(parts) - 2; !slices.Contains(directions, parts[i]) {
		parts[i] = cmp.Or(misspelt(parts[i], directions), parts[i])
	}
	return strings.Join(parts, "-")
}

func checkVersion(s string) error {
	if s != "" && !versionNumber.MatchString(s) {
		return fmt.Errorf("%s is not a version of four numbers", quoted(s))
	}
	return nil
}

func checkDir(s string) error {
	if s != "" && !filepath.IsAbs(s) {
		return fmt.Errorf("%s is not an absolute path", quoted(s))
	}
	return nil
}

// Warnings tells of settings that work only with more than a configuration.
func (c *Config) Warnings() []string {
	const why = ": the service that systemd runs may write its state directory only; daemon.md has the drop-in that lets it write more"
	var list []string
	if c.Inventory {
		list = append(list, "inventory.enabled"+why)
	}
	if c.Textfile != "" {
		list = append(list, "textfile"+why)
	}
	return list
}

// validate looks at settings together, and names all that do not fit.
func (c *Config) validate() error {
	var wrong []error
	no := func(bad bool, format string, a ...any) {
		if bad {
			wrong = append(wrong, fmt.Errorf(format, a...))
		}
	}
	no(len(c.ListenAddresses) == 0 && !c.SystemdSocket, "web.listen_addresses: nothing to listen on")
	no(c.MetricsLean && c.MetricsAll, "metrics.lean and metrics.all exclude each other")
	no(c.Local > c.Network, "schedule.local (%s) is longer than schedule.network (%s)", short(c.Local), short(c.Network))
	no(c.Network > c.Permissions, "schedule.network (%s) is longer than schedule.permissions (%s)", short(c.Network), short(c.Permissions))
	return errors.Join(wrong...)
}
