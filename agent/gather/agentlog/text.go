package agentlog

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

// maxSleep is the longest pause the agent takes, with its jitter.
const maxSleep = 3 * time.Hour

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

var everyRE = regexp.MustCompile(`every (\d{1,6}) seconds`)

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
	re   *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`(?i)([a-z][a-z0-9+.-]*://)[^\s/@"']*:(?:[^\s/"']*|[^\s0-9/"'][^\s"']*)@`), `${1}***@`},
	{regexp.MustCompile(`(?i)((?:https?|all)_proxy["']?\s*[:=]\s*)[^\s@"']+@`), `${1}***@`},
	{regexp.MustCompile(`\b(A[A-Z]{3})[A-Z0-9]{12,}\b`), `${1}***`},
	{regexp.MustCompile(`(?i)(the hardware id) \([^)]*\)(.*?)\([^)]*\)`), `${1} (***)${2}(***)`},
	{regexp.MustCompile(`(?i)\b[0-9a-f]{32}\b`), `***`},
	{regexp.MustCompile(`(?i)\b(basic|bearer) [A-Za-z0-9+/=._~-]*[A-Z0-9=+/][A-Za-z0-9+/=._~-]{7,}`), `${1} ***`},
	{regexp.MustCompile(`(?i)((?:signature|security-token|sessiontoken|session_token|secretaccesskey|secret_access_key|secret access key|activationcode|tokenvalue|password|passwd)(?:\\*["'])?\s*[:=>]\s*(?:\\*["'])?)[^\s"'&,;]+`), `${1}***`},
	{regexp.MustCompile(`\b[A-Za-z0-9+/]{100,}={0,2}`), `***`},
}

// scrub removes secrets and machine ids from text of the log.
func scrub(s string) string {
	for _, x := range scrubs {
		s = x.re.ReplaceAllString(s, x.with)
	}
	return s
}

var (
	codeRE   = regexp.MustCompile(`\b([A-Z][A-Za-z]{2,60}(?:\.[A-Z][A-Za-z]+)?): `)
	tagRE    = regexp.MustCompile(`<(?:Code>)?([A-Z][A-Za-z]{3,60}(?:Exception|Denied|Request))`)
	actionRE = regexp.MustCompile(`not authorized to perform: ([a-z0-9-]{1,40}:[A-Za-z0-9*]{1,80})`)
	messRE   = regexp.MustCompile(`(?s)<[Mm]essage>(.*?)</[Mm]essage>`)
	tailRE   = regexp.MustCompile(`(?i)[\s,]+(status code: \d|request id: |RequestID: )`)
)

// notCodes are words before a colon that are no error codes of AWS; the code
// follows them.
var notCodes = map[string]bool{
	"Err": true, "Error": true, "RequestError": false, "Post": true, "Get": true, "User": true, "Credentials": true,
}

// parseRefusal reads an AWS error that a log entry quotes: its code, the action
// it names and its message without request id. ok is false when it quotes none.
func parseRefusal(text string) (r facts.Refusal, ok bool) {
	for _, m := range codeRE.FindAllStringSubmatchIndex(text, 8) {
		code := text[m[2]:m[3]]
		if notCodes[code] || strings.HasSuffix(code, "Error") && !strings.HasPrefix(code, "EC2Role") {
			continue
		}
		r.Code, r.Message = code, text[m[1]:]
		break
	}
	if r.Code == "" {
		if m := tagRE.FindStringSubmatch(text); m != nil {
			r.Code, r.Message = m[1], text
		}
	}
	if m := messRE.FindStringSubmatch(text); m != nil {
		r.Message = m[1]
	}
	if m := actionRE.FindStringSubmatch(text); m != nil {
		r.Action = m[1]
		if r.Code == "" {
			r.Code, r.Message = "AccessDeniedException", text[strings.Index(text, m[0]):]
		}
	}
	if r.Code == "" {
		return r, false
	}
	if i := tailRE.FindStringIndex(r.Message); i != nil {
		r.Message = r.Message[:i[0]]
	}
	r.Message = gather.OneLine(scrub(r.Message), 1000)
	return r, true
}
