package firewall

import (
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

// Where Windows keeps its firewall: the rules and profiles of the host, and those that
// a group policy adds.
// Source: Microsoft, [MS-FASP] 2.2.36 "Firewall Rule" and [MS-GPFAS].
const (
	fwLocal  = `SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy`
	fwPolicy = `SOFTWARE\Policies\Microsoft\WindowsFirewall`
	fwTool   = "Windows firewall"
)

// fwProfiles are the profiles by the names they have in the registry. Which of them
// are in force depends on the network of each adapter.
var fwProfiles = []string{"DomainProfile", "StandardProfile", "PrivateProfile", "PublicProfile"}

// Defender lists the rules of the Windows firewall that may stop the agent's packets.
func Defender(w *gather.Windows) facts.Seen[facts.Firewall] {
	from := gather.RegistryURL(fwLocal)
	fw := facts.Firewall{Tool: fwTool, Rules: []facts.FirewallRule{}}
	number := func(key, name string) string {
		if s := w.Strings(key, name); s.Known() && len(s.Value) > 0 {
			return s.Value[0]
		}
		return ""
	}
	on := false
	var closed []string // profiles that let nothing out but what a rule allows
	for _, p := range fwProfiles {
		enabled, outbound := number(fwLocal+`\`+p, "EnableFirewall"), number(fwLocal+`\`+p, "DefaultOutboundAction")
		if v := number(fwPolicy+`\`+p, "EnableFirewall"); v != "" {
			enabled = v
		}
		if v := number(fwPolicy+`\`+p, "DefaultOutboundAction"); v != "" {
			outbound = v
		}
		on = on || enabled != "0" && p != "PrivateProfile"
		if enabled != "0" && outbound == "1" {
			closed = append(closed, p)
		}
	}
	if !on {
		return facts.Known(fw, from)
	}
	var texts []string
	for _, key := range []string{fwPolicy + `\FirewallRules`, fwLocal + `\FirewallRules`} {
		all := w.Texts(key)
		if all.Unknown() {
			return gather.Likewise[facts.Firewall](all)
		}
		texts = append(texts, all.Value...)
	}
	slices.Sort(texts)
	allowed := traffic{}
	var forAgent []facts.FirewallRule
	for _, t := range texts {
		name, text, _ := strings.Cut(t, "=")
		r, ok := parseWindowsRule(name, text)
		if !ok {
			continue
		}
		f := r.fact()
		switch {
		case r.block && (f.IMDS || f.HTTPS) && len(fw.Rules) < maxRules:
			fw.Rules = append(fw.Rules, f)
		case !r.block && r.program != "" && (f.IMDS || f.HTTPS):
			if f.Action = "allow"; len(forAgent) < maxRules {
				forAgent = append(forAgent, f)
			}
		case !r.block && r.certain():
			allowed.imds, allowed.https = allowed.imds || f.IMDS, allowed.https || f.HTTPS
		}
	}
	if len(closed) > 0 {
		fw.ForAgent = forAgent
	}
	for _, p := range closed {
		r := facts.FirewallRule{Table: p, Text: "DefaultOutboundAction=Block", Action: "block", Policy: true, IMDS: !allowed.imds, HTTPS: !allowed.https}
		if r.IMDS || r.HTTPS {
			fw.Rules = append(fw.Rules, r)
		}
	}
	return facts.Known(fw, from)
}

// winRule is a rule of the Windows firewall.
type winRule struct {
	name, text string
	block      bool
	proto      string
	ports      [][2]int
	to         []string // addresses and prefixes; empty: all
	other      bool     // it is limited in a way that is not understood
	program    string
}

// agentPrograms are the agent's programs that connect.
var agentPrograms = []string{"amazon-ssm-agent.exe", "ssm-agent-worker.exe"}

// parseWindowsRule reads a rule that is in force for outbound packets of the agent:
// fields NAME=VALUE with | between them. False: it is not.
func parseWindowsRule(name, text string) (winRule, bool) {
	r := winRule{name: name, text: text}
	if len(text) > 8<<10 {
		return r, false
	}
	active, out := false, false
	label := ""
	for field := range strings.SplitSeq(text, "|") {
		k, v, _ := strings.Cut(field, "=")
		switch {
		case k == "Active":
			active = strings.EqualFold(v, "TRUE")
		case k == "Dir":
			out = strings.EqualFold(v, "Out")
		case k == "Action":
			r.block = strings.EqualFold(v, "Block")
		case k == "Protocol":
			r.proto = v
		case strings.HasPrefix(k, "RPort"):
			r.addPort(v)
		case strings.HasPrefix(k, "RA4"), strings.HasPrefix(k, "RA6"):
			r.addAddress(v)
		case k == "App":
			r.program = path.Base(strings.ToLower(strings.ReplaceAll(v, `\`, "/")))
		case k == "Name":
			label = v
		case k == "Profile", strings.HasPrefix(k, "v2."), k == "Desc", k == "EmbedCtxt", k == "TTK", v == "":
			// which profile is in force is not known; the others limit nothing
		default: // a service, an interface, a user, a package, a local port
			r.other = true
		}
	}
	if label != "" && !strings.HasPrefix(label, "@") {
		r.text = label + ": " + strings.Trim(text, "|")
	}
	return r, active && out && (r.program == "" || r.program == "system" || slices.Contains(agentPrograms, r.program)) && r.program != "system"
}

func (r *winRule) addPort(v string) {
	lo, hi, ok := strings.Cut(v, "-")
	if !ok {
		hi = lo
	}
	x, err := strconv.Atoi(lo)
	y, err2 := strconv.Atoi(hi)
	if err != nil || err2 != nil { // a name such as RPC
		x, y = -1, -1
	}
	r.ports = append(r.ports, [2]int{x, y})
}

// addAddress adds what a rule is for: an address, ADDRESS/MASK, ADDRESS/BITS or a
// range. A name such as LocalSubnet holds nothing that the agent needs, but Internet may.
func (r *winRule) addAddress(v string) {
	addr, mask, masked := strings.Cut(v, "/")
	switch a, err := netip.ParseAddr(mask); {
	case masked && err == nil && a.Is4():
		v = addr + "/" + MaskBits(a)
	case strings.EqualFold(v, "IntErnet"), v == "*":
		r.other = true
		return
	case strings.ContainsAny(v, ".:"):
	default:
		v = "0.0.0.0/32"
	}
	if len(r.to) < 100 {
		r.to = append(r.to, gather.OneLine(v, 100))
	}
}

// certain reports whether it is known what a rule matches.
func (r winRule) certain() bool { return !r.other }

func (r winRule) hits(port int) bool {
	if r.proto != "" && r.proto != "6" && r.proto != "256" { // 256 is any
		return false
	}
	return r.ports == nil || slices.ContainsFunc(r.ports, func(p [2]int) bool { return port >= p[0] && port <= p[1] })
}

// fact is the rule as a fact. One that is limited in a way that is not understood
// stops nothing for sure, and is none.
func (r winRule) fact() facts.FirewallRule {
	f := facts.FirewallRule{Table: fwTool, Chain: gather.OneLine(r.name, 100), Text: gather.OneLine(r.text, 300), Action: "block", To: r.to, Program: r.program}
	if r.other {
		return f
	}
	holds := func(a netip.Addr) bool {
		return r.to == nil || slices.ContainsFunc(r.to, func(to string) bool { return facts.Holds(to, a) })
	}
	f.IMDS = r.hits(80) && holds(gather.IMDSIP)
	f.HTTPS = r.hits(443) && !slices.Equal(r.to, []string{gather.IMDSAddr}) && !slices.Equal(r.to, []string{gather.IMDSAddr + "/32"})
	return f
}
