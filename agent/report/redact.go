package report

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"regexp"
	"strings"

	"ssm-doctor/checks/facts"
)

// Redact returns a copy without what tells outsiders whose host this is.
//
// Account numbers become 1234…9012. Names of roles, users, hosts and other
// resources become a kind and a short hash, the same in every report. Addresses
// keep their kind and are numbered. Node ids, Regions, ids of VPC resources,
// link-local addresses and names that belong to AWS stay. In commands a
// placeholder stands for what was taken out.
//
// Redacting twice changes nothing.
func Redact(r *Report) *Report {
	if r.Redacted { // or judged from redacted facts
		out := rewrite(*r, func(field, s string) string {
			if s = stripSecrets(s); field == "Command" {
				s = standIns(s)
			}
			return s
		})
		return &out
	}
	d := &redactor{address: numbered()}
	d.learn(*r)
	d.name("role", r.Credentials.Role)
	out := rewrite(*r, d.edit)
	out.Redacted = true
	return &out
}

// RedactFacts does the same for collected facts, but for addresses: those
// become others of the same kind, so that a judgement of the facts finds
// networks and addresses in the same relation.
func RedactFacts(f *facts.Facts) *facts.Facts {
	if f.Redacted {
		return StripFacts(f)
	}
	d := &redactor{address: shuffled(factsKey(f))}
	d.learn(*f)
	d.name("host", f.Host.Hostname.Value)
	for _, r := range []facts.Role{f.IMDS.Role.Value, f.IMDS.IdentityRole.Value} {
		d.name("role", r.Name)
	}
	d.name("profile", f.IMDS.Profile.Value.Name)
	for _, b := range f.Agent.Output.Value.Buckets {
		d.name("bucket", b)
	}
	for _, g := range f.Agent.Output.Value.LogGroups {
		for part := range strings.SplitSeq(g, "/") {
			if part != "" && part != "aws" && part != "ssm" && !strings.HasPrefix(part, "AWS-") {
				d.name("group", part)
			}
		}
	}
	for _, i := range f.Permissions.Identities {
		d.name("role", i.Role)
		if !reNodeID.MatchString(i.Session) {
			d.name("user", i.Session)
		}
	}
	for _, p := range []facts.ProxyProbe{f.Network.Proxy.Value, f.Network.ShellProxy.Value} {
		if !ownedByAWS(p.Host) {
			d.name("host", p.Host)
		}
	}
	for _, u := range f.Agent.Units {
		d.name("user", u.User)
	}
	for _, n := range []string{f.ECS.Task.Value.Cluster, f.ECS.Task.Value.Family} {
		d.name("name", n)
	}
	for _, n := range f.Host.Resolver.Value.Search {
		if !ownedByAWS(n) {
			d.name("host", n)
		}
	}
	out := rewrite(*f, d.edit)
	out.Redacted = true
	return &out
}

// StripFacts takes out secrets only. Facts should hold none; what the host
// logged is foreign text all the same.
func StripFacts(f *facts.Facts) *facts.Facts {
	out := rewrite(*f, func(_, s string) string { return stripSecrets(s) })
	return &out
}

func withoutSecrets(r *Report) *Report {
	out := rewrite(*r, func(_, s string) string { return stripSecrets(s) })
	return &out
}

// Placeholders reports whether a remedy of a redacted report holds stand-ins
// that a reader has to fill in.
func (r *Report) Placeholders() bool {
	if !r.Redacted {
		return false
	}
	causes := r.Also
	if r.RootCause != nil {
		causes = append([]Cause{*r.RootCause}, causes...)
	}
	for _, c := range causes {
		if standsIn(c.Fix) {
			return true
		}
	}
	for _, n := range r.NotLookedAt {
		if reStandIn.MatchString(n.Command) {
			return true
		}
	}
	return false
}

func standsIn(fix []Step) bool {
	for _, s := range fix {
		if reStandIn.MatchString(s.Command) {
			return true
		}
	}
	return false
}

var reStandIn = regexp.MustCompile(`\b(?:ACCOUNT_ID|(?:ROLE|USER|PROFILE|POLICY|HOST|RESOURCE)_NAME|ADDRESS)\b`)

// redactor knows the names of one report or facts file.
type redactor struct {
	names   map[string]string // name -> kind and hash
	list    []string          // all names in lower case
	order   *regexp.Regexp    // all names, longest first; nil: none
	address func(netip.Addr) string
}

// fixedFields hold words of ours, which a name of the host must not change.
var fixedFields = map[string]bool{
	"Schema": true, "Version": true, "ID": true, "Group": true, "Status": true, "State": true, "Severity": true, "Cause": true,
	"FollowsFrom": true, "Confidence": true, "Where": true, "Ready": true, "Verdict": true, "Layer": true, "Phase": true,
	"Route": true, "Need": true, "Kind": true, "Outcome": true, "Partition": true, "Arch": true, "GOOS": true, "AgentVersion": true, "Installed": true, "Running": true,
}

func (d *redactor) edit(field, s string) string {
	s = stripSecrets(s)
	if s == "" || fixedFields[field] && !strings.ContainsAny(s, ":@/ ") {
		return s
	}
	s = d.text(s, addressFields[field])
	if field == "Command" {
		s = standIns(s)
	}
	return s
}

// text redacts one string; address says that it can hold no version number.
func (d *redactor) text(s string, address bool) string {
	if strings.Contains(s, "arn:") {
		s = reARN.ReplaceAllStringFunc(s, d.arn)
	}
	// The searches are slow, so each has a cheap test before it.
	low := strings.ToLower(s)
	if d.order != nil && containsAny(low, d.list) {
		s = d.order.ReplaceAllStringFunc(s, d.known)
	}
	if maybeNamed(low) {
		s = replaceSub(s, reNamed, 2, func(m []string) string { return d.token(namedKind(m[1]), m[2]) })
	}
	if strings.Contains(low, "home") || strings.Contains(low, "users") {
		s = replaceSub(s, reHome, 2, func(m []string) string {
			if publicUsers[strings.ToLower(m[2])] {
				return m[2]
			}
			return d.token("user", m[2])
		})
	}
	if strings.Contains(s, "://") || strings.Contains(low, "lookup ") {
		s = replaceSub(s, reURLHost, 1, func(m []string) string { return d.hostAt(m[1]) })
	}
	if strings.Contains(s, ".") || strings.Contains(low, "ip-") {
		s = reDNS.ReplaceAllStringFunc(s, d.host)
	}
	if !strings.ContainsAny(s, "0123456789:") {
		return s
	}
	for range 2 { // neighbours share the sign between them
		s = replaceSub(s, reAccount, 2, func(m []string) string { return shortAccount(m[2]) })
	}
	if strings.Contains(s, "A") {
		s = reUniqueID.ReplaceAllString(s, "${1}…")
	}
	if strings.Count(s, ".") < 3 && strings.Count(s, ":") < 2 {
		return s
	}
	return d.addresses(s, address)
}

var (
	reAccount  = regexp.MustCompile(`(^|[^0-9A-Za-z])([0-9]{12}|[0-9]{4}-[0-9]{4}-[0-9]{4})($|[^0-9A-Za-z])`)
	reUniqueID = regexp.MustCompile(`\b(AROA|AIDA|AGPA|ANPA|AIPA|ANVA|ASCA|APKA)[A-Z0-9]{12,}\b`)
	reNodeID   = regexp.MustCompile(`^m?i-[0-9a-f]{8,17}$`)
)

// shortAccount is how an account is told from another without naming it.
func shortAccount(s string) string {
	digits := strings.ReplaceAll(s, "-", "")
	if len(digits) != 12 || strings.Trim(digits, "0123456789") != "" {
		return s
	}
	return digits[:4] + "…" + digits[8:]
}

// standIns replaces what redaction left in a command by words that a reader
// knows to replace; they are those of commands without a known value.
func standIns(s string) string {
	s = reShortAccount.ReplaceAllString(s, "ACCOUNT_ID")
	s = reNumbered.ReplaceAllString(s, "ADDRESS")
	return reToken.ReplaceAllStringFunc(s, func(m string) string {
		kind, _, _ := strings.Cut(m, "-")
		if kind == "name" {
			kind = "resource"
		}
		return strings.ToUpper(kind) + "_NAME"
	})
}

var (
	reShortAccount = regexp.MustCompile(`\b[0-9]{4}…[0-9]{4}\b`)
	reNumbered     = regexp.MustCompile(`\b(?:private|public|link-local|loopback)-ipv?6?-[0-9]+\b`)
	reToken        = regexp.MustCompile(`\b(?:role|user|profile|policy|host|name)-[0-9a-f]{6}\b`)
)

// token is a stable stand-in for a name.
func (d *redactor) token(kind, name string) string {
	if keepName(kind, name) {
		return name
	}
	if t, ok := d.names[strings.ToLower(name)]; ok {
		return t
	}
	sum := sha256.Sum256([]byte(strings.ToLower(name)))
	return kind + "-" + hex.EncodeToString(sum[:3])
}

// known is token for a name that was learned, in whatever case it is written.
func (d *redactor) known(name string) string {
	if t, ok := d.names[strings.ToLower(name)]; ok {
		return t
	}
	return name
}

// replaceSub replaces one group of every match.
func replaceSub(s string, re *regexp.Regexp, group int, to func(m []string) string) string {
	found := re.FindAllStringSubmatchIndex(s, -1)
	if found == nil {
		return s
	}
	var b strings.Builder
	end := 0
	for _, at := range found {
		m := make([]string, len(at)/2)
		for i := range m {
			if at[2*i] >= 0 {
				m[i] = s[at[2*i]:at[2*i+1]]
			}
		}
		b.WriteString(s[end:at[2*group]])
		b.WriteString(to(m))
		end = at[2*group+1]
	}
	return b.String() + s[end:]
}

// factsKey makes the shuffling of addresses depend on all that is taken out,
// so that nobody can compute it from what is left.
func factsKey(f *facts.Facts) []byte {
	b, err := json.Marshal(f)
	if err != nil { // not a number in a measurement; the rest will do
		b = []byte(f.Host.Hostname.Value + f.IMDS.Account.Value + f.IMDS.Role.Value.Name + f.CollectedAt.String())
	}
	sum := sha256.Sum256(b)
	return sum[:]
}
