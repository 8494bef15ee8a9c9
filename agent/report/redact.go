package report

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/pattern"
	"ssm-doctor/checks/text"
)

// Redact returns a copy without what tells outsiders whose host this is.
//
// Account numbers become 1234…9012. Names of roles, users, hosts and other
// resources become a kind and a short hash under the key of the report: the same in
// every report of one host, or of all hosts that share a key. Addresses keep their kind
// and are numbered. Node ids, Regions, ids of VPC resources, link-local addresses and
// names that belong to AWS stay. In commands a placeholder stands for what was taken out.
//
// Redacting twice changes nothing.
func Redact(r *Report) *Report {
	if r.Redacted { // or judged from redacted facts
		out := rewrite(*r, again)
		return &out
	}
	d := &redactor{key: r.Pseudonyms, address: numbered()}
	d.learn(*r)
	d.name("role", r.Credentials.Role)
	d.name("host", r.Node.Name)
	out := rewrite(*r, d.editor())
	out.Redacted, out.Node.Name = true, ""
	return &out
}

// again is the editor of what is redacted.
var again = editor{secretless.leaf, func(at place, t text.Text) text.Text {
	if t = withoutSecretsIn(t); at.field == "Command" {
		t = editValues(t, "", func(_, v string) any { return standIns(v) })
	}
	return t
}}

// RedactFacts does the same for collected facts, but for addresses: those
// become others of the same kind, so that a judgement of the facts finds
// networks and addresses in the same relation.
func RedactFacts(f *facts.Facts) *facts.Facts {
	if f.Redacted {
		return StripFacts(f)
	}
	out := rewrite(*f, redactorOf(f).editor())
	out.Redacted = true
	return &out
}

// RedactRecording does the same for facts and for text that was recorded with them, so
// that a name is the same in both. Accounts become other numbers, since text is read again.
func RedactRecording(f *facts.Facts) (*facts.Facts, func(string) string) {
	d := redactorOf(f)
	d.digits = true
	out := rewrite(*f, d.editor())
	out.Redacted = true
	return &out, func(s string) string { return d.text("", d.everywhere(stripSecrets(s)), false) }
}

// StripText takes out what has the form of a secret.
func StripText(s string) string { return stripSecrets(s) }

// RedactLines redacts lines of a host's logs as its facts would be; facts that are
// redacted know no names any more, and what they do not know is judged by its form.
func RedactLines(f *facts.Facts, lines []string) []string {
	d := redactorOf(f)
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = d.edit(place{"Lines", "Line"}, l)
	}
	return out
}

// StripLines takes out secrets only.
func StripLines(lines []string) []string { return rewrite(lines, secretless) }

// redactorOf knows the names in facts.
func redactorOf(f *facts.Facts) *redactor {
	d := &redactor{key: f.Pseudonyms, address: shuffled(factsKey(f))}
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
		d.logGroup(g)
	}
	for _, i := range f.Permissions.Identities.Some() {
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
	for _, u := range f.Agent.Units.Some() {
		d.name("user", u.User)
	}
	for _, u := range f.Work.Users.Value.Named {
		d.name("user", u)
	}
	for _, n := range []string{f.ECS.Task.Value.Cluster, f.ECS.Task.Value.Family} {
		d.name("name", n)
	}
	for _, n := range f.Host.Resolver.Value.Search {
		if !ownedByAWS(n) {
			d.name("host", n)
		}
	}
	return d
}

// StripFacts takes out secrets only. Facts should hold none; what the host
// logged is foreign text all the same.
func StripFacts(f *facts.Facts) *facts.Facts {
	out := rewrite(*f, secretless)
	return &out
}

// Strip takes out secrets only, as Write does.
func Strip(r *Report) *Report { return withoutSecrets(r) }

func withoutSecrets(r *Report) *Report {
	out := rewrite(*r, secretless)
	return &out
}

func standsIn(fix []Step) bool {
	return slices.ContainsFunc(fix, func(s Step) bool { return holdsStandIn(s.Command) })
}

// redactor knows the names of one report or facts file.
type redactor struct {
	key      []byte            // of the pseudonyms
	names    map[string]string // name -> kind and hash
	anywhere nameSet
	address  func(netip.Addr) string
	digits   bool // an account becomes another of as many digits
}

// fixedFields hold words of ours, which a name of the host must not change.
var fixedFields = map[string]bool{
	"Level":  true,
	"Schema": true, "Version": true, "ID": true, "Group": true, "Status": true, "State": true, "Severity": true, "Cause": true,
	"FollowsFrom": true, "Confidence": true, "Where": true, "Ready": true, "Verdict": true, "Layer": true, "Phase": true,
	"Route": true, "Need": true, "Kind": true, "Outcome": true, "Partition": true, "Now": true, "Next": true, "Arch": true, "GOOS": true, "AgentVersion": true, "Installed": true, "Running": true,
}

// nameFields hold one value of the host, often a name: one that is also a word of
// ours, such as a role called node, is known there.
var nameFields = map[place]bool{
	{"Credentials", "Role"}: true, {"Evidence", "Seen"}: true,
	{"Role", "Name"}: true, {"Profile", "Name"}: true, {"Identity", "Role"}: true, {"Identity", "Session"}: true, {"Unit", "User"}: true,
	{"ECSTask", "Cluster"}: true, {"ECSTask", "Family"}: true, {"Host", "Hostname"}: true,
}

// catalogueFields hold sentences of ours without values.
var catalogueFields = map[place]bool{
	{"Cause", "Title"}: true, {"Cause", "Docs"}: true, {"Check", "Title"}: true, {"Feature", "Title"}: true, {"Credentials", "Why"}: true, {"NotLooked", "What"}: true, {"NotLooked", "Why"}: true,
}

func (d *redactor) editor() editor { return editor{d.edit, d.sentence} }

func (d *redactor) edit(at place, s string) string {
	s = stripSecrets(s)
	if s == "" || fixedFields[at.field] && !strings.ContainsAny(s, ":@/ ") {
		return s
	}
	if t, ok := d.names[strings.ToLower(s)]; ok && nameFields[at] {
		return t
	}
	if !catalogueFields[at] {
		s = d.everywhere(s)
	}
	return d.text("", s, addressFields[at.field])
}

// sentence redacts the values of a sentence. A value that is a name as a whole is
// replaced whatever else the name means.
func (d *redactor) sentence(at place, t text.Text) text.Text {
	return editValues(withoutSecretsIn(t), "", func(before, v string) any {
		if token, ok := d.names[strings.ToLower(v)]; ok {
			v = token
		} else {
			v = d.text(before, d.everywhere(v), false)
		}
		if at.field == "Command" {
			return standIns(v)
		}
		return v
	})
}

// everywhere replaces the names that were learned.
func (d *redactor) everywhere(s string) string {
	return d.anywhere.replace(s, d.known)
}

// text redacts what the form or place of a part of a string tells. before is what stands before it where it is a value in
// a sentence, which may tell what it is; address says that it can hold no version number.
func (d *redactor) text(before, s string, address bool) string {
	if strings.Contains(s, "arn:") {
		s = reARN.ReplaceAllStringFunc(s, d.arn)
	}
	// The searches are slow, so each has a cheap test before it.
	before = before[max(0, len(before)-contextBytes):]
	low := strings.ToLower(s)
	around := strings.ToLower(before) + low
	if maybeNamed(around) {
		s = replaceBehind(before, s, reNamed, 2, func(m []string) string { return d.marked(namedKind(m[1]), m[2]) })
	}
	if strings.Contains(around, "home") || strings.Contains(around, "users") {
		s = replaceBehind(before, s, reHome, 2, func(m []string) string { return d.marked("user", m[2]) })
	}
	if maybeHost(around) {
		s = replaceBehind(before, s, reURLHost, 1, func(m []string) string { return d.hostAt(m[1]) })
	}
	if strings.Contains(s, ".") || strings.Contains(low, "ip-") {
		s = editWords(s, func(word string) string {
			if strings.Contains(word, ".") || strings.Contains(strings.ToLower(word), "ip-") {
				return reDNS.ReplaceAllStringFunc(word, d.host)
			}
			return word
		})
	}
	if !strings.ContainsAny(s, "0123456789:") {
		return s
	}
	for range 2 { // neighbours share the sign between them
		if digitsOf(s) < 12 {
			break
		}
		s = replaceBehind("", s, reAccount, 2, func(m []string) string { return d.account(m[2]) })
	}
	if strings.Contains(s, "A") && containsAny(s, uniqueIDs) {
		s = reUniqueID.ReplaceAllString(s, "${1}…")
	}
	if strings.Count(s, ".") < 3 && strings.Count(s, ":") < 2 {
		return s
	}
	return d.addresses(s, address)
}

// contextBytes is how much before a value may tell what it is.
const contextBytes = 40

var (
	reAccount  = pattern.New(`(^|[^0-9A-Za-z])([0-9]{12}|[0-9]{4}-[0-9]{4}-[0-9]{4})($|[^0-9A-Za-z])`)
	reUniqueID = pattern.New(`\b(AROA|AIDA|AGPA|ANPA|AIPA|ANVA|ASCA|APKA)[A-Z0-9]{12,}\b`)
	uniqueIDs  = []string{"AROA", "AIDA", "AGPA", "ANPA", "AIPA", "ANVA", "ASCA", "APKA"}
	reNodeID   = pattern.New(`^m?i-[0-9a-f]{8,17}$`)
)

// digitsOf counts digits.
func digitsOf(s string) int {
	n := 0
	for i := range len(s) {
		if s[i] >= '0' && s[i] <= '9' {
			n++
		}
	}
	return n
}

// account is what stands for an account.
func (d *redactor) account(s string) string {
	if !d.digits {
		return shortAccount(s)
	}
	if strings.HasPrefix(s, "000000") { // done already
		return s
	}
	h := hmac.New(sha256.New, d.key)
	h.Write([]byte(strings.ReplaceAll(s, "-", "")))
	return fmt.Sprintf("000000%06d", binary.BigEndian.Uint32(h.Sum(nil))%1_000_000)
}

// shortAccount is how an account is told from another without naming it.
func shortAccount(s string) string {
	digits := strings.ReplaceAll(s, "-", "")
	if len(digits) != 12 || strings.Trim(digits, "0123456789") != "" {
		return s
	}
	return digits[:4] + "…" + digits[8:]
}

// standIns replaces what redaction left of a value in a command by words that a
// reader knows to replace; they are those of commands without a known value.
func standIns(s string) any {
	if !strings.ContainsAny(s, "-…") {
		return s
	}
	out := reShortAccount.ReplaceAllString(s, "ACCOUNT_ID")
	if strings.Contains(out, "-ip") {
		out = reNumbered.ReplaceAllString(out, "ADDRESS")
	}
	out = reToken.ReplaceAllStringFunc(out, func(m string) string {
		kind, _, _ := strings.Cut(m, "-")
		if kind == "name" {
			kind = "resource"
		}
		return strings.ToUpper(kind) + "_NAME"
	})
	if out == s {
		return s
	}
	return standIn(out)
}

var (
	reShortAccount = pattern.New(`\b[0-9]{4}…[0-9]{4}\b`)
	reNumbered     = pattern.New(`\b(?:private|public|link-local|loopback)-ipv?6?-[0-9]+\b`)
	reToken        = pattern.New(`\b(?:role|user|profile|policy|host|name)-[0-9a-f]{6}\b`)
)

// token is a stable stand-in for a name.
func (d *redactor) token(kind, name string) string {
	if isPublic(kind, name) {
		return name
	}
	if t, ok := d.names[strings.ToLower(name)]; ok {
		return t
	}
	h := hmac.New(sha256.New, d.key)
	h.Write([]byte(strings.ToLower(name)))
	return kind + "-" + hex.EncodeToString(h.Sum(nil)[:3])
}

// marked is token for a word that only the words before it call a name. One of our
// own is left, unless it is known to be a name.
func (d *redactor) marked(kind, name string) string {
	if isOurs(name) && d.names[strings.ToLower(name)] == "" {
		return name
	}
	return d.token(kind, name)
}

// known is token for a name that was learned, in whatever case it is written.
func (d *redactor) known(name string) string {
	if t, ok := d.names[strings.ToLower(name)]; ok {
		return t
	}
	return name
}

// replaceBehind replaces one group of every match in s, which stands behind
// before. A match may begin in before; what it replaces does not.
func replaceBehind(before, s string, re *pattern.Pattern, group int, to func(m []string) string) string {
	whole, start := before+s, len(before)
	var b strings.Builder
	end := start
	for _, at := range re.FindAllStringSubmatchIndex(whole, -1) {
		if at[2*group] < start {
			continue
		}
		m := make([]string, len(at)/2)
		for i := range m {
			if at[2*i] >= 0 {
				m[i] = whole[at[2*i]:at[2*i+1]]
			}
		}
		b.WriteString(whole[end:at[2*group]])
		b.WriteString(to(m))
		end = at[2*group+1]
	}
	if end == start {
		return s
	}
	return b.String() + whole[end:]
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

// Pseudonymous is what redacts single texts, by their form, with one random key.
func Pseudonymous() func(string) string {
	d := &redactor{key: []byte(rand.Text()), address: numbered()}
	return func(s string) string { return d.edit(place{"Answer", "Text"}, s) }
}
