package report

import (
	"strings"

	"ssm-doctor/checks/pattern"
)

// removed stands where a secret stood. No pattern below matches it.
const removed = "[removed]"

// secretPattern finds one kind of secret. hint is a lower-case part of every
// match, exact are parts of which every match has one; text without is not searched.
type secretPattern struct {
	hint  string
	exact []string
	re    *pattern.Pattern
	to    string
	keep  func(match string) bool // nil: never
}

var secretPatterns = []secretPattern{
	{hint: "private key-", re: pattern.New(`(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|$)`), to: removed},
	// user:password@ of a URL, and of a proxy written without a scheme.
	{hint: "@", re: pattern.New(`(?i)([a-z][a-z0-9+.-]*://)[^\s/?#"'<>@\[]+(?:@[^\s/?#"'<>@\[]+)*@`), to: "${1}" + removed + "@"},
	// A password with a slash in it; what is a port is none.
	{hint: "@", re: pattern.New(`(?i)([a-z][a-z0-9+.-]*://)[^\s/@:"'<>\[\]]+:(?:[^\s0-9/@"'<>\[\]]|[0-9]+[^\s0-9/:@?#"'<>\[\]])[^\s"'<>\[\]]*@`), to: "${1}" + removed + "@"},
	{hint: "@", re: pattern.New(`[^\s/@:"'\[\]=,;(]+:[^\s/@"'\[\]]+@([A-Za-z0-9.-]+:[0-9]{1,5}\b)`), to: removed + "@${1}"},
	// The sign before the host, encoded once or more often.
	{hint: "40", re: pattern.New(`(?i)([a-z][a-z0-9+.-]*://)[^\s"'<>]*?%(?:25)*40`), to: "${1}" + removed + "@"},
	{hint: "40", re: pattern.New(`(?i)[^\s/@:"'\[\]=,;(]+(?::|%3a)[^\s/@"'\[\]]+%(?:25)*40([A-Za-z0-9.-]+:[0-9]{1,5}\b)`), to: removed + "@${1}"},
	{hint: "authorization", re: pattern.New(`(?i)(\bauthorization(?:\\*["'])?\s*[:=]\s*(?:\\*["'])?)(?:(?:basic|bearer|negotiate|ntlm|digest|aws4-[a-z0-9-]+)\s+)?[^\s"'\[][^"'\r\n\[]*`), to: "${1}" + removed},
	{hint: "bearer ", re: pattern.New(`(?i)\b(bearer)\s+[A-Za-z0-9+/=._~-]{12,}`), to: "${1} " + removed},
	{hint: "basic ", re: pattern.New(`(?i)\b(basic)\s+[A-Za-z0-9+/=]{8,}`), to: "${1} " + removed, keep: plainWord},
	{hint: "x-amz-", re: pattern.New(`(?i)\b(x-amz-(?:signature|security-token|credential|target-token))((?:\\*["'])?\s*[:=]\s*(?:\\*["'])?)[^\s&"'\[\\][^\s&"'\[]*`), to: "${1}${2}" + removed},
	{hint: "signature=", re: pattern.New(`(?i)\b(signature=)[0-9a-z%+/=]{16,}`), to: "${1}" + removed},
	{hint: "secret", re: pattern.New(`(?i)(secret_?-?(?:access)?_?-?key\w*(?:\\*["'])?\s*[:=]\s*(?:\\*["'])?)[^\s"',;&}\[\\][^\s"',;&}\[]*`), to: "${1}" + removed, keep: placeholderValue},
	{hint: "secret", re: pattern.New(`(?i)(\b[a-z]{2,20}[_-]?secret(?:\\*["'])?\s*[:=]\s*(?:\\*["'])?)[^\s"',;&}\[\\][^\s"',;&}\[]*`), to: "${1}" + removed, keep: placeholderValue},
	{hint: "key", re: pattern.New(`(?i)(\bapi[_-]?key(?:\\*["'])?\s*[:=]\s*(?:\\*["'])?)[^\s"',;&}\[\\][^\s"',;&}\[]*`), to: "${1}" + removed, keep: placeholderValue},
	// Headers as Go prints them.
	{hint: ":[", re: pattern.New(`(?i)(\b[a-z0-9_-]*(?:authorization|cookie|api[_-]?key|token|secret|password|credential)[a-z0-9_-]*:)\[[^\]\r\n]+\]?`), to: "${1}" + removed},
	// A list of cookies, and one, in which an earlier pattern may have found something.
	{hint: "cookie", re: pattern.New(`(?i)(\b(?:set-)?cookie(?:\\*["'])?\s*:\s*)(?:\[\]string\{|\[)(?:(?:\s*\\*"[^"\r\n]*"?\s*,?)+\s*[\]}]?|[^\r\n\]]*\]?)`), to: "${1}" + removed},
	{hint: "cookie", re: pattern.New(`(?i)(\b(?:set-)?cookie(?:\\*["'])?\s*:\s*(?:\\*["'])?)(?:\[removed\])?[^\r\n\["'\s\\\]},)](?:="[^"\r\n]*"|[^\r\n"])*`), to: "${1}" + removed},
	{hint: "key", re: pattern.New(`(?i)(private_?-?key(?:\\*["'])?\s*[:=]\s*(?:\\*["'])?)[^\s"',;&}\[\\][^\s"',;&}\[]{15,}`), to: "${1}" + removed},
	{hint: "pass", re: pattern.New(`(?i)((?:password|passwd|passphrase)(?:\\*["'])?(?:\s*[:=>]\s*|\s+is\s+)(?:\\*["'])?)[^\s"',;&}\[\\][^\s"',;&}\[]*`), to: "${1}" + removed, keep: placeholderValue},
	{hint: "token", re: pattern.New(`(?i)(token(?:value)?(?:\\*["'])?\s*[:=]\s*(?:\\*["'])?)[A-Za-z0-9+/=_.~-]{20,}`), to: "${1}" + removed, keep: placeholderValue},
	{hint: "code", re: pattern.New(`(?i)((?:-code|activation_?-?\s?code)(?:\\*["'])?(?:\s*[:=,]\s*|\s+(?:is\s+)?)(?:\\*["'])?)[A-Za-z0-9+/=_-]{10,}`), to: "${1}" + removed, keep: placeholderValue},
	{hint: "pwd", re: pattern.New(`(?i)(\bpwd(?:\\*["'])?\s*=\s*(?:\\*["'])?)[^\s"'/,;&}\[\\][^\s"',;&}\[]*`), to: "${1}" + removed, keep: placeholderValue},
	{exact: []string{"MII"}, re: pattern.New(`\bMII[A-Za-z0-9+/=]{16,}`), to: removed},
	// Ids of access keys: the first four characters say what kind it is.
	{exact: []string{"AKIA", "ASIA", "ABIA", "ACCA"}, re: pattern.New(`\b(AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,}\b`), to: "${1}…"},
	{hint: "eyj", re: pattern.New(`\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?`), to: removed},
	// Session tokens of STS and of the metadata service begin alike.
	{exact: []string{"IQoJb3JpZ2lu", "FwoGZXIvYXdz", "FQoGZXIvYXdz", "FQoDYXdz", "AQoDYXdz", "AQAEA"}, re: pattern.New(`\b(?:IQoJb3JpZ2lu|FwoGZXIvYXdz|FQoGZXIvYXdz|FQoDYXdz|AQoDYXdz|AQAEA)[A-Za-z0-9+/=_%-]{16,}`), to: removed},
}

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
// ids. It finds them by their form, so it works on text of any origin.
func stripSecrets(s string) string {
	if len(s) < 8 {
		return s
	}
	low := strings.ToLower(s)
	for _, p := range secretPatterns {
		if p.hint != "" && !strings.Contains(low, p.hint) || p.exact != nil && !containsAny(s, p.exact) {
			continue
		}
		if p.keep == nil {
			s = p.re.ReplaceAllString(s, p.to)
			continue
		}
		s = p.re.ReplaceAllStringFunc(s, func(m string) string {
			if p.keep(m) {
				return m
			}
			return p.re.ReplaceAllString(m, p.to)
		})
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
