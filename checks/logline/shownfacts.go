package logline

import (
	"reflect"
	"strings"
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/pattern"
)

// ShownFacts takes what is not recognised out of the texts that facts hold, and what
// cannot be a name out of their names. What gathers facts does so itself; facts of a
// file may be anybody's.
func ShownFacts(f *facts.Facts) {
	for i := range f.Log.Refusals.Value {
		r := &f.Log.Refusals.Value[i]
		r.Refusal = ShownRefusal(r.Refusal)
	}
	shownLeaves(reflect.ValueOf(f).Elem(), "", shownLeaf)
}

// WholeFacts takes out of the texts that facts hold what only a secret looks like.
func WholeFacts(f *facts.Facts) {
	shownLeaves(reflect.ValueOf(f).Elem(), "", func(field, s string) string {
		if textFields[field] {
			return Whole(s)
		}
		return s
	})
}

// textFields hold sentences of the host's log, of a peer, or of what went wrong. Why
// something was not seen is said in words of ours.
var textFields = map[string]bool{
	"Text": true, "Message": true, "Shape": true, "Error": true, "Body": true, "ParseError": true, "LoadError": true, "What": true,
}

// nameTexts are those of a form of their own: rules of a firewall and of the kernel, and
// what holds a package back.
var nameTexts = map[reflect.Type]bool{
	reflect.TypeFor[facts.FirewallRule](): true, reflect.TypeFor[facts.RoutingRule](): true, reflect.TypeFor[facts.Hold](): true,
}

// shownLeaves changes the strings of a value in place.
func shownLeaves(v reflect.Value, field string, shown func(field, s string) string) {
	switch v.Kind() {
	case reflect.String:
		if s := v.String(); s != "" {
			v.SetString(shown(field, s))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			shownLeaves(v.Elem(), field, shown)
		}
	case reflect.Slice:
		for i := range v.Len() {
			shownLeaves(v.Index(i), field, shown)
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			k := reflect.New(v.Type().Key()).Elem()
			k.Set(it.Key())
			shownLeaves(k, field, shown)
			e := reflect.New(v.Type().Elem()).Elem()
			e.Set(it.Value())
			shownLeaves(e, field, shown)
			v.SetMapIndex(it.Key(), reflect.Value{})
			v.SetMapIndex(k, e)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			switch {
			case !f.IsExported():
			case f.Name == "Value": // of an observation, which has the name of its field
				shownLeaves(v.Field(i), field, shown)
			case f.Name == "Text" && nameTexts[v.Type()]:
				shownLeaves(v.Field(i), "", shown)
			default:
				shownLeaves(v.Field(i), f.Name, shown)
			}
		}
	}
}

func shownLeaf(field, s string) string {
	switch {
	case field == "Encoded" && isEncoded(s):
		return s[:min(len(s), maxEncoded)]
	case textFields[field]:
		return Shown(s)
	case field == "From":
		if source, rest, ok := strings.Cut(s, ":"); ok && strings.Contains(sources, " "+source+" ") {
			return source + ":" + ShownName(rest)
		}
	}
	return ShownName(s)
}

// sources are the kinds of places at which something is seen.
const sources = " adjtimex audit dns dpkg ecs env exec file hosts http imds journal kernel launchctl log network proxy registry rpm rtnetlink scm sts svc systemctl systemd tcp tls uname websocket "

// maxEncoded is more than a refusal of EC2 has that only sts can read.
const maxEncoded = 8 << 10

// isEncoded reports whether text is nothing but such a refusal.
func isEncoded(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isLetter(c) && !isUpper(c) && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// ShownName is what may be shown of a value that should be a name, a path, an address, a
// code or a few of them: it holds no login, nothing that is said to be a secret, and no
// part that looks like a key.
func ShownName(s string) string {
	if s = s[:min(len(s), maxLine)]; isPlain(s) {
		return s
	}
	var out []string
	named := spansOf(s)
	const spaces = " \t\r\n\v\f"
	single, secret, at := !strings.ContainsAny(strings.Trim(s, spaces), spaces), false, 0
	for chunk, space := range chunks(s) {
		if !secret && (known(chunk, at, named, 0) || canBeName(chunk, single)) {
			out = append(out, chunk)
		} else if len(out) == 0 || out[len(out)-1] != Gap {
			out = append(out, Gap)
		}
		secret = asksForSecret(chunk) || endsInSecretName(chunk) && strings.HasPrefix(chunk, "-")
		at += len(chunk) + space
	}
	return strings.Join(out, " ")
}

// isPlain reports whether text is a path or name of few kinds of letters.
func isPlain(s string) bool {
	run := 0
	for i := range len(s) {
		c := s[i]
		if run++; c == '.' || c == '-' || c == '_' || c == '/' {
			run = 0
		} else if c < 'a' || c > 'z' {
			return false
		}
		if run >= 40 {
			return false
		}
	}
	return true
}

var reMAC = pattern.New(`(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}`)

// rePlainURL is a URL of a host and nothing else.
var rePlainURL = pattern.New(`^(?:https?|wss?|socks5h?)://(?:(?:[A-Za-z0-9-]{1,30}\.)*[A-Za-z0-9-]{1,30}|\[[0-9a-fA-F:.]{2,45}\])(?::[0-9]{1,5})?/?$`)

// reColons is what has a colon and no secret behind it: an option of the resolver, a label
// of SELinux.
var reColons = pattern.New(`^(?:[a-z-]{2,20}:[0-9]{1,3}|[a-z_]{1,20}_u:[a-z_]{1,20}_r:[a-z0-9_]{1,40}_t(?::s[0-9]{1,2}(?:[:.,c0-9-]{0,40})?)?)$`)

// likeWords reports whether letters read as words: a few lower-case ones in a row.
func likeWords(s string) bool {
	run := 0
	for i := range len(s) {
		if run++; !isLetter(s[i]) || isUpper(s[i]) {
			run = 0
		}
		if run == 3 {
			return true
		}
	}
	return false
}

// canBeName reports whether a part of a value can be a name. A sentence names nothing
// that has letters and digits, as passwords do, and is longer than they are.
func canBeName(s string, single bool) bool {
	if strings.Contains(s, "://") {
		return rePlainURL.MatchString(s) && !loginIn(s)
	}
	if s = strings.Trim(s, "{}"); !single {
		s, _ = trimSigns(s)
	}
	s = reMAC.ReplaceAllString(s, "")
	if s == "" {
		return true
	}
	if !nameForm.MatchString(s) || givesSecret(s) || loginIn(s) || isIssued(s) {
		return false
	}
	if i := strings.IndexByte(s, ':'); i >= 0 && !strings.HasPrefix(s, "arn:") && (i != 1 || !strings.HasPrefix(s[1:], `:\`)) && !reColons.MatchString(s) {
		return false
	}
	single = single && !strings.ContainsRune(s, '=')
	for part := range strings.FieldsFuncSeq(s, func(c rune) bool { return strings.ContainsRune(`/\:., -_=`, c) }) {
		digits := strings.ContainsAny(part, "0123456789") && strings.Trim(part, "0123456789") != ""
		if len(part) > 64 || len(part) >= 20 && isMixed(part) || !single && len(part) >= 6 && (digits || isMixed(part) && !likeWords(part)) && !known(part, 0, nil, 1) {
			return false
		}
	}
	return true
}
