package iam

import "strings"

// truth is three-valued.
type truth int8

const (
	no truth = iota
	maybe
	yes
)

func (t truth) not() truth        { return yes - t }
func (t truth) and(u truth) truth { return min(t, u) }
func (t truth) or(u truth) truth  { return max(t, u) }

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// Marks of wildcards in an expanded pattern: values put in for policy
// variables are literal, so * and ? of the pattern need spellings of their own.
const (
	anyRun  = '\ue000'
	anyRune = '\ue001'
)

// matchesWildcards says whether s matches a pattern with marks. Linear in practice: it
// backtracks to the last run only.
func matchesWildcards(pattern, s string) bool {
	p, t := []rune(pattern), []rune(s)
	i, j, star, mark := 0, 0, -1, 0
	for j < len(t) {
		switch {
		case i < len(p) && p[i] == anyRun:
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == anyRune || p[i] == t[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == anyRun {
		i++
	}
	return i == len(p)
}

var marker = strings.NewReplacer("*", string(anyRun), "?", string(anyRune), string(anyRun), "\ufffd", string(anyRune), "\ufffd")

func markWildcards(s string) string { return marker.Replace(s) }

// isCut reports whether a text of a policy was left out, or a part of it: it may be anything.
func isCut(s string) bool { return strings.Contains(s, gap) }

// MatchAction says whether an action pattern covers the action; case does not count.
func MatchAction(pattern, action string) bool {
	return matchesWildcards(markWildcards(strings.ToLower(pattern)), strings.ToLower(action))
}

// expand puts the values of policy variables into a pattern and marks its
// wildcards. maybe: a value is not known. no: a variable is known to be missing.
func (r *Request) expand(pattern string, variables, wildcards bool) (string, truth) {
	if isCut(pattern) {
		return pattern, maybe
	}
	mark := markWildcards
	if !wildcards {
		mark = func(s string) string { return s }
	}
	if !variables || !strings.Contains(pattern, "${") {
		return mark(pattern), yes
	}
	var b strings.Builder
	state := yes
	for {
		i := strings.Index(pattern, "${")
		if i < 0 {
			break
		}
		end := strings.IndexByte(pattern[i:], '}')
		if end < 0 {
			break
		}
		b.WriteString(mark(pattern[:i]))
		name, def, hasDef := strings.Cut(pattern[i+2:i+end], ",")
		pattern = pattern[i+end+1:]
		name = strings.TrimSpace(name)
		if name == "*" || name == "?" || name == "$" {
			b.WriteString(name)
			continue
		}
		values, known := r.lookup(name)
		switch {
		case known == maybe:
			state = state.and(maybe)
		case known == yes && len(values) == 1:
			b.WriteString(values[0])
		case hasDef:
			b.WriteString(strings.Trim(strings.TrimSpace(def), "'"))
		default:
			state = no
		}
	}
	b.WriteString(mark(pattern))
	return b.String(), state
}

// arnParts cuts an ARN into its six parts; a colon inside ${...} does not cut.
func arnParts(s string) []string {
	var parts []string
	depth, start := 0, 0
	for i := 0; i < len(s) && len(parts) < 5; i++ {
		switch {
		case strings.HasPrefix(s[i:], "${"):
			depth++
		case s[i] == '}' && depth > 0:
			depth--
		case s[i] == ':' && depth == 0:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

// matchARN compares part by part where both sides are full ARNs; the last part
// takes the rest, in which * spans colons and slashes. Case counts.
func (r *Request) matchARN(pattern, arn string, variables bool) truth {
	pp := arnParts(pattern)
	ap := strings.SplitN(arn, ":", 6)
	if !strings.HasPrefix(pattern, "arn:") || len(ap) != 6 {
		return r.matchString(pattern, arn, variables)
	}
	if len(pp) != 6 {
		// How AWS reads an ARN with parts missing is not documented.
		return r.matchString(pattern, arn, variables).and(maybe)
	}
	t := yes
	for i := range pp {
		t = t.and(r.matchString(pp[i], ap[i], variables))
	}
	return t
}

func (r *Request) matchString(pattern, s string, variables bool) truth {
	p, state := r.expand(pattern, variables, true)
	if state != yes {
		return state
	}
	return truthOf(matchesWildcards(p, s))
}

// lookup is the value of a context key: yes = known, no = known to be missing,
// maybe = nobody told us.
func (r *Request) lookup(key string) ([]string, truth) {
	low := strings.ToLower(key)
	for k, v := range r.Context {
		if strings.ToLower(k) == low {
			if len(v) == 0 {
				return nil, no
			}
			return v, yes
		}
	}
	switch low {
	case "aws:principalarn":
		if r.Principal != "" {
			return []string{roleARN(r.Principal)}, yes
		}
	case "aws:principalaccount":
		if a := arnAccount(r.Principal); a != "" {
			return []string{a}, yes
		}
	}
	if r.Complete {
		return nil, no
	}
	return nil, maybe
}

func arnAccount(arn string) string {
	if p := strings.SplitN(arn, ":", 6); len(p) == 6 {
		return p[4]
	}
	return ""
}

// roleARN turns the ARN of a session into that of its role, as far as it can
// be told: a session's ARN does not carry the path of the role.
func roleARN(arn string) string {
	p := strings.SplitN(arn, ":", 6)
	if len(p) != 6 || p[2] != "sts" || !strings.HasPrefix(p[5], "assumed-role/") {
		return arn
	}
	role := strings.Split(p[5], "/")[1]
	return "arn:" + p[1] + ":iam::" + p[4] + ":role/" + role
}
