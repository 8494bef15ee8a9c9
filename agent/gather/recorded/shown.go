package recorded

import (
	"bytes"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"path"
	"slices"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/agentsvc"
	"ssm-doctor/agent/gather/hostfile"
	"ssm-doctor/agent/gather/opsys"
	"ssm-doctor/checks/logline"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/pattern"
)

// A recording holds of each file and output what is recognised in it, and nothing else.
// What has no rule here is not kept.

// removed stands for a value that is not kept.
const removed = "removed"

// contentOf is how the content of a file is kept; nil: not at all.
func contentOf(name string, env *gather.Env) func([]byte) []byte {
	d, l := gather.AgentDirs(env), gather.Folders(env)
	base := path.Base(name)
	in := func(dir string) bool { return strings.HasPrefix(name, gather.Clean(dir)+"/") }
	switch {
	case in(d.Log + "/audits"):
		return linesLike(reAudit)
	case in(d.Log):
		return logLines
	case name == gather.Clean(l.DHMC), name == gather.Clean(l.Shared), base == "credentials":
		return iniFile
	case name == d.Config, strings.HasSuffix(name, "/configuration/amazon-ssm-agent.json"), in(l.Vault), in(d.Runtime), name == d.Data+"/registration":
		return jsonFile
	case env.GOOS == "windows" && in(path.Dir(d.SSM)) && (base == "agent.log" || base == "Ec2Launch.log"):
		return func(b []byte) []byte { return each(b, opsys.KeptLaunchLine) }
	case env.GOOS == "windows" && base == "agent-config.yml":
		return linesLike(reTask)
	case env.GOOS == "windows" && strings.HasPrefix(name, "Windows/System32/Tasks/"):
		return taskSettings
	case base == "update.lock":
		return linesLike(reNumber)
	case strings.HasSuffix(name, ".plist"):
		return plist
	case name == gather.Clean(l.Hosts):
		return hosts
	case name == "etc/resolv.conf", base == "no-stub-resolv.conf", name == "run/systemd/resolve/resolv.conf":
		return linesLike(reResolv)
	case name == "etc/os-release", name == "usr/lib/os-release":
		return linesLike(reRelease)
	case name == "etc/localtime":
		return zone
	case name == "etc/environment", name == "etc/profile", name == "etc/zshenv", name == "etc/zprofile", in("etc/profile.d"):
		return assignments
	case strings.HasPrefix(name, "proc/") && base == "environ":
		return environ
	case strings.HasPrefix(name, "proc/") && base == "mountinfo":
		return mountinfo
	case name == "var/lib/dpkg/status":
		return stanza
	case strings.HasPrefix(name, "sys/class/dmi/id/") && strings.HasSuffix(name, "_asset_tag"):
		return func(b []byte) []byte { return each(b, tag) }
	case strings.HasPrefix(name, "sys/class/dmi/id/") && !strings.Contains(name, "uuid") && !strings.Contains(name, "serial"):
		return linesLike(rePlain)
	case reProc.MatchString(name):
		return func(b []byte) []byte { return b }
	}
	return nil
}

var (
	reAudit   = pattern.New(`^(SchemaVersion=\d+|agent_telemetry [a-z-]+\.[a-z]+ [\d.]+ [\d:]+)$`)
	reNumber  = pattern.New(`^\d{1,10}$`)
	reResolv  = pattern.New(`^(nameserver|search|domain|options)( [a-z0-9.:-]+)+$`)
	reRelease = pattern.New(`^(ID|ID_LIKE|VERSION_ID)="?[a-z0-9._ -]+"?$|^PRETTY_NAME="?[A-Za-z]+[A-Za-z /]*[0-9.]*[A-Za-z ()0-9./]*"?$`)
	// Numbers and words of the kernel.
	reProc = pattern.New(`^proc/(stat|meminfo|loadavg|net/(route|ipv6_route|tcp6?)|sys/fs/[a-z/_-]+|\d+/(stat|status|comm|limits|cgroup)|self/(status|cgroup))$`)
)

var reTask = pattern.New(`^[ \t]*(- )?"?task"?: "?[A-Za-z]{1,30}"?$`)

// taskSettings keeps whether a scheduled task is switched on.
func taskSettings(b []byte) []byte {
	on := "true"
	switch {
	case !opsys.IsTask(b):
		return nil
	case !opsys.TaskEnabled(b):
		on = "false"
	}
	return []byte("<Settings><Enabled>" + on + "</Enabled></Settings>\n")
}

// firmware is what is kept of the firmware: what tells the clouds apart, and no serial
// number or tag that its owner wrote.
func firmware(f gather.Firmware) gather.Firmware {
	f.AssetTag = tag(f.AssetTag)
	f.Chassis = tag(f.Chassis)
	if !rePlain.MatchString(f.Product) {
		f.Product = ""
	}
	if f.UUID != "" {
		f.UUID = uuid(f.UUID)
	}
	return f
}

var reInstance = pattern.New(`^i-([0-9a-f]{8}|[0-9a-f]{17})$`)

// tag keeps an asset tag that is an instance id or names a cloud.
func tag(s string) string {
	if s == "Amazon EC2" || reInstance.MatchString(s) || node.MarksCloud(s) {
		return s
	}
	return ""
}

// uuid keeps of a UUID whether it is EC2's.
func uuid(s string) string {
	if opsys.EC2UUID(s) {
		return "ec200000" + noUUID
	}
	return "00000000" + noUUID
}

const noUUID = "-0000-0000-0000-000000000000"

// each edits line by line; an empty answer leaves a line out.
func each(b []byte, edit func(string) string) []byte {
	out := []byte{}
	for l := range bytes.Lines(b) {
		if s := edit(strings.TrimRight(string(l), "\r\n")); s != "" {
			out = append(append(out, s...), '\n')
		}
	}
	return out
}

func linesLike(re *pattern.Pattern) func([]byte) []byte {
	return func(b []byte) []byte {
		return each(b, func(s string) string {
			if re.MatchString(s) {
				return s
			}
			return ""
		})
	}
}

// reTime is the time that begins an entry of the agent's log.
var reTime = pattern.New(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)? `)

func logLines(b []byte) []byte {
	return each(b, func(s string) string {
		at := reTime.FindString(s)
		return at + logline.Shown(s[len(at):])
	})
}

// iniFile keeps the names of sections and keys, and of an access key what kind it is.
func iniFile(b []byte) []byte {
	return each(b, func(s string) string {
		s = strings.TrimSpace(s)
		if strings.HasPrefix(s, "[") {
			if logline.Shown(strings.Trim(s, "[]")) == strings.Trim(s, "[]") {
				return s
			}
			return "[other]"
		}
		k, v, ok := strings.Cut(s, "=")
		k, v = strings.TrimSpace(k), strings.TrimSpace(v)
		switch {
		case !ok || v == "":
		case k == "aws_access_key_id":
			kind := "AKIA"
			if strings.HasPrefix(v, "ASIA") {
				kind = "ASIA"
			}
			if len(v) < 16 {
				return k + " = " + kind
			}
			return k + " = " + kind + "EXAMPLEEXAMPLE"
		case k == "aws_secret_access_key" || k == "aws_session_token":
			return k + " = " + removed
		}
		return ""
	})
}

// jsonFile keeps the keys, and the values that are recognised. Of a private key it keeps
// whether it is one, of a hash whether it is that of another recording.
func jsonFile(b []byte) []byte {
	var v any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if json.Valid(b) && d.Decode(&v) == nil {
		out, err := json.Marshal(jsonValue("", v))
		if err != nil {
			return nil
		}
		return out
	}
	if len(bytes.TrimSpace(b)) == 0 {
		return b
	}
	line := 0 // where it is broken
	if err := json.Unmarshal(b, &v); err != nil {
		if se, ok := err.(*json.SyntaxError); ok { //nolint:errorlint // json returns it as it is
			line = bytes.Count(b[:min(max(se.Offset, 0), int64(len(b)))], []byte("\n"))
		}
	}
	return []byte(strings.Repeat("\n", line) + "{]")
}

var (
	reKey   = pattern.New(`^[A-Za-z][A-Za-z0-9_-]{0,60}$`)
	reWords = pattern.New(`^(m?i-[0-9a-f]{8,17}|[0-9][0-9 .:TZ+-]*( UTC)?|EC2|OnPrem|ECS|CustomIdentity|SSM|Rsa|default|true|false|)$`)
	// A path of the agent's own.
	rePath = pattern.New(`^([A-Z]:)?[/\\][A-Za-z ./\\-]*(ssm|SSM|\.aws)[A-Za-z0-9 ./\\-]*$`)
)

func jsonValue(name string, v any) any {
	switch x := v.(type) {
	case map[string]any:
		for k, e := range x {
			if delete(x, k); reKey.MatchString(k) {
				x[k] = jsonValue(k, e)
			}
		}
	case []any:
		for i := range x {
			x[i] = jsonValue(name, x[i])
		}
	case string:
		return jsonText(name, x)
	}
	return v
}

func jsonText(name, s string) string {
	low := strings.ToLower(name)
	switch {
	case low == "privatekey":
		if s == "" {
			return ""
		}
		if der, err := base64.StdEncoding.DecodeString(s); err == nil && len(der) > 500 {
			return standIn
		}
		return removed
	case strings.HasSuffix(low, "region"):
		if s == "" || gather.ShownRegion(s) == s {
			return s
		}
		return removed
	case strings.HasSuffix(low, "endpoint"), low == "servicedomain":
		return gather.ShownHost(s)
	case reWords.MatchString(s), rePath.MatchString(s) && !strings.Contains(s, "//"):
		return s
	}
	return removed
}

// standIn is written for a private key, and read as what standInKey makes.
const standIn = "a private key was here"

// standInKey has the form of a private key, and is none.
func standInKey() string {
	one := big.NewInt(1)
	p, q := new(big.Int).Lsh(one, 600), new(big.Int).Lsh(one, 500)
	p.Add(p, one)
	q.Add(q, one)
	der, err := asn1.Marshal(struct {
		V          int
		N          *big.Int
		E          int
		D, P, Q    *big.Int
		DP, DQ, QI *big.Int
	}{0, new(big.Int).Mul(p, q), 65537, one, p, q, one, one, one})
	if err != nil {
		return removed
	}
	return base64.StdEncoding.EncodeToString(der)
}

// plistKeys are those that are read, besides variables.
var plistKeys = []string{"Label", "Program", "UserName", "Disabled", "ProductName", "ProductVersion"}

var rePlain = pattern.New(`^[A-Za-z0-9 ./_-]{0,200}$`)

func plist(b []byte) []byte {
	all := hostfile.ParsePlist(b)
	var top, vars strings.Builder
	line := func(to *strings.Builder, k, v string) {
		fmt.Fprintf(to, "<key>%s</key><string>%s</string>\n", k, v)
	}
	for _, k := range slices.Sorted(maps.Keys(all)) {
		v := all[k]
		if n, ok := strings.CutPrefix(k, "EnvironmentVariables."); ok && reKey.MatchString(n) {
			if v = variable(n, v); v != "" {
				line(&vars, n, strings.NewReplacer("&", "&amp;", "<", "&lt;").Replace(v))
			}
			continue
		}
		switch {
		case !slices.Contains(plistKeys, k):
		case k == "Disabled" && v == "true":
			top.WriteString("<key>Disabled</key><true/>\n")
		case k != "Disabled" && rePlain.MatchString(v):
			line(&top, k, v)
		}
	}
	return []byte("<plist version=\"1.0\"><dict>\n" + top.String() + "<key>EnvironmentVariables</key><dict>\n" + vars.String() + "</dict>\n</dict></plist>\n")
}

// hosts keeps the names of AWS and of the loopback address.
func hosts(b []byte) []byte {
	return each(b, func(s string) string {
		s, _, _ = strings.Cut(s, "#")
		f := strings.Fields(s)
		if len(f) < 2 || !reAddress.MatchString(f[0]) {
			return ""
		}
		names := slices.DeleteFunc(f[1:], func(n string) bool {
			return n != "localhost" && !strings.HasSuffix(n, ".amazonaws.com") && !strings.HasSuffix(n, ".amazonaws.com.cn") && !strings.HasSuffix(n, ".api.aws")
		})
		if len(names) == 0 {
			return ""
		}
		return f[0] + " " + strings.Join(names, " ")
	})
}

var reAddress = pattern.New(`^[0-9a-f.:]+$`)

func zone(b []byte) []byte {
	if len(b) > 64<<10 || !bytes.HasPrefix(b, []byte("TZif")) {
		return nil
	}
	return b
}

// assignments keeps variables of proxies.
func assignments(b []byte) []byte {
	out := []byte{}
	for _, kv := range hostfile.ShellAssignments(b) {
		if v := variable(kv[0], kv[1]); v != "" {
			out = append(out, kv[0]+"="+v+"\n"...)
		}
	}
	return out
}

func environ(b []byte) []byte {
	vars := hostfile.ParseEnviron(b)
	out := []byte{}
	for _, k := range slices.Sorted(maps.Keys(vars)) {
		if v := variable(k, vars[k]); v != "" {
			out = append(out, k+"="+v+"\x00"...)
		}
	}
	return out
}

// mountinfo drops what is mounted, and the options of the file system itself.
func mountinfo(b []byte) []byte {
	return each(b, func(s string) string {
		left, right, ok := strings.Cut(s, " - ")
		f := strings.Fields(right)
		if !ok || len(f) < 3 {
			return ""
		}
		opts, _, _ := strings.Cut(f[2], ",")
		return left + " - " + f[0] + " none " + opts
	})
}

// stanza keeps what dpkg says of the agent.
func stanza(b []byte) []byte {
	ours := false
	return each(b, func(s string) string {
		if p, ok := strings.CutPrefix(s, "Package: "); ok {
			ours = p == "amazon-ssm-agent"
		}
		switch {
		case s == "" && ours:
			ours = false
			return "\n"
		case ours && reStanza.MatchString(s):
			return s
		}
		return ""
	})
}

var reStanza = pattern.New(`^(Package|Status|Version|Architecture): [a-z0-9 .:~+-]+$`)

// variable is what is kept of a variable of an environment; empty: nothing.
func variable(name, v string) string {
	low := strings.ToLower(name)
	switch {
	case v == "":
		return ""
	case low == "no_proxy":
		return gather.ProxyVars{No: v}.Fact("").No
	case low == "https_proxy" || low == "http_proxy":
		shown, _ := gather.RedactProxy(v)
		return shown
	case strings.HasPrefix(name, "AWS_EC2_METADATA_") || name == "ECS_CONTAINER_METADATA_URI_V4":
		if v == "true" || v == "false" {
			return v
		}
		shown, _ := gather.ShownURL(v, "URL")
		return shown
	case name == "AWS_REGION" || name == "AWS_DEFAULT_REGION":
		return gather.ShownRegion(v)
	case name == "INVOCATION_ID":
		return "1"
	case slices.Contains([]string{"SystemDrive", "ProgramData", "ProgramW6432", "container"}, name) && rePlain.MatchString(strings.NewReplacer(`\`, "/", ":", "").Replace(v)):
		return v
	}
	return ""
}

// outputs are the lines that are kept of what programs print.
var outputs = map[string]*pattern.Pattern{
	"pkgutil":     pattern.New(`^(package-id|version|volume|location|install-time): [A-Za-z0-9./-]*$`),
	"route":       pattern.New(`^ *(route to|destination|mask|gateway|interface|flags|local addr|if address): *[A-Za-z0-9.:%<>,_ ()#-]*$`),
	"ps":          pattern.New(`^ *\d+ +\d+ +\d+ [A-Za-z]{3} [A-Za-z]{3} [ \d]\d [\d:]{8} \d{4} [A-Za-z/. -]*(amazon-ssm-agent|ssm-agent-worker)$`),
	"lsof":        pattern.New(`^([pf]\d+|n[0-9a-f.:\[\]*]+->[0-9a-f.:\[\]]+|T(QR|QS)=\d+|TST=[A-Z]+)$`),
	"systemsetup": pattern.New(`^(Network Time: (On|Off)|You need administrator access.*)$`),
	"rpm":         pattern.New(`^(amazon-ssm-agent [0-9.]+|gpg-pubkey [0-9a-f]+|package [a-z-]+ is not installed)$`),
	"scutil":      pattern.New(`^ *(DNS configuration[a-z ()]*|resolver #\d+|(search domain|nameserver)\[\d+\] +: [a-z0-9.:%-]+|domain +: [a-z0-9.-]+|options +: mdns|if_index +: \d+ \([a-z0-9]+\)|order +: \d+)$`),
	"systemctl":   pattern.New(`^(Id|LoadState|ActiveState|SubState|UnitFileState|Result|ExecMainStatus|ExecMainCode|NRestarts|MainPID|User|RestartPreventExitStatus|Restart|WantedBy|MemoryMax|OOMPolicy|FragmentPath|[A-Za-z]+Timestamp)=[A-Za-z0-9 ./:@_-]*$`),
	"launchctl":   pattern.New(`^(system/com\.amazon\.aws\.ssm = \{|\t(path|state|program|username|pid|runs|last exit code|last spawn error|last terminating signal) = [A-Za-z0-9 ./:()_-]+|\}|disabled services = \{|\t\t?"com\.amazon\.aws\.ssm" => [a-z]+|Could not find service.*)$`),
}

// output is what is kept of what a program printed; false: nothing.
func output(args []string, text string) (string, bool) {
	line := strings.Join(args, " ")
	switch re := outputs[args[0]]; {
	case line == "scutil --proxy":
		return scutilProxy(text), true
	case args[0] == "pfctl":
		return string(each([]byte(text), packetFilter)), true
	case args[0] == "systemctl":
		return string(each([]byte(text), func(s string) string {
			if v, ok := strings.CutPrefix(s, "ExecStart="); ok {
				return "ExecStart=" + reExecPath.FindString(v)
			}
			if s == "" {
				return " " // between units
			}
			if re.MatchString(s) {
				return s
			}
			return ""
		})), true
	case re != nil:
		return string(linesLike(re)([]byte(text))), true
	case len(args) == 2 && args[1] == "-version":
		return reVersion.FindString(text), true
	}
	return "", false
}

var (
	reExecPath = pattern.New(`\{ path=[A-Za-z0-9/._-]+`)
	reVersion  = pattern.New(`SSM Agent version: [0-9.]+`)
)

// scutilProxy prints again what the agent takes of the proxies of macOS.
func scutilProxy(text string) string {
	p := agentsvc.ParseScutil([]byte(text)).Fact("")
	var b strings.Builder
	b.WriteString("<dictionary> {\n")
	if p.No != "" {
		b.WriteString("  ExceptionsList : <array> {\n")
		for i, e := range strings.Split(p.No, ",") {
			fmt.Fprintf(&b, "    %d : %s\n", i, e)
		}
		b.WriteString("  }\n")
	}
	for kind, url := range map[string]string{"HTTP": p.HTTP, "HTTPS": p.HTTPS} {
		host, port, _ := strings.Cut(strings.TrimPrefix(url, "http://"), ":")
		if host == "" {
			fmt.Fprintf(&b, "  %sEnable : 0\n", kind)
			continue
		}
		fmt.Fprintf(&b, "  %[1]sEnable : 1\n  %[1]sPort : %[2]s\n  %[1]sProxy : %[3]s\n", kind, port, host)
	}
	return b.String() + "}\n"
}

var (
	rePFStatus = pattern.New(`^Status: (Enabled|Disabled)`)
	// Addresses, numbers, devices and signs.
	rePFWord = pattern.New(`^(!?[0-9a-f]*[.:][0-9a-f.:/]*|\d{1,5}(:\d{1,5})?|(en|lo|utun|bridge|awdl|llw|ap|gif|stf|anpi)\d{1,3}|[{}!=<>,]+|S/SA|S/SAFR)$`)
)

// pfKnown are the words of a rule that are no values.
var pfKnown = strings.Fields("block pass anchor in out drop return return-rst return-icmp return-icmp6 quick log on inet inet6 proto tcp udp icmp icmp6 from to any all port user root flags keep modulate no state http https domain ssh com.apple/*")

// packetFilter keeps the state of the filter, and of a rule the words that are known.
// Another one leaves a gap, which makes the rule one that may match.
func packetFilter(s string) string {
	if m := rePFStatus.FindString(s); m != "" {
		return m
	}
	s, _, _ = strings.Cut(s, ` label "`)
	f := strings.Fields(s)
	if len(f) == 0 || !slices.Contains([]string{"block", "pass", "anchor", "}"}, f[0]) {
		return ""
	}
	for i, w := range f {
		if !slices.Contains(pfKnown, strings.Trim(w, `"`)) && !rePFWord.MatchString(w) {
			f[i] = logline.Gap
		}
	}
	return strings.Join(f, " ")
}

// shownError is what is kept of an error.
func shownError(s string) string {
	if sentinels[s] != nil || s == "" {
		return s
	}
	if m := reFailed.FindString(s); m != "" {
		return m
	}
	return logline.Shown(s)
}

// reFailed is how programs end that are asked, as far as it says something.
var reFailed = pattern.New(`^run [a-z-]+: exit status \d+(: (route: writing to routing socket: not in table|Could not find service|No receipt for|pfctl: /dev/pf: Permission denied))?`)

// Values of the registry that are not those of Windows or of the agent's installer.
var userValues = []string{"ProxyServer", "ProxyOverride", "AutoConfigURL", "WinHttpSettings", "DefaultConnectionSettings", "ImagePath"}

// registryValues is what is kept of a value of the registry.
func registryValues(k, name string, values []string) []string {
	switch {
	case values == nil:
		return nil
	case strings.HasSuffix(k, "Environment"):
		return []string{variable(name, strings.Join(values, ""))}
	case name == "Environment":
		return registryTexts("Environment", values)
	case name == "ProxyOverride":
		return []string{gather.ProxyVars{No: strings.ReplaceAll(strings.Join(values, ""), ";", ",")}.Fact("").No}
	case name == "ProxyServer" && len(values) == 1:
		shown, _ := gather.RedactProxy(values[0])
		return []string{shown}
	case slices.Contains(userValues, name):
		return []string{}
	}
	out := []string{}
	for _, v := range values {
		if rePlain.MatchString(strings.NewReplacer(`\`, "/", ":", "", "(", "", ")", "", "%", "").Replace(v)) {
			out = append(out, v)
		}
	}
	return out
}

// registryTexts is what is kept of the texts of a key, or of a list of variables.
func registryTexts(k string, texts []string) []string {
	if texts == nil {
		return nil
	}
	out := []string{}
	for _, t := range texts {
		n, v, ok := strings.Cut(t, "=")
		switch {
		case !ok:
		case strings.HasSuffix(k, "Environment"):
			if v = variable(n, v); v != "" {
				out = append(out, n+"="+v)
			}
		case strings.HasSuffix(k, "FirewallRules"):
			fields := slices.DeleteFunc(strings.Split(v, "|"), func(f string) bool {
				return strings.HasPrefix(f, "Name=") || strings.HasPrefix(f, "Desc=") || strings.HasPrefix(f, "EmbedCtxt=")
			})
			if v = strings.Join(fields, "|"); reRule.MatchString(v) {
				out = append(out, fmt.Sprintf("{%d}=%s", len(out), v))
			}
		}
	}
	return out
}

var reRule = pattern.New(`^[A-Za-z0-9 .:/\\,=|%(){}*_-]*$`)

// commandLine keeps the program.
func commandLine(s string) string {
	if m := reWindowsProgram.FindString(s); m != "" {
		return m
	}
	return ""
}

var reWindowsProgram = pattern.New(`(?i)^"?[a-z]:\\[a-z0-9 ().\\_-]+\.exe"?`)
