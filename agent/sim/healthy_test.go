package sim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/sim"
	"ssm-doctor/checks/facts"
	"ssm-doctor/packaging/gen/golden"
)

// healthy are the hosts whose facts checks/factstest hands to the tests of checks.
var healthy = map[string]struct {
	scenario func() sim.Scenario
	windows  *gather.Windows
	state    string
}{
	"profile": {sim.HealthyProfile, nil, "managed"},
	"dhmc":    {sim.HealthyDHMC, nil, "managed"},
	"hybrid":  {sim.HealthyHybrid, nil, "managed"},
	"task":    {task, nil, "managed"},
	"windows": {windowsHybrid, windows(goldenTime.Add(-3 * time.Hour)), "managed"},
	"mac":     {mac, nil, "managed"},
}

// task is an ECS task whose agent connected a moment ago.
func task() sim.Scenario {
	s := bases["task"]()
	s.Log = sim.At(2*time.Minute, "INFO [amazon-ssm-agent] amazon-ssm-agent - v3.3.3050.0", "INFO [ssm-agent-worker] [MessageService] [MGSInteractor] Set up control channel successfully",
		"INFO [ssm-agent-worker] [MessageService] [MGSInteractor] SSM Connection channel status is set to ssmmessages")
	return s
}

func windowsHybrid() sim.Scenario {
	s := sim.HealthyHybrid()
	s.GOOS, s.Agent.Packaging, s.Agent.NoManager = "windows", []string{"binary"}, true
	s.Env = map[string]string{"SystemDrive": "C:", "ProgramData": `C:\ProgramData`, "ProgramW6432": `C:\Program Files`}
	return s
}

// windows is what Windows says of a host with a running agent.
func windows(started time.Time) *gather.Windows {
	const (
		bin     = `C:\Program Files\Amazon\SSM\`
		service = `SYSTEM\CurrentControlSet\Services\AmazonSSMAgent`
	)
	registry := map[string]string{
		service + "|DisplayName": "Amazon SSM Agent",
		service + "|Version":     "3.3.3050.0",
		`SOFTWARE\Microsoft\Windows NT\CurrentVersion|ProductName`:             "Windows Server 2022 Datacenter",
		`SOFTWARE\Microsoft\Windows NT\CurrentVersion|CurrentBuild`:            "20348",
		`HARDWARE\DESCRIPTION\System\BIOS|SystemManufacturer`:                  "Dell Inc.",
		`HARDWARE\DESCRIPTION\System\BIOS|SystemProductName`:                   "PowerEdge R650",
		`SYSTEM\CurrentControlSet\Control\TimeZoneInformation|TimeZoneKeyName`: "UTC",
	}
	return &gather.Windows{
		Service: func(name string) facts.Seen[gather.WindowsService] {
			switch name {
			case "AmazonSSMAgent":
			case "Winmgmt":
				return facts.Known(gather.WindowsService{State: 4, StartType: 2}, "scm:Winmgmt")
			default:
				return facts.Absent[gather.WindowsService]("no such service", "scm:"+name)
			}
			return facts.Known(gather.WindowsService{State: 4, StartType: 2, PID: 810, Path: `"` + bin + `amazon-ssm-agent.exe"`, Account: "LocalSystem"}, "scm:AmazonSSMAgent")
		},
		Strings: func(key, value string) facts.Seen[[]string] {
			if v, ok := registry[key+"|"+value]; ok {
				return facts.Known([]string{v}, `registry:HKLM\`+key)
			}
			return facts.Absent[[]string]("no such value", `registry:HKLM\`+key)
		},
		Texts: func(key string) facts.Seen[[]string] {
			return facts.Known([]string{"{1}=v2.31|Action=Allow|Active=TRUE|Dir=Out|Protocol=6|RPort=443|Name=out|"}, `registry:HKLM\`+key)
		},
		Connections: func([]int, uint16) facts.Seen[[]facts.Socket] {
			return facts.Known([]facts.Socket{{Local: "192.168.40.10:50100", Remote: "52.119.180.21:443", Untold: true}}, "GetExtendedTcpTable")
		},
		Volume: func(path string) (gather.Volume, error) {
			return gather.Volume{Mount: path[:3], Type: "NTFS"}, nil
		},
		Processes: func([]string) facts.Seen[[]facts.Process] {
			return facts.Known([]facts.Process{
				{PID: 810, Exe: bin + "amazon-ssm-agent.exe", Started: started},
				{PID: 811, Exe: bin + "ssm-agent-worker.exe", Started: started.Add(time.Second)},
			}, "toolhelp snapshot")
		},
		Routes: func() facts.Seen[[]gather.WindowsRoute] {
			return facts.Known([]gather.WindowsRoute{{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("192.168.40.1"), Interface: "Ethernet", Metric: 25}}, "GetIpForwardTable2")
		},
		Servers:  func() facts.Seen[[]string] { return facts.Known([]string{"192.168.40.2"}, "adapters") },
		Elevated: func() facts.Seen[bool] { return facts.Known(true, "process token") },
	}
}

// mac is an instance of macOS with an instance profile.
func mac() sim.Scenario {
	s := sim.HealthyProfile()
	s.GOOS, s.Agent.Packaging, s.Agent.NoManager = "darwin", []string{"binary"}, true
	return s
}

// macPrograms answers what the programs of macOS print on a host with a running agent.
func macPrograms(started time.Time) func(context.Context, string, ...string) ([]byte, error) {
	const bin = "/opt/aws/ssm/bin/"
	at := started.UTC().Format(time.ANSIC)
	route := "   route to: x\ndestination: default\n       mask: default\n    gateway: 10.0.0.1\n  interface: en0\n"
	out := map[string]string{
		"launchctl print system/com.amazon.aws.ssm":                  "system/com.amazon.aws.ssm = {\n\tpath = /Library/LaunchDaemons/com.amazon.aws.ssm.plist\n\tstate = running\n\n\tprogram = " + bin + "amazon-ssm-agent\n\truns = 1\n\tpid = 77\n}\n",
		"launchctl print-disabled system":                            "disabled services = {\n\t\t\"com.amazon.aws.ssm\" => enabled\n}\n",
		"scutil --proxy":                                             "<dictionary> {\n  HTTPEnable : 0\n  HTTPSEnable : 0\n}\n",
		"ps -axo pid=,ppid=,uid=,lstart=,comm=":                      "    1     0     0 " + at + " /sbin/launchd\n   77     1     0 " + at + " " + bin + "amazon-ssm-agent\n   78    77     0 " + at + " " + bin + "ssm-agent-worker\n",
		"scutil --dns":                                               "DNS configuration\n\nresolver #1\n  search domain[0] : ec2.internal\n  nameserver[0] : 10.0.0.2\n  if_index : 6 (en0)\n",
		"pfctl -s info":                                              "Status: Disabled for 0 days 00:06:09           Debug: Urgent\n",
		"systemsetup -getusingnetworktime":                           "Network Time: On\n",
		"lsof -nP -a -iTCP:443 -sTCP:ESTABLISHED -Tqs -FnT -p 78,77": "p78\nf12\nn10.0.0.10:49152->52.119.181.21:443\nTST=ESTABLISHED\nTQR=0\nTQS=0\n",
		"pkgutil --pkg-info com.amazon.aws.ssm":                      "package-id: com.amazon.aws.ssm\nversion: 3.3.3050.0\nvolume: /\n",
	}
	return func(_ context.Context, name string, args ...string) ([]byte, error) {
		line := strings.Join(append([]string{name}, args...), " ")
		switch {
		case out[line] != "":
			return []byte(out[line]), nil
		case strings.Contains(line, "-inet6"), strings.Contains(line, "fd00:"):
			return nil, errors.New("route: writing to routing socket: not in table")
		case strings.HasPrefix(line, "route -n get"):
			return []byte(route), nil
		}
		return nil, gather.ErrNoProgram
	}
}

// dataVolume is what macOS says of the volume that holds the agent's folders.
func dataVolume(at string) (gather.Volume, error) {
	if at == "/" {
		return gather.Volume{Mount: "/", Type: "apfs", ReadOnly: true}, nil
	}
	return gather.Volume{Mount: "/System/Volumes/Data", Type: "apfs"}, nil
}

// TestGoldenHealthyFacts writes the facts of healthy hosts. A new fact gets into
// them by `go run ./packaging/gen all`.
func TestGoldenHealthyFacts(t *testing.T) {
	t.Parallel()
	files := map[string][]byte{}
	for _, kind := range slices.Sorted(maps.Keys(healthy)) {
		host := healthy[kind]
		s := host.scenario()
		s.Now = goldenTime
		h, err := sim.Start(s)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(h.Close)
		env := h.Env()
		if host.windows != nil {
			env.Windows = host.windows
		}
		if kind == "mac" {
			env.Exec, env.Volume = macPrograms(goldenTime.Add(-3*time.Hour)), dataVolume
		}
		r, f := engine.Run(t.Context(), env, engine.Options{})
		if r.State != host.state || r.RootCause != nil {
			id, severity := answer(r)
			t.Errorf("%s is not healthy: %s, %s %s: %s", kind, r.State, severity, id, r.Summary)
		}
		if f.IMDS.Token.Value.Status != 0 { // a machine under load asks IPv6 beside it
			f.IMDS.IPv6 = facts.Unknown[facts.Exchange]("not asked: IPv4 answers", "")
		}
		files["healthy-"+kind+".json"] = steady(t, f)
	}
	golden.Dir(t, "../../checks/factstest/testdata", "healthy-*.json", files)
}

// measured is what stands for every duration that was measured.
const measured = 0.001

// steady are facts as JSON in which everything measured has a fixed value: times
// that sources took, and what has a fraction and a name that ends in seconds. The
// clocks of host and service are the same.
func steady(t *testing.T, f *facts.Facts) []byte {
	t.Helper()
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	var fix func(name string, v any) any
	fix = func(name string, v any) any {
		switch x := v.(type) {
		case map[string]any:
			for k := range x {
				if k == "value" && strings.HasSuffix(name, "seconds") { // of an observation
					x[k] = fix(name, x[k])
					continue
				}
				x[k] = fix(k, x[k])
			}
		case []any:
			for i := range x {
				x[i] = fix(name, x[i])
			}
		case json.Number:
			n, err := x.Float64()
			switch fraction := err == nil && n != math.Trunc(n); {
			case name == "clock_skew_seconds":
				return 0
			case name == "duration_seconds", fraction && strings.HasSuffix(name, "seconds"):
				return measured
			}
		}
		return v
	}
	out, err := json.MarshalIndent(fix("", v), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return append(out, '\n')
}
