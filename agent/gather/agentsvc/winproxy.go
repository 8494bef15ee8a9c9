package agentsvc

import (
	"encoding/binary"
	"errors"
	"net/url"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/hostfile"
	"ssm-doctor/checks/facts"
)

// Where Windows keeps what the agent takes its environment and its proxy from.
const (
	machineKey   = `SYSTEM\CurrentControlSet\Control\Session Manager\Environment`
	systemKey    = `.DEFAULT\Environment`
	internet     = `Software\Microsoft\Windows\CurrentVersion\Internet Settings`
	internetRule = `SOFTWARE\Policies\Microsoft\Windows\CurrentVersion\Internet Settings`
	winHTTPKey   = `SOFTWARE\Microsoft\Windows\CurrentVersion\Internet Settings\Connections`
)

// wanted are the variables of a service that something here asks for.
var wanted = []string{
	"https_proxy", "http_proxy", "no_proxy", "AWS_EC2_METADATA_DISABLED", "AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_SHARED_CREDENTIALS_FILE",
	"AWS_REGION", "AWS_DEFAULT_REGION",
}

// windowsEnvironment is the environment that matters to the service, with the proxy
// that the agent settles at its start. Names of variables have no case on Windows.
// Source: amazon-ssm-agent, agent/proxyconfig/proxy_windows.go, and for the order of
// environments agent/cli/diagnosticsutil/diagnosticsutil_windows.go.
func windowsEnvironment(env *gather.Env) Environment {
	w := env.Windows
	own := w.Strings(ServiceKey, "Environment")
	e := Environment{Vars: map[string]string{}, From: gather.RegistryURL(ServiceKey), By: map[string]Origin{}}
	if own.Unknown() {
		e.Err = unknownError(own.Reason())
		return e
	}
	for _, kv := range own.Value {
		if k, v, ok := strings.Cut(kv, "="); ok && k != "" && len(e.Vars) < hostfile.MaxVars {
			e.give(k, v, Origin{By: facts.ByService, From: gather.RegistryURL(ServiceKey)}, true)
		}
	}
	for _, more := range []struct {
		key string
		by  facts.Setter
	}{{machineKey, facts.ByMachine}, {systemKey, facts.BySystemAccount}} {
		for _, name := range wanted {
			s := w.Strings(more.key, name)
			if s.Unknown() {
				e.hides(unknownError(s.Reason()), name)
			}
			if s.Known() && len(s.Value) > 0 && s.Value[0] != "" {
				e.give(name, s.Value[0], Origin{By: more.by, From: gather.RegistryURL(more.key)}, false)
			}
		}
	}
	https, http, exceptions := e.has("https_proxy"), e.has("http_proxy"), e.has("no_proxy")
	if (https || http) && exceptions { // nothing of the others counts then
		return e.settled()
	}
	system, err := systemProxy(w)
	if err != nil {
		if !https && !http {
			e.hides(err, "https_proxy", "http_proxy")
		}
		e.hides(err, "no_proxy")
		return e.settled()
	}
	if !https && !http {
		p := agentProxy(system.server)
		for name, v := range map[string]string{"https_proxy": p.HTTPS, "http_proxy": p.HTTP} {
			if v != "" {
				e.give(name, v, system.Origin, false)
			}
		}
	}
	if list := agentBypass(system.bypass); len(list) > 0 {
		e.give("no_proxy", strings.Join(list, ","), system.Origin, false)
	}
	return e.settled()
}

// settled names where the proxy is from.
func (e Environment) settled() Environment {
	for _, name := range []string{"https_proxy", "http_proxy"} {
		if by, ok := e.By[name]; ok {
			e.From = by.From
			break
		}
	}
	return e
}

// has reports whether a variable is set, or may be in a place that was not read.
func (e *Environment) has(name string) bool {
	_, set := e.Vars[name]
	return set || e.Unread[name] != nil
}

// hides keeps why variables that are not set so far could not be read.
func (e *Environment) hides(err error, names ...string) {
	for _, name := range names {
		if e.has(name) {
			continue
		}
		if e.Unread == nil {
			e.Unread = map[string]error{}
		}
		e.Unread[name] = err
	}
}

// unread is why one of some variables could not be read.
func (e *Environment) unread(names ...string) error {
	for _, name := range names {
		if err := e.Unread[name]; err != nil {
			return err
		}
	}
	return nil
}

// give sets a variable; over: also where it is set.
func (e *Environment) give(name, value string, by Origin, over bool) {
	for _, n := range wanted {
		if strings.EqualFold(n, name) {
			name = n
		}
	}
	if e.has(name) && !over {
		return
	}
	e.Vars[name], e.By[name] = value, by
}

type unknownError string

func (e unknownError) Error() string { return string(e) }

// windowsProxy is a proxy as Windows keeps it.
type windowsProxy struct {
	server, bypass string
	Origin
}

// systemProxy is what Windows has for the account of the service: the internet options
// of the system account, else WinHTTP.
func systemProxy(w *gather.Windows) (windowsProxy, error) {
	r := &reader{w: w}
	hive, at := `.DEFAULT\`, Origin{By: facts.ByInternetOptions}
	if r.first(internetRule, "ProxySettingsPerUser") == "0" { // a group policy: one for all users
		hive = ""
	}
	if p, ok := internetOptions(r, hive+internet); ok || r.err != nil {
		at.From = gather.RegistryURL(hive + internet)
		p.Origin = at
		return p, r.err
	}
	server, bypass := parseConnection([]byte(r.first(winHTTPKey, "WinHttpSettings")))
	return windowsProxy{server, bypass, Origin{By: facts.ByWinHTTP, From: gather.RegistryURL(winHTTPKey) + `\WinHttpSettings`}}, r.err
}

// internetOptions are those of an account; false: it has no proxy there. The texts
// win over the bytes in which the same is kept.
func internetOptions(r *reader, key string) (windowsProxy, bool) {
	var p windowsProxy
	switch r.first(key, "ProxyEnable") {
	case "1":
		p.server, p.bypass = r.first(key, "ProxyServer"), r.first(key, "ProxyOverride")
	case "":
		p.server, p.bypass = parseConnection([]byte(r.first(key+`\Connections`, "DefaultConnectionSettings")))
	}
	return p, p.server != ""
}

// reader reads values of the registry, and keeps why one could not be read.
type reader struct {
	w   *gather.Windows
	err error
}

func (r *reader) first(key, value string) string {
	s := r.w.Strings(key, value)
	switch {
	case s.Unknown() && r.err == nil:
		r.err = unknownError(s.Reason())
	case s.Known() && len(s.Value) > 0:
		return s.Value[0]
	}
	return ""
}

// agentProxy reads a server text as the agent does: one without a scheme counts for
// plain HTTP, and for https only beside one for http. Go's clients then never use it
// for https.
func agentProxy(server string) gather.ProxyVars {
	var p gather.ProxyVars
	other := ""
	for part := range parts(server) {
		scheme, v, ok := strings.Cut(part, "=")
		switch {
		case !ok:
			other = proxyURL(part)
		case scheme == "https":
			p.HTTPS = proxyURL(v)
		case scheme == "http":
			p.HTTP = proxyURL(v)
		}
	}
	switch {
	case p.HTTP == "":
		p.HTTP = other
	case p.HTTPS == "":
		p.HTTPS = other
	}
	return p
}

// userProxy is a server text as the programs of a user read it: one without a scheme is
// for all.
func userProxy(p windowsProxy) gather.ProxyVars {
	out := agentProxy(p.server)
	for part := range parts(p.server) {
		if !strings.Contains(part, "=") && out.HTTPS == "" {
			out.HTTPS = proxyURL(part)
		}
	}
	out.No = strings.Join(agentBypass(p.bypass), ",")
	return out
}

// maxBypass bounds the exceptions of a proxy.
const maxBypass = 500

// agentBypass reads a list of exceptions as the agent does.
func agentBypass(bypass string) []string {
	var out []string
	for part := range parts(bypass) {
		u, err := hostOf(part)
		if err == nil && len(out) < maxBypass {
			out = append(out, u.Host)
		}
	}
	return out
}

// parts splits at blanks and semicolons.
func parts(s string) func(func(string) bool) {
	return strings.FieldsFuncSeq(s, func(r rune) bool { return r == ';' || r == ' ' || r == '\t' || r == '\r' || r == '\n' })
}

var errSkipped = errors.New("no host")

// hostOf reads an address with or without scheme.
func hostOf(s string) (*url.URL, error) {
	if s == "<-loopback>" || s == "<local>" {
		return nil, errSkipped
	}
	if strings.HasPrefix(s, "//") {
		s = "http:" + s
	}
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	return url.Parse(s)
}

// proxyURL is hostOf as a text; empty for what is no address.
func proxyURL(s string) string {
	u, err := hostOf(s)
	if err != nil {
		return ""
	}
	return u.String()
}

// parseConnection reads WinHttpSettings or DefaultConnectionSettings: three numbers, of
// which the third has bit 1 set when a proxy is named, then two texts with their length.
func parseConnection(b []byte) (server, bypass string) {
	if len(b) < 16 || binary.LittleEndian.Uint32(b[8:])&2 == 0 {
		return "", ""
	}
	b = b[12:]
	text := func() string {
		if len(b) < 4 {
			return ""
		}
		n := int64(binary.LittleEndian.Uint32(b))
		b = b[4:]
		if n > int64(len(b)) || n > 4096 {
			b = nil
			return ""
		}
		s := string(b[:n])
		b = b[n:]
		return s
	}
	server = text()
	return server, text()
}
