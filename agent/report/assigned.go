package report

import (
	"strings"
	"unicode/utf8"

	"ssm-doctor/checks/logline"
	"ssm-doctor/checks/pattern"
)

// stripAssigned takes out what is said to be a secret by the name before it: name=value,
// name: value, "name": "value", --name value, <name>value, "name is value"; also where
// signs are encoded as in URLs and pages, or escaped as in JSON within JSON. It is one
// pass, since few words of a text are such names.
func stripAssigned(s string) string {
	var b strings.Builder
	end := 0
	for i := 0; i < len(s); {
		if !nameBytes[s[i]] {
			i++
			continue
		}
		from := i
		for i < len(s) && nameBytes[s[i]] {
			i++
		}
		kind := nameKind(s, from, i)
		if kind == noSecret {
			continue
		}
		if a, z := secretBehind(s, from, i, kind); a < z {
			b.WriteString(s[end:a])
			b.WriteString(removed)
			end, i = z, z
		}
	}
	if end == 0 {
		return s
	}
	return b.String() + s[end:]
}

// nameBytes are those that names of variables, options and members are made of.
var nameBytes = func() (in [256]bool) {
	for c := range in {
		in[c] = isWordByte(byte(c)) || c == '-' || c == '.' || c >= utf8.RuneSelf
	}
	return in
}()

// secretKind says how much a name tells of the value behind it.
type secretKind int

const (
	noSecret  secretKind = iota
	maybe                // words, numbers and the like behind it are none: token=required, "token: timed out"
	certain              // anything is one that a reader does not have to fill in
	directory            // PWD is also the name of the folder that one is in
	option               // -p, which has other meanings too
)

// secretNames are the ends of names of secrets, in lower case and without signs, by their
// last letter. A short one has to be a word of its own.
var secretNames = func() (in [256][]secretName) {
	for _, n := range []secretName{
		{"password", certain, false}, {"passwd", certain, false}, {"passphrase", certain, false}, {"passcode", certain, false}, {"pass", certain, false}, {"passw", certain, false}, {"passwort", certain, false}, {"kennwort", certain, false},
		{"passe", certain, true}, {"contraseña", certain, false}, {"contrasena", certain, false}, {"senha", certain, true}, {"wachtwoord", certain, false},
		{"pwd", directory, false}, {"pw", certain, true}, {"psk", certain, true}, {"otp", certain, true}, {"tokencode", certain, false}, {"mfacode", certain, false},
		{"secret", certain, false}, {"secretkey", certain, false}, {"secretaccesskey", certain, false}, {"accesskey", certain, false}, {"apikey", certain, false},
		{"sharedkey", certain, false}, {"accountkey", certain, false}, {"masterkey", certain, false}, {"signingkey", certain, false}, {"encryptionkey", certain, false}, {"privatekey", maybe, false},
		{"token", maybe, false}, {"auth", maybe, true}, {"oauth", maybe, true}, {"credential", maybe, false}, {"signature", maybe, false}, {"sig", maybe, true}, {"activationcode", maybe, false},
	} {
		c := n.end[len(n.end)-1]
		in[c] = append(in[c], n)
	}
	return in
}()

type secretName struct {
	end  string
	kind secretKind
	word bool
}

// notPasses end in "pass" and are none.
var notPasses = []string{"bypass", "compass", "trespass", "surpass", "overpass", "underpass"}

// nameKind is what a name says of the value behind it.
func nameKind(s string, from, to int) secretKind {
	name := s[from:to]
	if to-from < 2 {
		return noSecret
	}
	if name == "-p" {
		return option
	}
	if strings.IndexByte(name, 0xc5) >= 0 || strings.IndexByte(name, 0xe2) >= 0 { // ſ and the sign of kelvin are letters too
		name = strings.NewReplacer("ſ", "s", "\u212a", "k").Replace(name)
	}
	var buf [40]byte
	var at [40]int // where in name
	n := len(buf)
	for i := len(name) - 1; i >= 0 && n > 0; i-- {
		c := name[i]
		switch {
		case c == '_' || c == '-' || c == '.':
			continue
		case c >= '0' && c <= '9' && n == len(buf): // PASSWORD_2
			continue
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
		}
		n--
		buf[n], at[n] = c, i
	}
	low := buf[n:]
	if strings.Contains(string(low), "secretkey") || strings.Contains(string(low), "secretaccesskey") { // SECRET_KEY_BASE
		return certain
	}
	if name == "passwd" && from > 0 && s[from-1] == '/' { // /etc/passwd: permission denied
		return maybe
	}
	for range 2 {
		if len(low) < 2 {
			return noSecret
		}
		for _, known := range secretNames[low[len(low)-1]] {
			if len(low) < len(known.end) || string(low[len(low)-len(known.end):]) != known.end {
				continue
			}
			begins := at[n+len(low)-len(known.end)]
			alone := begins == 0 || strings.Trim(name[:begins], "-") == ""
			if known.word && !alone && isWordByte(name[begins-1]) && name[begins-1] != '_' && !(name[begins] >= 'A' && name[begins] <= 'Z' && name[begins-1] >= 'a') {
				continue
			}
			if known.end == "pass" && endsInAny(string(low), notPasses) {
				return noSecret
			}
			if alone && (known.end == "pass" || known.end == "secret") { // also words of sentences
				return maybe
			}
			return known.kind
		}
		// TokenValue, passwordHash, secrets, SecretString
		cut := false
		for _, end := range []string{"value", "hash", "text", "string", "base64", "plain", "b64", "s"} {
			if len(low) > len(end) && string(low[len(low)-len(end):]) == end {
				low, cut = low[:len(low)-len(end)], true
				break
			}
		}
		if !cut {
			return noSecret
		}
	}
	return noSecret
}

func endsInAny(s string, ends []string) bool {
	for _, e := range ends {
		if strings.HasSuffix(s, e) {
			return true
		}
	}
	return false
}

// secretBehind is the part of s that is a secret, behind a name that ends at i.
func secretBehind(s string, from, i int, kind secretKind) (a, z int) {
	isOption := s[from] == '-' || kind == option
	i, named := quoteAt(s, i)
	j := skipBlanks(s, i)
	sep := signAt(s, j)
	said := false // in words
	switch {
	case kind == option && (sep != "" || j == i) && !(named != "" && sep == ","):
		return 0, 0
	case sep == ">" && kind == maybe && (from == 0 || s[from-1] != '<'):
		return 0, 0
	case sep == ",":
		if !isOption || named == "" { // ["--password", "x"]
			return 0, 0
		}
		j++
	case sep != "":
		j += len(sep)
	case j > i && isOption:
	case j > i && named == "":
		for _, word := range []string{"is ", "was ", "is: ", "to "} {
			if said = strings.HasPrefix(s[j:], word); said {
				j += len(word)
				break
			}
		}
		if !said {
			return 0, 0
		}
	default:
		return 0, 0
	}
	if sep == ":" && j == i+1 && inARN(s[:from]) {
		return 0, 0
	}
	a = skipBlanks(s, j)
	spaced := a > j || said
	below := false // on the next line
	if a < len(s) && (s[a] == '\n' || s[a] == '\r') && sep != "" && sep != "," {
		below = true
		for a < len(s) && (s[a] == '\n' || s[a] == '\r' || s[a] == ' ' || s[a] == '\t') {
			a++
		}
	}
	if a == len(s) || strings.HasPrefix(s[a:], removed) {
		return 0, 0
	}
	encoded := sep != "" && sep[0] == '%'
	if s[a] == '$' { // $'…' of a shell
		if _, quote := quoteAt(s, a+1); quote != "" {
			a++
		}
	}
	a, quote := quoteAt(s, a)
	if quote != "" && strings.HasPrefix(s[a:], quote+quote) { // """…"""
		a += 2 * len(quote)
	}
	if sep == "," && quote == "" || strings.HasPrefix(s[a:], removed) {
		return 0, 0
	}
	switch {
	case quote != "":
		z = endOfQuoted(s, a, quote)
	case a < len(s) && s[a] == '{' && membersAt(s, a+1): // what is in it has names of its own
		return 0, 0
	case a < len(s) && s[a] == '[' && (named != "" || sep == "="):
		a++
		for z = a; z < len(s) && s[z] != ']' && s[z] != '\n'; z++ {
		}
		if strings.Contains(s[a:z], removed) {
			return 0, 0
		}
	case sep == ":" && blockAt(s, a) > 0:
		a = blockAt(s, a)
		for z = a; z < len(s) && (s[z] == ' ' || s[z] == '\t' || s[z] == '\n' || s[z] == '\r'); {
			for z < len(s) && s[z] != '\n' {
				z++
			}
			z = min(z+1, len(s))
		}
		for z > a && (s[z-1] == '\n' || s[z-1] == '\r') {
			z--
		}
		return a, z
	default:
		z = endOfWord(s, a, encoded)
		if kind == certain && sep != "" && sep != "," {
			z = endOfPhrase(s, a, z)
		}
	}
	if v := s[a:z]; v == "" || isNoSecret(s[:from], v, kind, below || spaced && quote == "" && (sep == ":" || said), said, isOption && sep == "") {
		return 0, 0
	}
	return a, z
}

// blockAt is where the lines of a YAML block begin whose sign, such as |- or >, is at i; 0:
// there is none.
func blockAt(s string, i int) int {
	if i == len(s) || s[i] != '|' && s[i] != '>' {
		return 0
	}
	for i++; i < len(s) && strings.IndexByte("+-123456789 \t\r", s[i]) >= 0; i++ {
	}
	if i == len(s) || s[i] != '\n' || i+1 == len(s) || s[i+1] != ' ' && s[i+1] != '\t' || strings.HasPrefix(strings.TrimLeft(s[i+1:], " \t"), removed) {
		return 0
	}
	return i + 1
}

// membersAt reports whether an object of JSON goes on at i.
func membersAt(s string, i int) bool {
	for i < len(s) && s[i] <= ' ' {
		i++
	}
	_, quote := quoteAt(s, i)
	return quote != "" || i == len(s) || s[i] == '}'
}

// assigning are the signs that stand between a name and its value. The longer ones come first.
var assigning = []string{":=", "=>", "==", "=", ":", ">", ",", "%253D", "%253d", "%3D", "%3d", "%253A", "%253a", "%3A", "%3a"}

func signAt(s string, i int) string {
	if i == len(s) || strings.IndexByte(":=>,%", s[i]) < 0 {
		return ""
	}
	for _, sign := range assigning {
		if strings.HasPrefix(s[i:], sign) {
			return sign
		}
	}
	return ""
}

// quotes as they are written in text, pages, URLs and JSON.
var quotes = []string{`"`, "'", "`", "&quot;", "&#34;", "&#39;", "&apos;", "%22", "%27", "%2522", "u0022", "u0027"}

// quoteAt is a quotation mark with the backslashes before it, and where what follows begins.
func quoteAt(s string, i int) (next int, quote string) {
	j := i
	for j < len(s) && s[j] == '\\' {
		j++
	}
	if j == len(s) || strings.IndexByte("\"'`&%u", s[j]) < 0 {
		return i, ""
	}
	for _, q := range quotes {
		if strings.HasPrefix(s[j:], q) && (q[0] != 'u' || j > i) {
			return j + len(q), s[i : j+len(q)]
		}
	}
	return i, ""
}

func skipBlanks(s string, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\t') {
		i++
	}
	return i
}

// endOfQuoted is where the quotation ends that begins at i. With n backslashes before the
// marks, one within has n+1 more, and each backslash of the value is 2(n+1) of them.
func endOfQuoted(s string, i int, quote string) int {
	mark := strings.TrimLeft(quote, "\\")
	n, run := len(quote)-len(mark), 0
	for z := i; z < len(s); z++ {
		switch {
		case s[z] == '\n' || s[z] == '\r':
			return z
		case s[z] == '\\':
			run++
			continue
		case strings.HasPrefix(s[z:], mark) && run%(2*(n+1)) == n:
			return z - n
		}
		run = 0
	}
	return len(s)
}

// endOfWord is where a value ends that is in no quotes. A comma and its like end it only
// where another name and value follow, or nothing.
func endOfWord(s string, i int, encoded bool) int {
	z := i
	for z < len(s) {
		switch c := s[z]; {
		case c <= ' ' || c == '"' || c == '\'' || c == '`' || strings.HasPrefix(s[z:], "</"):
			return z
		case c == '\\' && z+1 < len(s) && strings.IndexByte(`"'\`, s[z+1]) >= 0:
			return z
		case encoded && c == '%' && hasAnyPrefix(s[z:], encodedEnds):
			return z
		case c == '}' || c == ')' || c == ']' || c == ',' || c == ';' || c == '&':
			next := z + 1
			for next < len(s) && nameBytes[s[next]] {
				next++
			}
			if next == z+1 || next < len(s) && strings.IndexByte("=:\"'", s[next]) >= 0 {
				return z
			}
		}
		z++
	}
	return z
}

// endOfPhrase is where a value ends that may hold blanks: with the line, or where another
// name and its value, an option or another command begins. What is recognised as words of a
// log is a sentence, of which the value is the first word.
func endOfPhrase(s string, a, z int) int {
	end := z
	for end < len(s) {
		from := skipBlanks(s, end)
		to := endOfWord(s, from, false)
		if from == end || to == from || s[from] == '-' || s[from] == '|' || s[from] == '[' || s[from] == '<' {
			break
		}
		if strings.ContainsAny(s[from:to], "=:") || to < len(s) && strings.IndexByte("\"'`", s[to]) >= 0 {
			break
		}
		end = to
	}
	if end == z || isKnown(s[a:end]) || isKnown(strings.TrimSpace(s[z:end])) {
		return z
	}
	return end
}

var encodedEnds = []string{"%26", "%22", "%27", "%2C", "%2c", "%7D", "%7d", "%20", "%3B", "%3b"}

func hasAnyPrefix(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// isNoSecret reports whether a value is nothing that anybody keeps to themselves. loose
// says that it follows a colon and a space, or a word, as also a sentence does.
func isNoSecret(before, v string, kind secretKind, loose, said, isOption bool) bool {
	v = strings.TrimRight(v, ".,;:!)]}")
	switch {
	case v == "" || isOption && v[0] == '-':
		return true
	case reKeyID.MatchString(v): // its kind is shown
		return true
	case loose && reErrorName.MatchString(v), rePlaceholder.MatchString(v):
		return true
	case kind == directory:
		return v[0] == '/' || v[0] == '~' || len(v) > 2 && v[1] == ':' && v[2] == '\\'
	case kind == option:
		return strings.ContainsAny(v, "/\\") || rePorts.MatchString(v) || otherOption(before) || isKnown(v)
	case kind == certain:
		return said && isKnown(v) && logline.IsWord(v)
	case reToken.MatchString(v) || reNumbered.MatchString(v) || reShortAccount.MatchString(v): // of a redacted report
		return true
	case loose && !(strings.ContainsAny(v, "0123456789") && strings.ContainsAny(strings.ToLower(v), "abcdefghijklmnopqrstuvwxyz")) && len(v) < 20:
		return true
	}
	return settings[strings.ToLower(v)] || isKnown(v)
}

// settings are values of options that are called like a secret: HttpTokens, auth.
var settings = map[string]bool{"optional": true, "basic": true, "digest": true, "bearer": true, "ntlm": true, "kerberos": true, "negotiate": true, "peer": true, "md5": true, "on": true, "off": true}

// inARN reports whether the last word of text begins an ARN, of which "secret" is a part.
func inARN(s string) bool {
	i := strings.LastIndex(s[max(0, len(s)-100):], "arn:aws")
	return i >= 0 && !strings.ContainsAny(s[max(0, len(s)-100)+i:], " \t\n\"',;&")
}

// isKnown reports whether all of a value is recognised as in a line of a log.
func isKnown(v string) bool {
	return len(v) <= 200 && logline.Shown(v) == v && !strings.Contains(v, logline.Gap)
}

// otherOption reports whether -p belongs to a program to which it is no password.
func otherOption(before string) bool {
	if i := strings.LastIndexAny(before, "|;&\n"); i >= 0 {
		before = before[i:]
	}
	return reOtherOption.MatchString(before)
}

var (
	reKeyID       = pattern.New(`^(?:AKIA|ASIA|ABIA|ACCA)(?:[A-Z0-9]{12,}|…)$`)
	reOtherOption = pattern.New(`\b(?:mkdir|cp|install|ps|pgrep|pidof|ssh|scp|nc|ncat|nmap|journalctl|iptables|ip6tables|tar|useradd|perl|python3?|make|patch|docker run|podman run|ss|lsof|kill|taskset|git|touch|read|unzip|sysctl|systemctl|tcpdump)\b`)
	rePorts       = pattern.New(`^[0-9.]+(?:[:/-][0-9a-z]+)*$`)
	// What a reader has to fill in: ACTIVATION_CODE, <code>, $CODE.
	rePlaceholder = pattern.New(`^(?:[A-Z]+(?:[_-][A-Z]+)+|<[^>]*>|\$\{?[A-Za-z_]+\}?|\$\(.*|\*+|…|%[svq])$`)
	// CamelCase words are names of errors, as in "RoleToken: AccessDeniedException".
	reErrorName = pattern.New(`^(?:[A-Z][a-z]+){2,}$`)
)
