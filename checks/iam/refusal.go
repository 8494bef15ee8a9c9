package iam

import (
	"encoding/json"
	"html"
	"strings"
	"sync"

	"ssm-doctor/checks/pattern"
)

// maxRefusal is the most of a message that is looked at, in bytes.
const maxRefusal = 16 << 10

// Refusal is what the text of an error says, in the wordings of "Troubleshoot
// access denied error messages" in the IAM user guide. AWS does not promise
// them, so everything but Code and Text is best effort.
type Refusal struct {
	Code string `json:"code"`
	Text string `json:"text"` // white space collapsed
	// Pattern names the wording that matched; empty: none.
	Pattern   string `json:"pattern,omitempty"`
	Action    string `json:"action,omitempty"`
	Resource  string `json:"resource,omitempty"` // without the word "resource:" and quotes
	Principal string `json:"principal,omitempty"`
	Layer     string `json:"layer,omitempty"`    // a Layer constant, "unknown" when the text names none
	Via       string `json:"via,omitempty"`      // second layer named, if any
	Explicit  bool   `json:"explicit,omitempty"` // an explicit deny; false also when not told
	Implicit  bool   `json:"implicit,omitempty"` // nothing allows it
	PolicyARN string `json:"policy_arn,omitempty"`
	Encoded   string `json:"encoded,omitempty"` // argument of sts:DecodeAuthorizationMessage
	// NotIAM: the text is about a setting or a name, not about a policy.
	NotIAM bool `json:"not_iam,omitempty"`
	// Denied: the service refused for lack of permission.
	Denied bool `json:"denied,omitempty"`
}

// Proves reports whether the refusal proves that the action is denied: a
// refusal code and a text that names the action.
func (r Refusal) Proves(action string) bool {
	return r.Denied && !r.NotIAM && r.Action != "" && strings.EqualFold(r.Action, action)
}

const (
	head   = `User(?:: (?P<principal>\S+))? is not authorized to perform: (?P<action>[A-Za-z0-9-]+:[A-Za-z0-9*]+)(?: on (?P<resource>(?:the )?resource: (?:"[^"]+"|(?:role|user|group|policy|instance profile) \S+|\S+)|this resource|the resource associated with this ciphertext))?`
	typed  = `identity-based policy|resource-based policy|service control policy|resource control policy|VPC endpoint policy|permissions boundary|sessions? policy|role trust policy`
	arnTxt = `(?:(?:,? with policy ARN)?: ?(?P<policy_arn>arn:[a-z-]+:(?:iam|organizations)::[0-9A-Za-z-]*:policy/[A-Za-z0-9+=,.@_/-]*[A-Za-z0-9+=,@_/-]))?`
)

type refusalPattern struct {
	id string
	re *pattern.Pattern
}

// The order matters: the first that matches counts.
var refusalPatterns = sync.OnceValue(func() []refusalPattern {
	var out []refusalPattern
	for _, p := range [][2]string{
		{"explicit-deny", head + ` with an explicit deny in (?:an?|the) (?P<type>` + typed + `)(?: transitively through an? (?P<via>` + typed + `))?` + arnTxt},
		{"implicit-deny", head + ` because no (?P<type>` + typed + `) allows the (?P<missing>\S+) action`},
		{"s3-setting", head + ` because (?P<reason>this bucket has blocked|public (?:ACLs|policies) are prevented).*`},
		{"explicit-deny-untyped", head + ` with an explicit deny\b`},
		{"named-deny-bare", head + `(?:[.<,;]| |$)`},
		{"dhmc-not-configured", `instance management role is not configured for account`},
		{"ssm-aws-namespace", `No access to "?/?aws/?"? namespace`},
		{"kms-key-opaque", `ciphertext refers to a customer master key that does not exist`},
		{"ec2-encoded", `^You are not authorized to perform this operation\..*Encoded authorization failure message: (?P<blob>[A-Za-z0-9_-]+)`},
		{"ec2-bare", `^You are not authorized to perform this operation\.?$`},
		{"s3-bare", `^Access Denied\.?$`},
	} {
		out = append(out, refusalPattern{p[0], pattern.New(`(?i)` + p[1])})
	}
	return out
})

var (
	xmlMessage = pattern.New(`(?is)<message[^>]*>(.*?)</message>`)
	xmlCode    = pattern.New(`(?is)<code[^>]*>\s*([A-Za-z0-9_.]+)\s*</code>`)
	xmlElement = pattern.New(`<(AccessDenied(?:Exception)?|UnauthorizedOperation)\b`)
	codeInText = pattern.New(`\b(AccessDenied(?:Exception)?|UnauthorizedOperation)\b`)
	blobInText = pattern.New(`Encoded authorization failure message: ([A-Za-z0-9_-]+)`)
)

// ParseRefusal reads an error: the code as the protocol gives it (x-amzn-ErrorType,
// __type or an XML code) and the message, which may also be the whole JSON or
// XML body or a log line that holds one.
func ParseRefusal(code, message string) Refusal {
	if len(message) > maxRefusal {
		message = message[:maxRefusal]
	}
	code, message = unwrapXML(unwrapJSON(code, strings.ToValidUTF8(message, "\ufffd")))
	if code == "" {
		code = codeInText.FindString(message)
	}
	code = errorCode(code)
	r := Refusal{Code: code, Text: strings.Join(strings.Fields(message), " "), Layer: LayerUnknown, Denied: deniedCode(code)}
	r.matchWording()
	if m := blobInText.FindStringSubmatch(r.Text); m != nil && r.Encoded == "" {
		r.Encoded = m[1]
	}
	return r
}

// unwrapJSON takes the message out of a JSON body, and the code where none is given.
func unwrapJSON(code, message string) (string, string) {
	t := strings.TrimSpace(message)
	if !strings.HasPrefix(t, "{") {
		return code, message
	}
	var body struct {
		Type     string `json:"__type"`
		Code     string `json:"code"`
		Message  string `json:"message"`
		Message2 string `json:"Message"`
	}
	if json.Unmarshal([]byte(t), &body) != nil {
		return code, message
	}
	if m := body.Message + body.Message2; m != "" {
		message = m
	}
	if code == "" {
		code = body.Type + body.Code
	}
	return code, message
}

// unwrapXML takes the message out of an XML body, and the code where none is given.
func unwrapXML(code, message string) (string, string) {
	m := xmlMessage.FindStringSubmatch(message)
	if m == nil {
		return code, message
	}
	for _, re := range []*pattern.Pattern{xmlCode, xmlElement} {
		if c := re.FindStringSubmatch(message); c != nil && code == "" {
			code = c[1]
		}
	}
	return code, html.UnescapeString(m[1])
}

// matchWording fills what the first wording that matches says.
func (r *Refusal) matchWording() {
	for _, p := range refusalPatterns() {
		m := p.re.FindStringSubmatch(r.Text)
		if m == nil {
			continue
		}
		r.Pattern = p.id
		group := func(name string) string {
			if i := p.re.SubexpIndex(name); i >= 0 {
				return m[i]
			}
			return ""
		}
		r.Action, r.Principal, r.PolicyARN = group("action"), group("principal"), group("policy_arn")
		r.Resource = trimResource(group("resource"))
		r.Encoded = group("blob")
		r.Via = layerOf(group("via"))
		if l := layerOf(group("type")); l != "" {
			r.Layer = l
		}
		break
	}
	switch r.Pattern {
	case "explicit-deny", "explicit-deny-untyped":
		r.Explicit, r.Denied = true, true
	case "implicit-deny":
		r.Implicit, r.Denied = true, true
	case "s3-setting":
		r.Explicit, r.Denied, r.NotIAM, r.Layer = true, true, true, LayerService
	case "named-deny-bare", "ec2-encoded", "ec2-bare", "s3-bare":
		r.Denied = true
	case "dhmc-not-configured", "ssm-aws-namespace":
		r.NotIAM, r.Layer = true, LayerService
	}
}

// errorCode drops the namespace and URL that protocols put around a code.
func errorCode(s string) string {
	if i := strings.LastIndexByte(s, '#'); i >= 0 {
		s = s[i+1:]
	}
	s, _, _ = strings.Cut(s, ":")
	s = strings.TrimSpace(s)
	if len(s) > 120 {
		s = strings.ToValidUTF8(s[:120], "")
	}
	return s
}

func deniedCode(code string) bool {
	switch code {
	case "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "Client.UnauthorizedOperation", "UnauthorizedAccess", "NotAuthorized":
		return true
	}
	return false
}

func trimResource(s string) string {
	if len(s) >= 4 && strings.EqualFold(s[:4], "the ") && strings.Contains(s, "resource:") {
		s = s[4:]
	}
	if rest, ok := cutFold(s, "resource: "); ok {
		s = rest
	}
	return strings.Trim(s, `"`)
}

func layerOf(text string) string {
	switch strings.ToLower(text) {
	case "identity-based policy":
		return LayerIdentity
	case "resource-based policy":
		return LayerResource
	case "service control policy":
		return LayerSCP
	case "resource control policy":
		return LayerRCP
	case "vpc endpoint policy":
		return LayerEndpoint
	case "permissions boundary":
		return LayerBoundary
	case "session policy", "sessions policy":
		return LayerSession
	case "role trust policy":
		return LayerTrust
	}
	return ""
}
