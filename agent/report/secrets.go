package report

import (
	"strings"
	"sync"

	"ssm-doctor/checks/logline"
	"ssm-doctor/checks/pattern"
)

// removed stands where a secret stood. No pattern below matches it.
const removed = "[removed]"

// secretPattern finds one kind of secret. hints are lower-case parts of every match,
// exact are parts of which every match has one; text without is not searched.
type secretPattern struct {
	hints []string
	exact []string
	re    *pattern.Pattern
	to    string
	keep  func(match string) bool // nil: never
	word  bool                    // a match holds no white space, so only words with the hints are searched
}

// secretPatterns are those that no name before them tells, or that go on behind white
// space and quotation marks; stripAssigned finds the others.
var secretPatterns = []secretPattern{
	{hints: []string{"private key-"}, re: pattern.New(`(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|$)`), to: removed},
	// user:password@ of a URL, with a scheme or without, and of a proxy.
	{hints: []string{"//", "@"}, re: pattern.New(`(?i)((?:\b[a-z][a-z0-9+.-]*:)?//)[^\s/?#"'<>@\[]+(?:@[^\s/?#"'<>@\[]+)*@`), to: "${1}" + removed + "@", word: true},
	// A password with a slash in it; what is a port is none.
	{hints: []string{"://", "@"}, re: pattern.New(`(?i)([a-z][a-z0-9+.-]*://)[^\s/@:"'<>\[\]]+:(?:[^\s0-9/@"'<>\[\]]|[0-9]+[^\s0-9/:@?#"'<>\[\]])[^\s"'<>\[\]]*@`), to: "${1}" + removed + "@", word: true},
	{hints: []string{":", "@"}, re: pattern.New(`[^\s/@:"'\[\]=,;(]+:[^\s/@"'\[\]]+@([A-Za-z0-9.-]+:[0-9]{1,5}\b|(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}\b|(?:tcp[46]?|udp|unix)\()`), to: removed + "@${1}", word: true},
	// The sign before the host, encoded once or more often.
	{hints: []string{"://", "40", "%"}, re: pattern.New(`(?i)([a-z][a-z0-9+.-]*://)[^\s"'<>]*?%(?:25)*40`), to: "${1}" + removed + "@", word: true},
	{hints: []string{"40", "%"}, re: pattern.New(`(?i)[^\s/@:"'\[\]=,;(]+(?::|%(?:25)*3a)[^\s/@"'\[\]]+%(?:25)*40([A-Za-z0-9.-]+:[0-9]{1,5}\b)`), to: removed + "@${1}", word: true},
	// curl -u user:password, and options of the same form; what is all digits is a user and a group.
	{hints: []string{"-u", ":"}, re: pattern.New(`(?i)((?:^|[\s"'\[(])(?:-u|--(?:proxy-|ftp-|http-)?user)(?:=|\s*|\\*["'],\s*\\*["'])(?:\\*["'])?[^\s:"'=\\-][^\s:"'=\\]*:)[^\s"'\[\\][^\s"']*`), to: "${1}" + removed, keep: userAndGroup},
	{hints: []string{"-u", "%"}, re: pattern.New(`(\bsmb(?:client|get|cacls)\b[^\n|;]*\s-U\s*["']?[^\s%"'\[]+%)[^\s"'\[]+`), to: "${1}" + removed},
	{hints: []string{" -p"}, exact: []string{"mysql", "mariadb", "sshpass", "7z"}, re: pattern.New(`(\b(?:mysql\w*|mariadb[\w-]*|sshpass|7za?)\b[^\n|;]*?\s-p)[^\s"'=\[][^\s]*`), to: "${1}" + removed},
	{exact: []string{"ldap", "redis-cli", "ipmitool"}, re: pattern.New(`(\b(?:ldap\w*\b[^\n|;]*?\s-w|redis-cli\b[^\n|;]*?\s-a|ipmitool\b[^\n|;]*?\s-P)\s*["']?)[^\s"'\[-][^\s"']*`), to: "${1}" + removed},
	{hints: []string{"securestring"}, re: pattern.New(`(?i)(\bConvertTo-SecureString\s+(?:-String\s+)?\\*["']?)[^\s"'\\\[$(-][^"'\r\n]*`), to: "${1}" + removed},
	{hints: []string{"authorization"}, re: pattern.New(`(?i)(\bauthorization(?:\\*["'])?\s*[:=]\s*(?:\\*["'])?)(?:(?:basic|bearer|negotiate|ntlm|digest|aws4-[a-z0-9-]+)\s+)?[^\s"'\[][^"'\r\n\[]*`), to: "${1}" + removed},
	{hints: []string{"bearer "}, re: pattern.New(`(?i)\b(bearer)\s+[A-Za-z0-9+/=._~-]{12,}`), to: "${1} " + removed},
	{hints: []string{"basic "}, re: pattern.New(`(?i)\b(basic)\s+[A-Za-z0-9+/=]{8,}`), to: "${1} " + removed, keep: plainWord},
	{hints: []string{"x-amz-"}, re: pattern.New(`(?i)\b(x-amz-(?:signature|security-token|credential|target-token))((?:\\*["'])?\s*[:=]\s*(?:\\*["'])?)[^\s&"'\[\\][^\s&"'\[]*`), to: "${1}${2}" + removed},
	// Headers as Go prints them.
	{hints: []string{":["}, re: pattern.New(`(?i)(\b[a-z0-9_-]*(?:authorization|cookie|api[_-]?key|token|secret|password|credential)[a-z0-9_-]*:)\[[^\]\r\n]+\]?`), to: "${1}" + removed},
	// A list of cookies, and one, in which an earlier pattern may have found something.
	{hints: []string{"cookie"}, re: pattern.New(`(?i)(\b(?:set-)?cookie(?:\\*["'])?\s*:\s*)(?:\[\]string\{|\[)(?:(?:\s*\\*"[^"\r\n]*"?\s*,?)+\s*[\]}]?|[^\r\n\]]*\]?)`), to: "${1}" + removed},
	{hints: []string{"cookie"}, re: pattern.New(`(?i)(\b(?:set-)?cookie(?:\\*["'])?\s*:\s*(?:\\*["'])?)(?:\[removed\])?[^\r\n\["'\s\\\]},)](?:="[^"\r\n]*"|[^\r\n"])*`), to: "${1}" + removed},
	{hints: []string{"cookie"}, re: pattern.New(`(?i)(cookies?\s?=\s?["']?)[^\s"'\[][^\s"']*`), to: "${1}" + removed, keep: placeholderValue},
	{hints: []string{"code"}, re: pattern.New(`(?i)((?:-code|activation_?-?\s?code)(?:\\*["'])?(?:\s*[:=,]\s*|\s+(?:is\s+)?)(?:\\*["'])?)[A-Za-z0-9+/=_-]{10,}`), to: "${1}" + removed, keep: placeholderValue},
	{exact: []string{"MII"}, re: pattern.New(`\bMII[A-Za-z0-9+/=]{16,}`), to: removed, word: true},
	// Ids of access keys: the first four characters say what kind it is.
	{exact: []string{"AKIA", "ASIA", "ABIA", "ACCA"}, re: pattern.New(`\b(AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,}\b`), to: "${1}…", word: true},
	{exact: []string{"eyJ"}, re: pattern.New(`\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?`), to: removed, word: true},
	// Session tokens of STS and of the metadata service begin alike.
	{exact: []string{"IQoJb3JpZ2lu", "FwoGZXIvYXdz", "FQoGZXIvYXdz", "FQoDYXdz", "AQoDYXdz", "AQAEA"}, re: pattern.New(`\b(?:IQoJb3JpZ2lu|FwoGZXIvYXdz|FQoGZXIvYXdz|FQoDYXdz|AQoDYXdz|AQAEA)[A-Za-z0-9+/=_%-]{16,}`), to: removed, word: true},
	{exact: logline.IssuedStarts, re: logline.Issued, to: removed, word: true},
}

// userAndGroup spares numbers, as in "--user 1000:1000".
var reUserAndGroup = pattern.New(`[\s=][0-9]+:[0-9]+$`)

func userAndGroup(match string) bool { return reUserAndGroup.MatchString(match) }

// placeholderValue spares what a reader has to fill in: -code ACTIVATION_CODE,
// <code>, $CODE.
// CamelCase words are names of errors, as in "RoleToken: AccessDeniedException".
var rePlaceholderValue = pattern.New(`(?:[ :="']|^)(?:(?:[A-Z][a-z]+){2,}|[A-Z]+(?:[_-][A-Z]+)+|<[^>]*>|\$\{?[A-Za-z_]+\}?|\*+|…)$`)

func placeholderValue(match string) bool { return rePlaceholderValue.MatchString(match) }

// plainWord spares words, as in "basic authentication".
var rePlainWord = pattern.New(`\s[A-Z]?[a-z]+$`)

func plainWord(match string) bool { return rePlainWord.MatchString(match) }

// stripSecrets takes secrets out of text, whatever the flags say: private
// keys, passwords, tokens, signatures, activation codes, secret and access key
// ids. It finds them by their form and by what they are called, so it works on text of
// any origin. What it has done is looked at again, so that doing it twice changes nothing.
func stripSecrets(s string) string {
	if len(s) < 6 || clean.has(s) {
		return s
	}
	if reUnseen.MatchString(s) {
		seen := reUnseen.ReplaceAllString(wide.Replace(s), "")
		if stripped := stripSecrets(seen); stripped != seen {
			return stripped // a secret whose name or form they had split
		}
	}
	for range maxStrips {
		next := stripOnce(s)
		if next == s {
			clean.add(s)
			return s
		}
		s = next
	}
	return removed
}

var wide = strings.NewReplacer("：", ":", "＝", "=")

// reUnseen are signs that are not seen where text is shown, and full-width ones that look
// like another, also escaped: colours of a terminal, zeros, spaces without width.
var reUnseen = pattern.New(`(?:\x1b|\\x1b|\\u001b)\[[0-9;]*[A-Za-z]|\x00|\\x00|\\u0000|[\x{200b}-\x{200f}\x{2060}\x{feff}\x{ad}]|\\u(?:200[b-f]|2060|feff|00ad)|\\xad|\x{ff1a}|\x{ff1d}`)

// clean are texts in which nothing was found. A report holds most of its texts several
// times, and is looked through again when it is written.
var clean cleanTexts

// cleanTexts remembers a few texts, until there are too many.
type cleanTexts struct {
	mu    sync.Mutex
	texts map[string]struct{}
}

const maxClean, maxCleanBytes = 512, 400

func (c *cleanTexts) has(s string) bool {
	if len(s) > maxCleanBytes {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.texts[s]
	return ok
}

func (c *cleanTexts) add(s string) {
	if len(s) > maxCleanBytes {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.texts == nil || len(c.texts) >= maxClean {
		c.texts = make(map[string]struct{}, maxClean)
	}
	c.texts[strings.Clone(s)] = struct{}{}
}

// maxStrips is more than text of any form was seen to need: three.
const maxStrips = 6

func stripOnce(s string) string {
	s = stripAssigned(s)
	low := strings.ToLower(s)
	for i := range secretPatterns {
		p := &secretPatterns[i]
		switch {
		case !p.mayMatch(low, s):
		case p.word:
			s = editWords(s, func(word string) string {
				if !p.mayMatch(strings.ToLower(word), word) {
					return word
				}
				return p.strip(word)
			})
		default:
			s = p.strip(s)
		}
	}
	if longestRun(s) < 40 {
		return s
	}
	// An encoded refusal looks like a key, and is there to be handed to sts.
	var out strings.Builder
	from := 0
	for _, at := range append(reEncoded.FindAllStringIndex(s, -1), []int{len(s), len(s)}) {
		out.WriteString(reDense.ReplaceAllStringFunc(s[from:at[0]], func(m string) string {
			if rest := m[strings.LastIndex(m, agentFolder)+1:]; strings.Contains(m, agentFolder) && len(rest) < 40+len(agentFolder) {
				return m // a path of the agent on macOS
			}
			if keyLike(m) {
				return removed
			}
			return m
		}))
		out.WriteString(s[at[0]:at[1]])
		from = at[1]
	}
	return out.String()
}

// agentFolder is part of all paths of the agent on macOS, which are as long as a key.
const agentFolder = "aws/ssm/"

// reEncoded is an encoded refusal of EC2, which only sts can read.
var reEncoded = pattern.New(`(?:aws sts decode-authorization-message --encoded-message |Encoded authorization failure message: )[A-Za-z0-9_-]+`)

// reDense is where key material can hide: a secret access key has 40
// characters, encoded keys and tokens have more. Dashes are not in it: names
// that CloudFormation makes up would be.
var reDense = pattern.New(`[A-Za-z0-9+/]{40,}={0,2}`)

// longestRun is the length of the longest part without a character that reDense
// leaves out; most text is done with when it is known.
func longestRun(s string) int {
	longest, run := 0, 0
	for i := range len(s) {
		switch b := s[i]; {
		case b >= 'A' && b <= 'Z', b >= 'a' && b <= 'z', b >= '/' && b <= '9', b == '+':
			run++
			longest = max(longest, run)
		default:
			run = 0
		}
	}
	return longest
}

// mayMatch is a cheap test. low is the text in lower case.
func (p *secretPattern) mayMatch(low, s string) bool {
	return containsAll(low, p.hints) && (p.exact == nil || containsAny(s, p.exact))
}

func (p *secretPattern) strip(s string) string {
	if p.keep == nil {
		return p.re.ReplaceAllString(s, p.to)
	}
	return p.re.ReplaceAllStringFunc(s, func(m string) string {
		if p.keep(m) {
			return m
		}
		return p.re.ReplaceAllString(m, p.to)
	})
}

// editWords edits what stands between white space.
func editWords(s string, edit func(word string) string) string {
	const blanks = " \t\n\f\r"
	var b strings.Builder
	end := 0
	for i := 0; i < len(s); {
		n := strings.IndexAny(s[i:], blanks)
		if n < 0 {
			n = len(s) - i
		}
		if word := s[i : i+n]; word != "" {
			if edited := edit(word); edited != word {
				b.WriteString(s[end:i])
				b.WriteString(edited)
				end = i + n
			}
		}
		i += n + 1
	}
	if end == 0 {
		return s
	}
	return b.String() + s[end:]
}

func containsAll(s string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(s, p) {
			return false
		}
	}
	return true
}

func containsAny(s string, parts []string) bool {
	for _, p := range parts {
		if strings.Contains(s, p) {
			return true
		}
	}
	return false
}

// keyLike tells random characters from long paths, names and hexadecimal
// sums: random base64 changes between upper case, lower case, digits and signs
// at two of three places, words do so rarely. A key may be glued to words, so any
// 40 characters in a row are looked at, besides the whole.
func keyLike(s string) bool {
	const width = 40
	random := func(has [4]int, changes, n int) bool {
		return has[0] > 0 && has[1] > 0 && has[2] > 0 && changes*5 >= n*2
	}
	var all, in [4]int
	allChanges, changes := 0, 0
	for i := range len(s) {
		c := letterKind(s[i])
		all[c]++
		in[c]++
		if i > 0 && c != letterKind(s[i-1]) {
			allChanges++
			changes++
		}
		if i >= width {
			gone := letterKind(s[i-width])
			in[gone]--
			if gone != letterKind(s[i-width+1]) {
				changes--
			}
		}
		if i >= width-1 && random(in, changes, width) {
			return true
		}
	}
	return random(all, allChanges, len(s))
}

// letterKind is upper case, lower case, digit or sign.
func letterKind(b byte) int {
	switch {
	case b >= 'A' && b <= 'Z':
		return 0
	case b >= 'a' && b <= 'z':
		return 1
	case b >= '0' && b <= '9':
		return 2
	}
	return 3
}
