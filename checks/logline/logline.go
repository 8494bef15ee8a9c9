package logline

import (
	"bytes"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/pattern"
)

// Gap stands for what was not recognised.
const Gap = facts.Gap

// maxLine is how much of a line is looked at.
const maxLine = 2 << 10

// Shown is what may be shown of a line. Doing it twice changes nothing: what a word names
// that is itself left out, is left out as well.
func Shown(line string) string {
	for range maxRounds {
		line = line[:min(len(line), maxLine)]
		next := shown(line)
		if next == line {
			return line
		}
		line = next
	}
	return Gap
}

// maxRounds is more than real lines need: two.
const maxRounds = 10

func shown(line string) string {
	named := spansOf(line)
	var out []byte
	secret := false
	at := 0
	for chunk, space := range chunks(line) {
		next := at + len(chunk) + space
		keep := !secret && known(chunk, at, named, 0)
		if part := partOf(chunk); !keep && !secret && part != "" {
			chunk, keep = part, true
		}
		secret = asksForSecret(chunk)
		if keep {
			out = append(out, chunk...)
		} else if out = bytes.TrimRight(out, " "); !bytes.HasSuffix(out, []byte(Gap)) {
			if len(out) > 0 {
				out = append(out, ' ')
			}
			out = append(out, Gap...)
		}
		if !keep && chunk != "" && strings.IndexByte(":,;.", chunk[len(chunk)-1]) >= 0 {
			out = append(out, chunk[len(chunk)-1])
		}
		if space > 0 {
			out = append(out, ' ')
		}
		at = next
	}
	return string(bytes.TrimSpace(out))
}

// chunks yields the parts of a line between white space, and how much of that follows.
func chunks(line string) func(yield func(string, int) bool) {
	return func(yield func(string, int) bool) {
		blank := func(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }
		for i := 0; i < len(line); {
			end := i
			for end < len(line) && !blank(line[end]) {
				end++
			}
			next := end
			for next < len(line) && blank(line[next]) {
				next++
			}
			if !yield(line[i:end], next-end) {
				return
			}
			i = next
		}
	}
}

// span is a part of a line that is kept as it is.
type span struct{ from, to int }

// namedValue finds a value that the words around it name.
type namedValue struct {
	hint string // a lower-case part of every match
	blob bool   // it is as long and mixed as it is
	re   *pattern.Pattern
}

var namedValues = func() []namedValue {
	var out []namedValue
	for _, row := range [][2]string{
		{"encoded authorization", `\bEncoded authorization failure message: ([A-Za-z0-9_-]+)`}, // as long and mixed as it is
		{"arn:aws", `(arn:aws[a-z-]{0,20}:[a-z0-9-]{1,40}:[a-z0-9-]{0,30}:(?:[0-9]{1,12}|aws|\*)?:[A-Za-z0-9_+=,.@/:*$-]+)`},
		{"lookup ", `\blookup ([A-Za-z0-9][A-Za-z0-9.-]*)\b`},
		{"valid for ", `\bvalid for ((?:[A-Za-z0-9*][A-Za-z0-9.*-]*(?:, )?)+), not ([A-Za-z0-9][A-Za-z0-9.-]*)`},
		{"dial ", `\bdial (?:tcp|udp)[46]? ([A-Za-z0-9.-]+:[0-9]{1,5})\b`},
		{"account", `(?i)\baccount:? ([0-9]{12})\b`},
		{"runas user ", `\bRunAs user (\S+) does not exist`},
		{"failed to retrieve ", `\bFailed to retrieve (?:uid|gid|groups) for (\S+):`},
		{"failed to create ", `\bFailed to create (\S+):`},
		{"%e2%80", `https?://(ssm\.[A-Za-z0-9.%-]{1,120}\.amazonaws\.[a-z.]{2,6})`}, // quotes that were pasted with a Region
		{"s3://", `s3://([a-z0-9][a-z0-9.-]+)\b`},
		{"bucket", `(?i)\bbucket:? "?([a-z0-9][a-z0-9.-]+)\b`},
		{"log group ", `\bLog group "([^"\s]+)"`},
		{"plugin with name ", `\bPlugin with name (\S+) `},
		{"exec: ", `\bexec: "([^"\s]+)"`},
		{"fork/exec ", `\bfork/exec ([^\s:]+):`},
		{"assume", `(?i)\bassume (?:the )?role:? ([A-Za-z0-9+=,.@_/-]+)`},
		{"name", `(?i)\b(?:role|profile|document|association) (?:named|name:) ([A-Za-z0-9+=,.@_-]+)\b`},
		{"shared libraries: ", `shared libraries: (\S+):`},
		{"glibc_", "version [`'](GLIBC_[0-9.]{1,10})' not found"},
		{"profile=", `\bprofile="([^"\s]+)"`},
		{".go.", `\[([A-Za-z0-9_.()*]+ @ [A-Za-z0-9_]+\.go\.[0-9]{1,5})\]`}, // where in the agent's code
		{"request", `(?i)\brequest ?id: ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b`},
	} {
		// Most lines have none of the hints, so most expressions are never made.
		out = append(out, namedValue{row[0], len(out) == 0 || row[0] == "%e2%80", pattern.New(row[1])})
	}
	return out
}()

// maxValue is the longest named value.
const maxValue = 512

// spansOf are the named values of a line, as long as they are names.
func spansOf(line string) []span {
	var out []span
	low := strings.ToLower(line)
	for _, v := range namedValues {
		if !strings.Contains(low, v.hint) {
			continue
		}
		for _, m := range v.re.FindAllStringSubmatchIndex(line, 20) {
			for g := 2; g+1 < len(m); g += 2 {
				if m[g] >= 0 && (v.blob || m[g+1]-m[g] <= maxValue && (isName(line[m[g]:m[g+1]]) || identityARN.MatchString(line[m[g]:m[g+1]]))) {
					out = append(out, span{m[g], m[g+1]})
				}
			}
		}
	}
	return out
}

var nameForm = pattern.New(`^[A-Za-z0-9_+=,.@/\\:*$\- ]+$`)

// isName reports whether text can be a name: no part of it is as long, or as mixed, as a key.
func isName(s string) bool {
	if !nameForm.MatchString(s) || isIssued(s) {
		return false
	}
	for part := range strings.FieldsFuncSeq(s, func(c rune) bool { return strings.ContainsRune(`/\:., -_`, c) }) {
		if len(part) >= 40 || len(part) >= 20 && isMixed(part) {
			return false
		}
	}
	return true
}

// isMixed reports whether a word changes between letters in upper case, in lower case,
// and digits, as often as random text does.
func isMixed(s string) bool {
	kind := func(c byte) int {
		switch {
		case isUpper(c):
			return 0
		case isLetter(c):
			return 1
		case c >= '0' && c <= '9':
			return 2
		}
		return 3
	}
	changes := 0
	for i := 1; i < len(s); i++ {
		if kind(s[i]) != kind(s[i-1]) {
			changes++
		}
	}
	return changes*3 >= len(s)
}

// secretNames are what the value behind one is a secret of. A status or a code of an error
// has other words before it.
var secretNames = []string{
	"pass", "password", "passwd", "passphrase", "passcode", "pwd", "pw", "secret", "token", "auth", "authorization", "cookie", "signature", "credential", "credentials",
	"apikey", "api-key", "api_key", "accesskey", "access-key", "access_key", "privatekey", "private-key", "private_key", "activationcode", "activation-code", "activation_code",
}

// secretEnds are the last letters of the names.
var secretEnds = func() (ends [utf8.RuneSelf]bool) {
	for _, n := range secretNames {
		ends[n[len(n)-1]] = true
	}
	return ends
}()

// endsInSecretName reports whether text ends in the name of a secret, in quotes or not,
// and however its letters are written: ſ and the sign of kelvin are letters too.
func endsInSecretName(s string) bool {
	s = strings.TrimRight(s, `"'\`)
	if s == "" {
		return false
	}
	if c := s[len(s)-1]; c < utf8.RuneSelf && !secretEnds[lower(c)] {
		return false
	}
	s = strings.ToLower(strings.ReplaceAll(s[max(0, len(s)-40):], "ſ", "s"))
	return slices.ContainsFunc(secretNames, func(n string) bool { return strings.HasSuffix(s, n) })
}

// asksForSecret reports whether a chunk ends with the name of a secret, whose value
// follows.
func asksForSecret(chunk string) bool {
	name, ok := strings.CutSuffix(chunk, "=")
	if !ok {
		name, ok = strings.CutSuffix(chunk, ":")
		switch low := strings.ToLower(strings.Trim(name, `"'\`)); {
		case !ok && strings.HasPrefix(chunk, "-"):
			ok = true
		case ok && (strings.HasSuffix(low, "token") || strings.HasSuffix(low, "credentials") || strings.HasSuffix(low, "credential") || strings.HasSuffix(low, "signature")):
			// "error retrieving token: operation timed out": what follows counts by its words
			ok = strings.ContainsAny(name, `"'=`)
		}
	}
	return ok && !strings.ContainsAny(name, "/") && endsInSecretName(name)
}

// maxDepth is how often a chunk is taken apart.
const maxDepth = 8

// known reports whether a part of a line, which begins at from, is recognised.
func known(s string, from int, named []span, depth int) bool {
	s, cut := trimSigns(s)
	from += cut
	if s == "" {
		return true
	}
	for _, n := range named {
		if from >= n.from && from+len(s) <= n.to {
			return true
		}
	}
	if isValue(s) || isWord(s, true) {
		return true
	}
	if depth == 0 && givesSecret(s) {
		return false
	}
	if depth == maxDepth {
		return false
	}
	if i := strings.Index(s, "://"); i >= 0 && !slices.ContainsFunc(named, func(n span) bool { return n.from == from+i+3 }) {
		return isURL(s)
	}
	for _, n := range named { // what is around a named value
		if n.from < from+len(s) && n.to > from {
			a, b := max(n.from-from, 0), min(n.to-from, len(s))
			return known(s[:a], from, named, depth+1) && known(s[b:], from+b, named, depth+1) && !loginIn(s)
		}
	}
	if i := strings.Index(s, "->"); i >= 0 {
		return known(s[:i], from, named, depth+1) && known(s[i+2:], from+i+2, named, depth+1)
	}
	for _, separators := range []string{"<>\"'(){}[]`", ",;|", "=", "/\\", ":", "_", ".", "-"} {
		i := strings.IndexAny(s, separators)
		if i < 0 {
			continue
		}
		start := 0
		for ; i >= 0; i = strings.IndexAny(s[start:], separators) {
			if !known(s[start:start+i], from+start, named, depth+1) {
				return false
			}
			start += i + 1
		}
		return known(s[start:], from+start, named, depth+1)
	}
	return false
}

// givesSecret reports whether a chunk holds the name of a secret and a value.
func givesSecret(s string) bool {
	for i := range len(s) {
		if (s[i] == '=' || s[i] == ':') && strings.Trim(s[i+1:], `"'\:= `) != "" && endsInSecretName(s[:i]) {
			return true
		}
	}
	return false
}

// trimSigns cuts off the signs around a word.
func trimSigns(s string) (string, int) {
	const signs = "[](){}<>\"'`.,:;!?*…=-+#@|&"
	t := strings.TrimLeft(s, signs)
	cut := len(s) - len(t)
	return strings.TrimRight(t, signs), cut
}

// loginIn reports whether text may hold the sign that ends a login.
func loginIn(s string) bool {
	return !strings.Contains(s, "arn:") && (strings.ContainsRune(s, '@') || strings.Contains(s, "%40") || strings.Contains(s, "%25"))
}

// numberForms and codeForms are the values that are told by their form, and are no
// secrets: those that begin with a digit, and others. Each is small, and so fast.
var numberForms = []*pattern.Pattern{
	pattern.New(`^[0-9]{1,6}(?:\.[0-9]{1,18}){1,3}$`),                                    // a fraction, a release
	pattern.New(`^(?:[0-9]{1,6}(?:\.[0-9]{1,9})?(?:h|ms|m|s|µs|ns))+$`),                  // a duration
	pattern.New(`^[0-9]{1,9}(?:\.[0-9]{1,6})?(?:%|[kKMGT]?i?B|k|ms)$`),                   // a size, a share
	pattern.New(`^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9:.]{5,18}(?:Z|[+-][0-9:]{4,6})?)?$`), // a date
	pattern.New(`^[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?$`),                         // a time
	pattern.New(`^20[0-9]{6}T[0-9]{6}Z$`),                                                // the time of a signature
}

var codeForms = []*pattern.Pattern{
	pattern.New(`^v[0-9]{1,6}(?:\.[0-9]{1,18}){1,3}$`), // a release
	pattern.New(`^(?:i|mi|vpc|vpce|subnet|sg|eni|ami|igw|rtb|acl|pcx|nat|tgw)-[0-9a-f]{8,17}$`),
	pattern.New(`^[a-z]{2}(?:-[a-z]{2,9}){1,2}-[0-9]{1,2}[a-z]?$`), // a Region or zone
	pattern.New(`^(?:` + services + `):(?:[A-Z][A-Za-z]{2,60}\*?|\*|[a-z]+/?)$`),
	pattern.New(`^ver\.[0-9]$`),
}

// hasValueForm reports whether text has one of the forms.
func hasValueForm(s string) bool {
	forms := codeForms
	if s[0] >= '0' && s[0] <= '9' {
		if len(s) <= 5 && strings.Trim(s, "0123456789") == "" {
			return true // a small number
		}
		forms = numberForms
	} else if !strings.ContainsAny(s, "-:.") {
		return false
	}
	return slices.ContainsFunc(forms, func(p *pattern.Pattern) bool { return p.MatchString(s) })
}

// services are the prefixes of actions that the agent and its documents ask for.
const services = `ssm|ssmmessages|ec2messages|sts|iam|kms|s3|logs|ec2|cloudwatch|ecs|ecr|secretsmanager|ds|organizations|sns|sqs|events|lambda|ssm-guiconnect|ssm-contacts|ssm-incidents|ssm-quicksetup|ssm-sap|resource-groups|tag|config|codecommit|elasticfilesystem|fsx|autoscaling|cloudformation|states|aws`

// isValue reports whether text has the form of a value that may be shown.
func isValue(s string) bool {
	if len(s) > 260 || s == "" {
		return false
	}
	if len(s) <= 80 && hasValueForm(s) {
		return true
	}
	if strings.IndexByte(s, '.') < 0 && strings.IndexByte(s, ':') < 0 {
		return false // no address, and no host of AWS
	}
	if ownedByAWS(s) {
		return true
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return !strings.Contains(s, "%")
	}
	if a, err := netip.ParseAddrPort(s); err == nil {
		return a.Addr().Zone() == ""
	}
	_, err := netip.ParsePrefix(s)
	return err == nil
}

// hostLike is the name of a bucket, which need not have a point.
var hostLike = pattern.New(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// partOf is what may be shown of a URL or path that has unknown parts; empty: nothing.
func partOf(chunk string) string {
	core, cut := trimSigns(chunk)
	if core == "" || loginIn(core) || strings.ContainsAny(core, "<>\"'") {
		return ""
	}
	after := chunk[cut+len(core):]
	if scheme, rest, ok := strings.Cut(core, "://"); ok {
		i := strings.IndexAny(rest, "/?#")
		if i < 0 {
			return ""
		}
		if host := rest[:i]; isURL(scheme+"://"+host) || strings.EqualFold(scheme, "s3") && hostLike.MatchString(host) && isName(host) {
			return chunk[:cut] + scheme + "://" + host + "/" + Gap + after
		}
		return ""
	}
	if strings.ContainsAny(core, "=?#&;,") {
		return ""
	}
	separator := "/"
	if !strings.HasPrefix(core, "/") {
		if separator = `\`; len(core) < 3 || core[1:3] != `:\` {
			return ""
		}
	}
	parts := strings.Split(core, separator)
	if len(parts) < 3 || !isWord(parts[1], true) && separator == "/" {
		return ""
	}
	for i, p := range parts {
		if i == 0 {
			continue
		}
		if !known(p, 0, nil, 1) {
			parts[i] = Gap
		}
	}
	return chunk[:cut] + strings.Join(parts, separator) + after
}

var hostForm = pattern.New(`^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+$`)

// ownedByAWS reports whether text is a host of AWS, with a port or without.
func ownedByAWS(s string) bool {
	host, port, ok := strings.Cut(strings.ToLower(s), ":")
	if ok && !isPort(port) || !hostForm.MatchString(host) {
		return false
	}
	for _, d := range []string{".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".api.aws", ".on.aws", ".c2s.ic.gov", ".sc2s.sgov.gov", ".csp.hci.ic.gov", ".cloud.adc-e.uk", ".compute.internal", ".ec2.internal"} {
		if strings.HasSuffix(host, d) {
			return true
		}
	}
	return false
}

func isPort(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n > 0 && n < 1<<16
}

// isURL reports whether a URL is scheme, host, port, and a path of known words.
func isURL(s string) bool {
	scheme, rest, _ := strings.Cut(s, "://")
	switch strings.ToLower(scheme) {
	case "http", "https", "ws", "wss", "s3":
	case "ipc", "file":
		return known(rest, 0, nil, 1)
	default:
		return false
	}
	if loginIn(s) {
		return false
	}
	host, path := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		host, path = rest[:i], rest[i:]
	}
	name, port := host, ""
	if i := strings.LastIndexByte(host, ':'); i >= 0 {
		name, port = host[:i], host[i+1:]
	}
	if port != "" && !isPort(port) {
		return false
	}
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err != nil && name != "localhost" && (!hostForm.MatchString(name) || !isName(name)) {
		return false
	}
	if i := strings.IndexAny(path, "?#"); i >= 0 {
		return false
	}
	return known(path, 0, nil, 0)
}

// ShownRefusal is what may be shown of an error of AWS that a log quotes.
func ShownRefusal(r iam.Refusal) iam.Refusal {
	r.Text = Shown(r.Text)
	if r.Principal != "" && !isName(r.Principal) && !identityARN.MatchString(r.Principal) {
		r.Principal = Gap
	}
	if r.Resource != "" && !isName(r.Resource) && !identityARN.MatchString(r.Resource) {
		r.Resource = Gap
	}
	if r.Code != "" && !isName(r.Code) {
		r.Code = Gap
	}
	return r
}

// identityARN is the ARN of a role, a user or a session, whose names may be as mixed as
// those that CloudFormation makes; redaction replaces them.
// Source: IAM User Guide, "IAM and AWS STS quotas" and "IAM identifiers".
var identityARN = pattern.New(`^arn:aws[a-z-]{0,20}:(?:iam|sts)::[0-9]{12}:(?:role|user|assumed-role|instance-profile)(?:/[\w+=,.@-]{1,64}){1,6}$`)
