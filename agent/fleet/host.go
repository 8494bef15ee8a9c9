package fleet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"ssm-doctor/agent/report"
	"ssm-doctor/checks"
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
)

// Dimension is a circumstance by which hosts are grouped.
type Dimension int

// The dimensions, widest first.
const (
	Account Dimension = iota
	Region
	VPC
	Subnet
	SecurityGroups
	Image
	System
	Role
	Agent
	dimensions
)

// dimensionNames are how people and files call them.
var dimensionNames = [dimensions]string{"account", "region", "vpc", "subnet", "security_groups", "image", "os", "role", "agent"}

func (d Dimension) String() string { return dimensionNames[d] }

// words is the dimension in a sentence.
func (d Dimension) words() string {
	switch d {
	case Region:
		return "Region"
	case VPC:
		return "VPC"
	case SecurityGroups:
		return "security groups"
	case System:
		return "system"
	case Agent:
		return "agent release"
	}
	return dimensionNames[d]
}

// Host is what is kept of one report.
type Host struct {
	Key  string // node id, or where the report stood when it names none
	ID   string
	Kind string
	Of   [dimensions]string // empty: not known

	State, Cause, Severity, Confidence string
	Also                               []string // other causes of severity critical or warning
	At, Since                          time.Time
	Redacted                           bool

	Broken int     // station at which its path breaks; -1: nowhere
	Traits []Trait // what may differ between sick and healthy hosts
	Fix    []Step  // of its cause

	nameless bool // its key is the name of its input

	traits []uint32 // the same in a table, which holds each trait once
}

// Step is a step of a remedy.
type Step struct {
	Text    string `json:"text"`
	Command string `json:"command"`
	Where   string `json:"where"`
}

// Trait is one property of a host, at a station of the path.
type Trait struct {
	Station     int
	Name, Value string
}

// healthy hosts are what sick ones are compared with.
func (h *Host) healthy() bool { return h.State == report.Managed }

// Errors of documents that are JSON.
var (
	errNotReport = errors.New("neither a report nor facts")
	errImage     = errors.New("the report judges a machine image, not a host")
	errOther     = errors.New("a report in a format that this release does not read: use the release of ssm-doctor that wrote it, or a newer one")
)

// bounds of one host's record.
const (
	maxText   = 200
	maxTraits = 60
	maxSteps  = 8
)

// Judge turns facts into a report.
type Judge func(*facts.Facts) *report.Report

// HostsOf reads a document: a report, facts, or what AWS answers about a command or a
// console with reports in it.
func HostsOf(d Document, judge Judge) ([]Host, []Document) { return hostsOf(d, judge, 0) }

// maxWrapped is how many answers of AWS may be around a report: invocation, plugin, output,
// and one more. Each level holds what is in it once more.
const maxWrapped = 4

func hostsOf(d Document, judge Judge, wrapped int) ([]Host, []Document) {
	if d.Err != nil {
		if d.Host == "" {
			d.Host = reNodeID.FindString(string(d.Body))
		}
		d.Body = nil
		return nil, []Document{d}
	}
	fail := func(err error) ([]Host, []Document) {
		return nil, []Document{{Name: d.Name, Host: d.Host, Err: err}}
	}
	parts, err := members(d.Body)
	if err != nil {
		return fail(err)
	}
	var schema string
	_ = json.Unmarshal(parts["schema"], &schema)
	switch {
	case schema == report.Schema, schema == report.VerdictSchema:
		h, err := hostOf(parts, true)
		if err != nil {
			return fail(err)
		}
		return []Host{named(h, d)}, nil
	case strings.HasPrefix(schema, "ssm-doctor/facts/"):
		f, err := facts.Parse(d.Body)
		if err != nil {
			return fail(err)
		}
		h, err := fromReport(judge(f))
		if err != nil {
			return fail(err)
		}
		return []Host{named(h, d)}, nil
	case strings.HasPrefix(schema, "ssm-doctor/report/"), strings.HasPrefix(schema, "ssm-doctor/verdict/"):
		return fail(errOther)
	case schema == "":
		if wrapped == maxWrapped {
			return fail(errNotReport)
		}
		return unwrap(d, parts, judge, wrapped+1)
	}
	return fail(errNotReport)
}

// named gives a host that its report does not name the name of its input.
func named(h Host, d Document) Host {
	h.Key = h.ID
	if h.Key == "" {
		h.ID = d.Host
		h.Key = d.Host
	}
	if h.Key == "" {
		h.Key, h.nameless = clip(d.Name), true
	}
	return h
}

// fromReport takes the same from a report in memory.
func fromReport(r *report.Report) (Host, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return Host{}, fmt.Errorf("encode report: %w", err)
	}
	parts, err := members(b)
	if err != nil {
		return Host{}, err
	}
	return hostOf(parts, false)
}

// unwrap finds reports in the answers of AWS: list-command-invocations --details,
// get-command-invocation, get-console-output. AWS cuts them short: output of more than
// 24,000 characters is whole in S3 only.
func unwrap(d Document, parts map[string][]byte, judge Judge, wrapped int) ([]Host, []Document) {
	var id string
	_ = json.Unmarshal(parts["InstanceId"], &id)
	inner, seen := Document{Name: d.Name, Host: reNodeID.FindString(id)}, false
	if inner.Host == "" {
		inner.Host = d.Host
	}
	var hosts []Host
	var unread []Document
	from := func(text []byte) {
		seen = true
		_ = Documents(inner.Name, bytes.NewReader(text), func(x Document) bool {
			x.Host = inner.Host
			h, u := hostsOf(x, judge, wrapped)
			hosts, unread = append(hosts, h...), append(unread, u...)
			return true
		})
	}
	for _, key := range []string{"StandardOutputContent", "Output"} {
		var text string
		if json.Unmarshal(parts[key], &text) == nil && text != "" {
			from([]byte(text))
		}
	}
	for _, key := range []string{"CommandInvocations", "CommandPlugins"} {
		if len(parts[key]) > 0 && parts[key][0] == '[' {
			from(parts[key])
		}
	}
	if !seen {
		return nil, []Document{{Name: d.Name, Host: inner.Host, Err: errNotReport}}
	}
	return hosts, unread
}

// wire is the part of a report that is read.
type wire struct {
	node  report.Node
	cause *struct {
		ID, Severity, Confidence string
		Fix                      []Step
	}
	also []struct{ ID, Severity string }
	list []struct {
		ID, Status, Cause string
		FollowsFrom       string `json:"follows_from"`
	}
	path        []struct{ Name, Status string }
	credentials struct{ Source, Role string }
	endpoints   []struct{ Service, Route, Need string }
	measures    struct {
		Package string `json:"agent_package"`
		Token   *bool  `json:"imds_token_required"`
	}
	history []struct {
		At           time.Time
		State, Cause string
	}
	at, agent, state, profile string
	redacted                  bool
	skew                      float64 // of the host's clock, in seconds
}

// hostOf reads a report. One of somebody else's may hold any command as its remedy.
func hostOf(parts map[string][]byte, foreign bool) (Host, error) {
	var w wire
	for key, into := range map[string]any{"node": &w.node, "root_cause": &w.cause, "also": &w.also, "checks": &w.list, "path": &w.path, "credentials": &w.credentials, "endpoints": &w.endpoints,
		"measures": &w.measures, "history": &w.history, "generated_at": &w.at, "agent_version": &w.agent, "state": &w.state, "profile": &w.profile, "redacted": &w.redacted, "clock_skew_seconds": &w.skew} {
		if b := parts[key]; b != nil {
			if err := json.Unmarshal(b, into); err != nil {
				return Host{}, fmt.Errorf("its member %s has not the form that a report gives it", key)
			}
		}
	}
	if w.profile == "image" {
		return Host{}, errImage
	}
	if !slices.Contains(report.States, w.state) {
		return Host{}, errors.New("it names no state of a node")
	}
	h := Host{ID: clip(w.node.ID), Kind: clip(w.node.Kind), State: w.state, Redacted: w.redacted, Broken: -1}
	if at, err := time.Parse(time.RFC3339, w.at); err == nil {
		h.At = trueTime(at, w.skew)
	}
	h.Of = [dimensions]string{clip(w.node.Account), clip(w.node.Region), clip(w.node.VPC), clip(w.node.Subnet), clip(strings.Join(slices.Sorted(slices.Values(w.node.SecurityGroups)), " ")), clip(w.node.Image), clip(w.node.OS),
		clip(w.credentials.Role), clip(w.agent)}
	if c := w.cause; c != nil && (causes.Get(c.ID) != nil || shapedLikeID(c.ID)) {
		h.Cause, h.Severity, h.Confidence = c.ID, clip(c.Severity), clip(c.Confidence)
		for _, s := range c.Fix[:min(len(c.Fix), maxSteps)] {
			h.Fix = append(h.Fix, Step{clipTo(s.Text, 2*maxText), clipTo(s.Command, 4000), clip(s.Where)})
		}
		if foreign {
			h.Fix = w.recognised(h.Fix)
		}
	}
	for _, c := range w.also {
		if c.Severity != string(causes.Info) && shapedLikeID(c.ID) && len(h.Also) < 16 {
			h.Also = append(h.Also, c.ID)
		}
	}
	for _, t := range w.history {
		if t.State == h.State && t.Cause == h.Cause {
			h.Since = t.At
		} else {
			h.Since = time.Time{}
		}
	}
	for _, hop := range w.path {
		if at := slices.Index(report.Stations, hop.Name); hop.Status == string(checks.Fail) && at >= 0 {
			h.Broken = int(checks.Stations[at])
			break
		}
	}
	h.Traits = w.traits(&h)
	return h, nil
}

// maxSkew is more than the clock of a host is wrong, in seconds: one that begins in 1970 is
// ahead by less in 2070. minSkew is what is no more than the time that a run takes.
const maxSkew, minSkew = 100 * 366 * 86400, 60

// trueTime is the time of a report by AWS, where the host has measured its clock: of two
// reports the later counts, and a clock that is ahead would make an old one the last word.
func trueTime(at time.Time, skew float64) time.Time {
	if s := math.Abs(skew); s < minSkew || s > maxSkew {
		return at
	}
	return at.Add(-time.Duration(skew) * time.Second)
}

// recognised are the steps of a remedy in the words of the catalogue, with values that do
// no harm: an operator is to paste them, with more rights than who wrote the report has.
func (w *wire) recognised(fix []Step) []Step {
	n := w.node
	r := causes.Foreign{Cause: w.cause.ID, GOOS: n.GOOS, Own: causes.Values{"node": n.ID, "region": n.Region, "account": n.Account, "partition": n.Partition, "role": w.credentials.Role,
		"vpc": n.VPC, "subnet": n.Subnet, "sg": strings.Join(n.SecurityGroups, " ")}}
	if strings.HasPrefix(n.ID, "i-") {
		r.Own["instance"] = n.ID
	}
	var out []Step
	left := 0
	for _, s := range fix {
		if f, ok := r.Recognise(s.Command, s.Text); ok {
			out = append(out, Step{clipTo(f.Text.String(), 2*maxText), clipTo(f.Command.String(), 4000), f.Where})
		} else {
			left++
		}
	}
	if left > 0 {
		out = append(out, Step{Text: fmt.Sprintf("Steps of the report that this program does not print for others: %d; check on the host prints them", left), Command: "ssm-doctor check", Where: causes.OnHost})
	}
	return out
}

// shapedLikeID keeps ids of causes that a newer release has and refuses other text.
func shapedLikeID(s string) bool {
	return s != "" && len(s) <= 48 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

func (w *wire) traits(h *Host) []Trait {
	var out []Trait
	add := func(at checks.Station, name, value string) {
		if value != "" && at != checks.OffTheWay && len(out) < maxTraits {
			out = append(out, Trait{int(at), name, clip(value)})
		}
	}
	add(checks.AtHost, "account", h.Of[Account])
	add(checks.AtHost, "Region", h.Of[Region])
	add(checks.AtHost, "image", h.Of[Image])
	add(checks.AtHost, "system", h.Of[System])
	add(checks.AtHost, "architecture", w.node.Arch)
	add(checks.AtHost, "instance type", w.node.InstanceType)
	add(checks.AtAgent, "agent release", h.Of[Agent])
	add(checks.AtAgent, "agent package", w.measures.Package)
	add(checks.AtNetwork, "VPC", h.Of[VPC])
	add(checks.AtNetwork, "subnet", h.Of[Subnet])
	for _, g := range w.node.SecurityGroups {
		add(checks.AtNetwork, "security group", g)
	}
	if t := w.measures.Token; t != nil {
		add(checks.AtMetadata, "metadata needs a token", map[bool]string{true: "yes", false: "no"}[*t])
	}
	add(checks.AtCredentials, "credentials", w.credentials.Source)
	add(checks.AtCredentials, "role", h.Of[Role])
	for _, e := range w.endpoints {
		if e.Need == facts.NeedCore {
			add(checks.AtDNS, "route to "+e.Service, e.Route)
		}
	}
	at := stationOf()
	for _, c := range w.list {
		if (c.Status == string(checks.Warn) || c.Status == string(checks.Fail)) && c.FollowsFrom == "" && c.Cause != h.Cause && shapedLikeID(c.ID) {
			add(at[c.ID], "check "+c.ID, c.Status)
		}
	}
	return out
}

var stationOf = sync.OnceValue(func() map[string]checks.Station {
	out := map[string]checks.Station{}
	for _, c := range checks.All() {
		out[c.ID] = c.Station
	}
	return out
})

func clip(s string) string { return clipTo(s, maxText) }

// clipTo bounds a foreign text, and makes it valid.
func clipTo(s string, n int) string {
	if len(s) > n {
		s = s[:n]
		for s != "" && !utf8.ValidString(s) {
			s = s[:len(s)-1]
		}
	}
	return strings.ToValidUTF8(s, "?")
}

// members cuts a JSON object into the values of its keys, without reading them. Of a
// key that stands twice the last counts, as in encoding/json.
func members(b []byte) (map[string][]byte, error) {
	out := map[string][]byte{}
	i := skipSpace(b, 0)
	if i >= len(b) || b[i] != '{' {
		return nil, errors.New("not a JSON object")
	}
	i = skipSpace(b, i+1)
	for i < len(b) && b[i] != '}' {
		keyEnd := skipValue(b, i)
		if keyEnd < 0 || b[i] != '"' {
			return nil, errors.New("broken JSON")
		}
		key := b[i+1 : keyEnd-1]
		i = skipSpace(b, keyEnd)
		if i >= len(b) || b[i] != ':' {
			return nil, errors.New("broken JSON")
		}
		i = skipSpace(b, i+1)
		end := skipValue(b, i)
		if end < 0 {
			return nil, errors.New("broken JSON")
		}
		out[string(key)] = b[i:end]
		if i = skipSpace(b, end); i < len(b) && b[i] == ',' {
			i = skipSpace(b, i+1)
		}
	}
	if i >= len(b) {
		return nil, errors.New("broken JSON")
	}
	return out, nil
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// skipValue is the end of the value that begins at i, or -1. It finds ends only: what a
// value holds is checked by whoever reads it.
func skipValue(b []byte, i int) int {
	depth := 0
	for start := i; i < len(b); i++ {
		switch c := b[i]; c {
		case '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
			if i >= len(b) {
				return -1
			}
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				if i == start {
					return -1
				}
				return i
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\n', '\t', '\r', ':':
			if depth == 0 {
				if i == start {
					return -1
				}
				return i
			}
		}
	}
	return -1
}
