package iam

import (
	"encoding/base64"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// matchCondition evaluates one operator on one key.
func (r *Request) matchCondition(c Condition, variables bool) truth {
	if isCut(c.Operator) || isCut(c.Key) {
		return maybe
	}
	op := c.Operator
	forAll, forAny := false, false
	if rest, ok := cutFold(op, "ForAllValues:"); ok {
		forAll, op = true, rest
	} else if rest, ok := cutFold(op, "ForAnyValue:"); ok {
		forAny, op = true, rest
	}
	op = strings.ToLower(op)
	have, known := r.lookup(c.Key)
	if op == "null" {
		t := no
		for _, v := range c.Values {
			switch strings.ToLower(v) {
			case "true":
				t = t.or(known.not())
			case "false":
				t = t.or(known)
			default:
				t = t.or(min(maybe, truthOf(isCut(v))))
			}
		}
		return t
	}
	op, ifExists := strings.CutSuffix(op, "ifexists")
	compare, negated := operator(op)
	if compare == nil || known == maybe {
		return maybe
	}
	if known == no {
		return truthOf(ifExists || forAll || negated && !forAny)
	}
	one := func(value string) truth {
		t := no
		for _, want := range c.Values {
			if isCut(want) {
				t = t.or(maybe)
				continue
			}
			t = t.or(compare(r, want, value, variables))
		}
		if negated {
			return t.not()
		}
		return t
	}
	// A negated operator on several values without a qualifier wants all to differ.
	all := forAll || negated && !forAny
	t := truthOf(all)
	for _, v := range have {
		if all {
			t = t.and(one(v))
		} else {
			t = t.or(one(v))
		}
	}
	return t
}

func cutFold(s, prefix string) (string, bool) {
	if len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix) {
		return s[len(prefix):], true
	}
	return s, false
}

type comparison func(r *Request, want, have string, variables bool) truth

// operator returns the positive comparison and whether the operator negates
// it; nil for an operator that is not known. They are those of "IAM JSON policy
// elements: Condition operators" in the IAM user guide.
func operator(op string) (comparison, bool) {
	switch op {
	case "stringequals":
		return stringEquals, false
	case "stringnotequals":
		return stringEquals, true
	case "stringequalsignorecase":
		return stringEqualsFold, false
	case "stringnotequalsignorecase":
		return stringEqualsFold, true
	case "stringlike":
		return (*Request).stringLike, false
	case "stringnotlike":
		return (*Request).stringLike, true
	case "arnequals", "arnlike":
		return (*Request).arnLike, false
	case "arnnotequals", "arnnotlike":
		return (*Request).arnLike, true
	case "bool":
		return func(_ *Request, want, have string, _ bool) truth { return truthOf(strings.EqualFold(want, have)) }, false
	case "binaryequals":
		return binaryEquals, false
	case "ipaddress":
		return ipIn, false
	case "notipaddress":
		return ipIn, true
	case "numericequals", "dateequals":
		return ordered(op, func(c int) bool { return c == 0 }), false
	case "numericnotequals", "datenotequals":
		return ordered(op, func(c int) bool { return c == 0 }), true
	case "numericlessthan", "datelessthan":
		return ordered(op, func(c int) bool { return c < 0 }), false
	case "numericlessthanequals", "datelessthanequals":
		return ordered(op, func(c int) bool { return c <= 0 }), false
	case "numericgreaterthan", "dategreaterthan":
		return ordered(op, func(c int) bool { return c > 0 }), false
	case "numericgreaterthanequals", "dategreaterthanequals":
		return ordered(op, func(c int) bool { return c >= 0 }), false
	}
	return nil, false
}

func stringEquals(r *Request, want, have string, variables bool) truth {
	w, state := r.expand(want, variables, false)
	return state.and(truthOf(state != yes || w == have))
}

func stringEqualsFold(r *Request, want, have string, variables bool) truth {
	w, state := r.expand(want, variables, false)
	return state.and(truthOf(state != yes || strings.EqualFold(w, have)))
}

func (r *Request) stringLike(want, have string, variables bool) truth {
	return r.matchString(want, have, variables)
}

func (r *Request) arnLike(want, have string, variables bool) truth {
	return r.matchARN(want, have, variables)
}

func binaryEquals(_ *Request, want, have string, _ bool) truth {
	w, err1 := base64.StdEncoding.DecodeString(want)
	h, err2 := base64.StdEncoding.DecodeString(have)
	if err1 != nil || err2 != nil {
		return maybe
	}
	return truthOf(string(w) == string(h))
}

func ipIn(_ *Request, want, have string, _ bool) truth {
	addr, err := netip.ParseAddr(have)
	if err != nil {
		return maybe
	}
	if p, err := netip.ParsePrefix(want); err == nil {
		return truthOf(p.Contains(addr))
	}
	if a, err := netip.ParseAddr(want); err == nil {
		return truthOf(a == addr)
	}
	return maybe
}

// ordered compares numbers or dates: the request's value on the left.
func ordered(op string, ok func(int) bool) comparison {
	parse := number
	if strings.HasPrefix(op, "date") {
		parse = date
	}
	return func(_ *Request, want, have string, _ bool) truth {
		w, ok1 := parse(want)
		h, ok2 := parse(have)
		if !ok1 || !ok2 {
			return maybe
		}
		switch {
		case h < w:
			return truthOf(ok(-1))
		case h > w:
			return truthOf(ok(1))
		}
		return truthOf(ok(0))
	}
}

func number(s string) (float64, bool) {
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil && f == f
}

// date is in seconds since 1970; ISO 8601 or a number.
func date(s string) (float64, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return float64(t.UnixNano()) / 1e9, true
		}
	}
	return number(s)
}
