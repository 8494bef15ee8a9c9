package agentlog

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/pattern"
)

// maxSleep is the longest pause the agent takes: 24 hours and up to two more, after an
// error that it takes for lasting, in releases 3.1 to 3.2; later ones double their pauses
// up to 22 hours, and from 3.3.808 on up to half an hour.
// Source: amazon-ssm-agent, core/app/credentialrefresher/credentialrefresher.go.
const maxSleep = 26*time.Hour + time.Minute

// sleepOf reads the duration of "Sleeping for 27m12s before retrying".
func sleepOf(text string) (time.Duration, bool) {
	_, rest, ok := strings.Cut(text, "leeping for ")
	if !ok {
		return 0, false
	}
	word, _, _ := strings.Cut(rest, " ")
	d, err := time.ParseDuration(word)
	if err != nil || d <= 0 || d > maxSleep {
		return 0, false
	}
	return d, true
}

var everyRE = pattern.New(`every (\d{1,6}) seconds`)

// everyOf reads the interval of "Backing off health check to every 600 seconds for 1800 seconds".
func everyOf(text string) (time.Duration, bool) {
	m := everyRE.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	n, err := strconv.Atoi(m[1])
	d := time.Duration(n) * time.Second
	return d, err == nil && d > 0 && d <= maxSleep
}

// Texts that identify or authorise and never belong into a fact. may tells of a text at
// little cost whether the expression could match: few texts hold anything of the kind, and
// to make the expressions takes more memory than all the rest of reading a log.
var scrubs = []struct {
	may  func(s string) bool
	re   *pattern.Pattern
	with string
}{
	{has("://"), pattern.New(`(?i)([a-z][a-z0-9+.-]*://)[^\s/@"']*:(?:[^\s/"']*|[^\s0-9/"'][^\s"']*)@`), `${1}***@`},
	{has("_proxy"), pattern.New(`(?i)((?:https?|all)_proxy["']?\s*[:=]\s*)[^\s@"']+@`), `${1}***@`},
	{hasRun(16, func(c byte) bool { return isUpper(c) || isDigit(c) }), pattern.New(`\b(A[A-Z]{3})[A-Z0-9]{12,}\b`), `${1}***`},
	{has("hardware id"), pattern.New(`(?i)(the hardware id) \([^)]*\)(.*?)\([^)]*\)`), `${1} (***)${2}(***)`},
	{hasRun(32, func(c byte) bool { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }), pattern.New(`(?i)\b[0-9a-f]{32}\b`), `***`},
	{has("basic ", "bearer "), pattern.New(`(?i)\b(basic|bearer) [A-Za-z0-9+/=._~-]*[A-Z0-9=+/][A-Za-z0-9+/=._~-]{7,}`), `${1} ***`},
	{has("signature", "token", "secret", "activationcode", "passw"), pattern.New(`(?i)((?:signature|security-token|sessiontoken|session_token|secretaccesskey|secret_access_key|secret access key|activationcode|tokenvalue|password|passwd)(?:\\*["'])?\s*[:=>]\s*(?:\\*["'])?)[^\s"'&,;]+`), `${1}***`},
	{hasRun(100, func(c byte) bool { return isLetter(c) || isDigit(c) || c == '+' || c == '/' }), pattern.New(`\b[A-Za-z0-9+/]{100,}={0,2}`), `***`},
}

// has tells of a text whether one of some words, in small letters, is in it in any case. To
// an expression without regard to case the long s is an s.
func has(words ...string) func(s string) bool {
	return func(s string) bool {
		s = strings.ReplaceAll(strings.ToLower(s), "ſ", "s")
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(s, w) })
	}
}

// hasRun tells of a text whether so many such bytes follow each other in it.
func hasRun(least int, is func(c byte) bool) func(s string) bool {
	return func(s string) bool {
		n := 0
		for i := range len(s) {
			if n++; !is(s[i]) {
				n = 0
			}
			if n == least {
				return true
			}
		}
		return false
	}
}

// scrub removes secrets and machine ids from text of the log.
func scrub(s string) string {
	for _, x := range scrubs {
		if x.may(s) {
			s = x.re.ReplaceAllString(s, x.with)
		}
	}
	return s
}

var (
	tagRE  = pattern.New(`<(?:Code>)?([A-Z][A-Za-z]{3,60}(?:Exception|Denied|Request))`)
	messRE = pattern.New(`(?s)<[Mm]essage>(.*?)</[Mm]essage>`)
	tailRE = pattern.New(`(?i)[\s,]+(status code: \d|request id: |RequestID: )`)
)

// notCodes are words before a colon that are no error codes of AWS; the code
// follows them.
var notCodes = map[string]bool{
	"Err": true, "Error": true, "RequestManagedInstanceRoleToken": true, "RegisterManagedInstance": true, "RequestError": false, "Post": true, "Get": true, "User": true, "Credentials": true,
	// Of the second SDK, in agents from 3.3.5068 to before 3.3.5226:
	// "operation error SSM: X, https response error StatusCode: 400, RequestID: x, api error CODE: text".
	"SSM": true, "StatusCode": true, "RequestID": true, "HostID": true,
}

// quote is an entry that quotes an AWS error, not yet parsed: of the thousands in a full
// log only the latest of each kind is.
type quote struct {
	code, action string
	text         []byte // all of the entry

	at    time.Time
	match string // signature
	file  string
}

func saysUnauthorized(text []byte) bool {
	return bytes.Contains(bytes.ToLower(text), []byte(fragUnauth))
}

// quoted is the error that an entry quotes, in parts of that entry.
type quoted struct{ code, action, message []byte }

var accessDenied = []byte("AccessDeniedException")

// quotedIn finds the error that an entry quotes.
func quotedIn(text []byte) (q quoted, ok bool) {
	q.code, q.message = quotedError(text)
	action, at := actionIn(text)
	if q.action = action; len(action) > 0 && len(q.code) == 0 {
		if who := bytes.LastIndex(text[:at], []byte("User: ")); who >= 0 {
			at = who // the sentence begins with whom it is about
		}
		q.code, q.message = accessDenied, text[at:]
	}
	if len(q.code) == 0 {
		if !saysUnauthorized(text) {
			return q, false
		}
		q.message = text
	}
	return q, true
}

// actionIn is the action that a refusal names, and where the words before it begin.
func actionIn(text []byte) (action []byte, at int) {
	before := []byte("not authorized to perform: ")
	for from := 0; ; {
		i := bytes.Index(text[from:], before)
		if i < 0 {
			return nil, 0
		}
		at, from = from+i, from+i+len(before)
		rest := text[from:]
		service := span(rest, 41, func(c byte) bool { return isSmall(c) || isDigit(c) || c == '-' })
		if service == 0 || service > 40 || service == len(rest) || rest[service] != ':' {
			continue
		}
		if n := span(rest[service+1:], 80, func(c byte) bool { return isLetter(c) || isDigit(c) || c == '*' }); n > 0 {
			return rest[:service+1+n], at
		}
	}
}

// span is how many bytes text begins with that are such, at most so many.
func span(text []byte, most int, is func(byte) bool) int {
	n := 0
	for n < len(text) && n < most && is(text[n]) {
		n++
	}
	return n
}

func (q quote) parse() facts.Refusal {
	in, _ := quotedIn(q.text)
	message := string(in.message)
	if i := tailRE.FindStringIndex(message); i != nil {
		message = message[:i[0]]
	}
	r := facts.Refusal{Refusal: iam.ParseRefusal(q.code, gather.OneLine(scrub(message), 1000)), At: q.at, Match: q.match, File: q.file}
	// Of a refused channel some entries say no more than this.
	r.Denied = r.Denied || saysUnauthorized(q.text)
	r.Action = cmp.Or(r.Action, q.action)
	return r
}

// quotedError is the code and the message of the first AWS error in an entry.
func quotedError(text []byte) (code, message []byte) {
	for start, at := range codes(text) {
		c := text[start:at]
		// Those that end so are of the SDK, but for EC2RoleRequestError, and
		// InternalServerError and InternalError, which are codes of services.
		if notCodes[string(c)] || bytes.HasSuffix(c, []byte("Error")) && !bytes.HasPrefix(c, []byte("EC2Role")) && !bytes.HasPrefix(c, []byte("Internal")) {
			continue
		}
		code, message = c, text[at+len(": "):]
		break
	}
	if len(code) == 0 {
		if m := tagRE.FindSubmatch(text); m != nil {
			code, message = m[1], text
		}
	}
	if bytes.Contains(text, []byte("essage>")) {
		if m := messRE.FindSubmatch(text); m != nil {
			message = m[1]
		}
	}
	return code, message
}

// maxCodes is how many words are looked at.
const maxCodes = 8

// codes yields where words of the form of a code begin and end that a colon and a blank
// follow: ThrottlingException, or Client.UnauthorizedOperation. It is what a full log is
// read with, where an expression would take most of the time.
func codes(text []byte) func(yield func(start, end int) bool) {
	return func(yield func(start, end int) bool) {
		n := 0
		for at := 0; n < maxCodes; at++ {
			i := bytes.Index(text[at:], []byte(": "))
			if i < 0 {
				return
			}
			at += i
			start := wordStart(text, at)
			if start > 1 && text[start-1] == '.' && at-start >= 2 && isUpper(text[start]) {
				if s := wordStart(text, start-1); isCode(text, s, start-1) {
					start = s
				}
			}
			if !isCode(text, start, at) && !(start < at && bytes.IndexByte(text[start:at], '.') > 0) {
				continue
			}
			if n++; !yield(start, at) {
				return
			}
		}
	}
}

// maxCode is the longest word that is looked at.
const maxCode = 61

// wordStart is where the letters before the end begin, not too far back.
func wordStart(text []byte, end int) int {
	start := end
	for start > 0 && end-start <= maxCode && isLetter(text[start-1]) {
		start--
	}
	return start
}

// isCode reports whether text[start:end], which is of letters, is a word of the form of a code.
func isCode(text []byte, start, end int) bool {
	if n := end - start; n < 3 || n > maxCode || !isUpper(text[start]) {
		return false
	}
	if start == 0 {
		return true
	}
	b := text[start-1]
	return !isLetter(b) && b != '_' && !isDigit(b)
}

func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }

func isSmall(c byte) bool { return c >= 'a' && c <= 'z' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
