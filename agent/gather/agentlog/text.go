package agentlog

import (
	"cmp"
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

// Texts that identify or authorise and never belong into a fact.
var scrubs = []struct {
	re   *pattern.Pattern
	with string
}{
	{pattern.New(`(?i)([a-z][a-z0-9+.-]*://)[^\s/@"']*:(?:[^\s/"']*|[^\s0-9/"'][^\s"']*)@`), `${1}***@`},
	{pattern.New(`(?i)((?:https?|all)_proxy["']?\s*[:=]\s*)[^\s@"']+@`), `${1}***@`},
	{pattern.New(`\b(A[A-Z]{3})[A-Z0-9]{12,}\b`), `${1}***`},
	{pattern.New(`(?i)(the hardware id) \([^)]*\)(.*?)\([^)]*\)`), `${1} (***)${2}(***)`},
	{pattern.New(`(?i)\b[0-9a-f]{32}\b`), `***`},
	{pattern.New(`(?i)\b(basic|bearer) [A-Za-z0-9+/=._~-]*[A-Z0-9=+/][A-Za-z0-9+/=._~-]{7,}`), `${1} ***`},
	{pattern.New(`(?i)((?:signature|security-token|sessiontoken|session_token|secretaccesskey|secret_access_key|secret access key|activationcode|tokenvalue|password|passwd)(?:\\*["'])?\s*[:=>]\s*(?:\\*["'])?)[^\s"'&,;]+`), `${1}***`},
	{pattern.New(`\b[A-Za-z0-9+/]{100,}={0,2}`), `***`},
}

// scrub removes secrets and machine ids from text of the log.
func scrub(s string) string {
	for _, x := range scrubs {
		s = x.re.ReplaceAllString(s, x.with)
	}
	return s
}

var (
	tagRE    = pattern.New(`<(?:Code>)?([A-Z][A-Za-z]{3,60}(?:Exception|Denied|Request))`)
	actionRE = pattern.New(`not authorized to perform: ([a-z0-9-]{1,40}:[A-Za-z0-9*]{1,80})`)
	messRE   = pattern.New(`(?s)<[Mm]essage>(.*?)</[Mm]essage>`)
	tailRE   = pattern.New(`(?i)[\s,]+(status code: \d|request id: |RequestID: )`)
)

// notCodes are words before a colon that are no error codes of AWS; the code
// follows them.
var notCodes = map[string]bool{
	"Err": true, "Error": true, "RequestError": false, "Post": true, "Get": true, "User": true, "Credentials": true,
	// Of the second SDK, in agents from 3.3.5068 to before 3.3.5226:
	// "operation error SSM: X, https response error StatusCode: 400, RequestID: x, api error CODE: text".
	"SSM": true, "StatusCode": true, "RequestID": true, "HostID": true,
}

// parseRefusal reads an AWS error that a log entry quotes: its code, the action
// it names and its message without request id. ok is false when it quotes none.
func parseRefusal(text string) (r facts.Refusal, ok bool) {
	q, ok := quoteRefusal(text)
	if !ok {
		return r, false
	}
	return q.parse(), true
}

// quote is an AWS error as an entry quotes it, not yet parsed: of the thousands
// in a full log only the latest of each kind is.
type quote struct {
	code, action, message string
	text                  string // all of the entry

	at    time.Time
	match string // signature
	file  string
}

func saysUnauthorized(text string) bool {
	return strings.Contains(strings.ToLower(text), fragUnauth)
}

// quoteRefusal finds the error that an entry quotes.
func quoteRefusal(text string) (q quote, ok bool) {
	code, message := quotedError(text)
	action := ""
	if m := actionRE.FindStringSubmatch(text); m != nil {
		action = m[1]
		if code == "" {
			at := strings.Index(text, m[0])
			if who := strings.LastIndex(text[:at], "User: "); who >= 0 {
				at = who // the sentence begins with whom it is about
			}
			code, message = "AccessDeniedException", text[at:]
		}
	}
	if code == "" {
		if !saysUnauthorized(text) {
			return q, false
		}
		message = text
	}
	return quote{code: code, action: action, message: message, text: text}, true
}

func (q quote) parse() facts.Refusal {
	message := q.message
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
func quotedError(text string) (code, message string) {
	for start, at := range codes(text) {
		c := text[start:at]
		// Those that end so are of the SDK, but for EC2RoleRequestError, and
		// InternalServerError and InternalError, which are codes of services.
		if notCodes[c] || strings.HasSuffix(c, "Error") && !strings.HasPrefix(c, "EC2Role") && !strings.HasPrefix(c, "Internal") {
			continue
		}
		code, message = c, text[at+len(": "):]
		break
	}
	if code == "" {
		if m := tagRE.FindStringSubmatch(text); m != nil {
			code, message = m[1], text
		}
	}
	if strings.Contains(text, "essage>") {
		if m := messRE.FindStringSubmatch(text); m != nil {
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
func codes(text string) func(yield func(start, end int) bool) {
	return func(yield func(start, end int) bool) {
		n := 0
		for at := 0; n < maxCodes; at++ {
			i := strings.Index(text[at:], ": ")
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
			if !isCode(text, start, at) && !(start < at && strings.IndexByte(text[start:at], '.') > 0) {
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
func wordStart(text string, end int) int {
	start := end
	for start > 0 && end-start <= maxCode && isLetter(text[start-1]) {
		start--
	}
	return start
}

// isCode reports whether text[start:end], which is of letters, is a word of the form of a code.
func isCode(text string, start, end int) bool {
	if n := end - start; n < 3 || n > maxCode || !isUpper(text[start]) {
		return false
	}
	if start == 0 {
		return true
	}
	b := text[start-1]
	return !isLetter(b) && b != '_' && (b < '0' || b > '9')
}

func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }
