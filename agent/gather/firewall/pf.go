package firewall

import (
	"context"
	"errors"
	"slices"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

// packetFilter asks the packet filter of macOS. Its other firewall, that of
// applications, only concerns what comes in.
func packetFilter(ctx context.Context, env *gather.Env) facts.Seen[facts.Firewall] {
	const from = "pfctl"
	if env.Exec == nil {
		return gather.NotAskable[facts.Firewall](gather.NotLive, from)
	}
	fw := facts.Firewall{Tool: from, Rules: []facts.FirewallRule{}}
	failed := func(err error) facts.Seen[facts.Firewall] {
		switch root, ok := env.Privileged.Get(); {
		case errors.Is(err, gather.ErrNoProgram):
			return facts.Absent[facts.Firewall]("pfctl is not installed", from)
		case ok && !root:
			return facts.Unknown[facts.Firewall]("listing rules needs root", from).Because(facts.NeedsRoot)
		}
		return gather.Unknown[facts.Firewall](err, from)
	}
	out, err := env.Exec(ctx, "pfctl", "-s", "info")
	on, known := pfEnabled(out)
	switch {
	case err != nil:
		return failed(err)
	case !known:
		return facts.Unknown[facts.Firewall]("pfctl does not say whether the packet filter is on", from)
	case !on:
		return facts.Known(fw, from)
	}
	out, err = env.Exec(ctx, "pfctl", "-a", "*", "-s", "rules")
	if err != nil && (!errors.Is(err, gather.ErrTooLarge) || len(out) == 0) {
		return failed(err)
	}
	if fw.Rules = parsePF(out); err != nil {
		return facts.Partly(fw, gather.Why(err), from)
	}
	return facts.Known(fw, from)
}

// pfEnabled reads "Status: Enabled for 0 days 00:10:00".
func pfEnabled(b []byte) (on, known bool) {
	gather.Lines(b, func(l []byte) bool {
		f := strings.Fields(string(l))
		if len(f) > 1 && f[0] == "Status:" {
			on, known = f[1] == "Enabled", true
		}
		return !known
	})
	return on, known
}

// parsePF reads the rules of pf, as pfctl lists them, those of anchors between braces.
// The last rule that matches decides, but for one that is quick, which decides at
// once: so the first of the quick ones, then of the others in reverse, as in a chain.
// Source: pf.conf(5), pfctl(8).
func parsePF(b []byte) []facts.FirewallRule {
	var quick, others []fwRule
	var unsure []bool // of the anchors that are open: packets may not come there
	n := 0
	gather.Lines(b, func(l []byte) bool {
		f := pfWords(string(l))
		if len(f) == 0 {
			return true
		}
		switch f[0] {
		case "}":
			unsure = unsure[:max(0, len(unsure)-1)]
		case "anchor":
			if f[len(f)-1] == "{" {
				all := len(f) >= 2 && f[len(f)-2] == "all"
				unsure = append(unsure, !all || len(unsure) > 0 && unsure[len(unsure)-1])
			}
		case "block", "pass":
			r, q := pfRule(gather.OneLine(strings.TrimSpace(string(l)), 300), f)
			r.other = r.other || len(unsure) > 0 && unsure[len(unsure)-1]
			if n++; q {
				quick = append(quick, r)
			} else {
				others = append(others, r)
			}
		}
		return n < maxChainRules
	})
	slices.Reverse(others)
	return blocking([]*chain{{table: "pf", name: "out", hook: "output", policy: "accept", rules: append(quick, others...)}})
}

// pfWords splits a line; braces, commas and signs of negation are words of their own.
func pfWords(s string) []string {
	if i := strings.Index(s, ` label "`); i >= 0 {
		s = s[:i]
	}
	return strings.Fields(strings.NewReplacer("{", " { ", "}", " } ", ",", " ", "!", " ! ", " ! =", " !=").Replace(s))
}

// pfRule reads a rule; f are its words.
func pfRule(text string, f []string) (r fwRule, quick bool) {
	r.text, r.verdict = text, "accept"
	if f[0] == "block" {
		r.verdict = "drop"
	}
	destination := false
	for f = f[1:]; len(f) > 0; {
		word := f[0]
		f = f[1:]
		switch word {
		case "out", "drop", "log", "all", "any", "inet", "no", "state", "allow-opts", "return", "return-rst", "return-icmp", "return-icmp6":
			if r.verdict == "drop" && strings.HasPrefix(word, "return") {
				r.verdict = "reject"
			}
		case "in":
			r.never = true
		case "quick":
			quick = true
		case "inet6":
			r.never = true // the agent's names are asked for IPv4 first
		case "keep", "modulate", "synproxy", "flags":
			f = f[min(1, len(f)):]
			if len(f) > 0 && f[0] == "state" {
				f = f[1:]
			}
		case "on", "proto", "from", "to", "port", "user":
			var vals []string
			var not bool
			vals, not, f = pfValues(f)
			if word == "to" {
				destination = true
			}
			pfLimit(&r, word, vals, not, destination)
		default:
			r.other = true
		}
	}
	return r, quick
}

// pfValues takes a value, or a list in braces, off the words.
func pfValues(f []string) (vals []string, not bool, rest []string) {
	if len(f) > 0 && (f[0] == "!" || f[0] == "!=") {
		not, f = true, f[1:]
	}
	if len(f) > 0 && f[0] == "=" {
		f = f[1:]
	}
	if len(f) == 0 {
		return nil, not, nil
	}
	if f[0] != "{" {
		return f[:1], not, f[1:]
	}
	end := slices.Index(f, "}")
	if end < 0 {
		return f[1:], not, nil
	}
	for _, v := range f[1:end] {
		if v != "=" {
			vals = append(vals, v)
		}
	}
	return vals, not, f[end+1:]
}

// pfLimit limits a rule by one of its parts. destination says that "to" has been read,
// so that a port is that of the other end.
func pfLimit(r *fwRule, word string, vals []string, not, destination bool) {
	if len(vals) == 1 && vals[0] == "any" {
		return
	}
	switch word {
	case "on":
		if len(vals) == 1 && vals[0] == "lo0" {
			r.never = r.never || !not
			return
		}
		r.out, r.outNot = printable(vals), not
	case "proto":
		r.protocols(vals, not)
	case "from":
		r.other = true
	case "to":
		r.toAddresses(vals, not)
	case "port":
		if !destination {
			r.other = true
			return
		}
		if len(vals) == 1 && strings.ContainsAny(vals[0], "<>") {
			r.other = true
			return
		}
		r.toPorts(vals, not)
	case "user":
		r.onlyIf(slices.Contains(vals, "0") || slices.Contains(vals, "root"), not)
	}
}
