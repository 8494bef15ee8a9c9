package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/iam"
)

// PermissionFormats are the names that WritePermissions knows.
var PermissionFormats = []string{"text", "wide", "json", "csv"}

// Permissions is what the permissions command prints as JSON: those members of
// a report that are about rights.
type Permissions struct {
	Schema      string       `json:"schema"`
	GeneratedAt string       `json:"generated_at"`
	Version     string       `json:"version"`
	Redacted    bool         `json:"redacted"`
	Node        Node         `json:"node"`
	Credentials Credentials  `json:"credentials"`
	Features    []Feature    `json:"features"`
	Permissions []Permission `json:"permissions"`
	Calls       []Call       `json:"calls"`
	CallsHeld   string       `json:"calls_held,omitempty"`
	Also        []Cause      `json:"also"` // what there is to say of the policies themselves
}

// PermissionsOf takes the members about rights from a report.
func PermissionsOf(r *Report) Permissions {
	r.Normalize()
	p := Permissions{Schema: r.Schema, Version: r.Version, Redacted: r.Redacted, Node: r.Node, Credentials: r.Credentials, Features: r.Features,
		Permissions: r.Permissions, Calls: r.Calls, CallsHeld: r.CallsHeld, Also: []Cause{}}
	if !r.GeneratedAt.IsZero() {
		p.GeneratedAt = r.GeneratedAt.UTC().Format("2006-01-02T15:04:05Z")
	}
	for _, c := range r.Also {
		if isOnPolicies(c) {
			p.Also = append(p.Also, c)
		}
	}
	return p
}

// isOnPolicies reports whether a cause is a note on the policies of the node, such
// as that one of them is deprecated.
func isOnPolicies(c Cause) bool {
	return c.Group == "permissions" && c.Severity == string(causes.Info)
}

// WritePermissions renders the rights of a node: features, and in the longer
// forms each of their actions.
func WritePermissions(w io.Writer, format string, r *Report, s Style) error {
	s.Width = clampWidth(s.Width)
	r = withoutSecrets(r)
	r.Normalize()
	switch format {
	case "json":
		return writeJSON(w, PermissionsOf(r), true)
	case "csv":
		return permissionsCSV(w, r)
	}
	t := &screen{s: s, r: printableReport(r), wide: format == "wide"}
	t.rights()
	out := strings.Join(t.lines, "\n") + "\n"
	if s.ASCII {
		out = asciiLines(out)
	}
	_, err := io.WriteString(w, out)
	return err
}

// readyStatus is the glyph of an answer.
var readyStatus = map[string]string{"yes": "pass", "no": "fail", "unknown": "unknown"}

func (t *screen) rights() {
	r := t.r
	head := "Rights"
	switch {
	case r.Credentials.Role != "":
		head += " of the role " + t.show(r.Credentials.Role)
	case r.Credentials.Source == "policies":
		head += " that the documents grant"
	}
	if src := r.Credentials.Source; src != "" && src != "policies" {
		head += " (" + t.show(src) + ")"
	}
	parts := t.nodeParts()
	if node := strings.Join(parts, "   "); node != "" && cells(head)+3+cells(node) > t.s.Width {
		t.add("%s", head)
		t.add("%s", node)
	} else {
		t.add("%s", strings.TrimRight(head+"   "+node, " "))
	}
	t.gap()
	width := len("FEATURE")
	for _, f := range r.Features {
		width = max(width, cells(t.show(f.ID)))
	}
	lead := 2
	if t.s.ASCII {
		lead = 3
	}
	t.add("%s%s  %-7s  %-4s  %s", strings.Repeat(" ", lead), pad("FEATURE", width), "READY", "USED", "WHAT STANDS IN THE WAY")
	indent := lead + width + 2 + 7 + 2 + 4 + 2
	count := map[string]int{}
	for _, f := range r.Features {
		count[f.Ready]++
		used := "-"
		if f.InUse {
			used = "yes"
		}
		m := readyStatus[f.Ready]
		style := markOf(m).style
		if !f.InUse && m != "pass" {
			style = styleDim
		}
		prose := wrap(t.show(standsInTheWay(f, r.Permissions, t.wide)), max(20, t.s.Width-indent))
		t.add("%s", strings.TrimRight(t.s.paint(style, pad(t.s.glyph(m), lead-1))+" "+pad(t.show(f.ID), width)+"  "+t.s.paint(style, pad(f.Ready, 7))+"  "+pad(used, 4)+"  "+prose[0], " "))
		for _, l := range prose[1:] {
			t.add("%s%s", strings.Repeat(" ", indent), l)
		}
		if t.wide {
			t.actions(f)
		}
	}
	if len(r.Features) == 0 {
		t.add("  this host has no credentials of a node, so nothing can be judged")
	}
	t.gap()
	t.add("%d yes, %d no, %d unknown", count["yes"], count["no"], count["unknown"])
	if r.CallsHeld != "" {
		for _, l := range wrap("No requests were sent: "+t.show(r.CallsHeld)+".", t.s.Width) {
			t.add("%s", l)
		}
	}
	if count["unknown"] > 0 {
		hint := "Unknown is not denied: what has no harmless request is never tried. --probe FAMILY asks more, --policy FILE judges the role's documents."
		if r.Credentials.Source == "policies" {
			hint = "Unknown: the documents allow it for some resources or under a condition only, or a document is missing."
		}
		for _, l := range wrap(hint, t.s.Width) {
			t.add("%s", l)
		}
	}
	for _, c := range r.Also {
		if isOnPolicies(c) {
			t.gap()
			t.note(c)
		}
	}
}

func standsInTheWay(f Feature, permissions []Permission, wide bool) string {
	some := func(list []string) string {
		if n := len(list); n > 3 && !wide {
			return fmt.Sprintf("%s and %d more", strings.Join(list[:2], ", "), n-2)
		}
		return strings.Join(list, ", ")
	}
	var parts []string
	if f.Broken != "" {
		parts = append(parts, "does not work: "+f.Broken)
	}
	// One part for each layer that refuses.
	byLayer := map[string][]string{}
	var layers []string
	for _, a := range f.Denied {
		l := refusingLayer(a, permissions)
		if byLayer[l] == nil {
			layers = append(layers, l)
		}
		byLayer[l] = append(byLayer[l], a)
	}
	for _, l := range layers {
		parts = append(parts, "denied"+l+": "+some(byLayer[l]))
	}
	if len(f.Forbidden) > 0 {
		parts = append(parts, "allowed, but must not be: "+some(f.Forbidden))
	}
	if len(f.Unknown) > 0 {
		parts = append(parts, "not known: "+some(f.Unknown))
		if names := inventedNames(f.Unknown, permissions); len(names) > 0 {
			parts = append(parts, "asked about a made-up name only: "+strings.Join(names, ", "))
		}
	}
	if f.Via != "" {
		parts = append(parts, "over "+f.Via)
	}
	if len(f.Limited) > 0 && (wide || f.InUse || f.Ready == iam.ReadyUnknown && len(parts) == 0) {
		parts = append(parts, "denied, needed in some situations: "+some(f.Limited))
	}
	return strings.Join(parts, "; ")
}

// inventedNames are the made-up resources that actions were tried on.
func inventedNames(actions []string, permissions []Permission) []string {
	var out []string
	for _, p := range permissions {
		if p.Invented && slices.Contains(actions, p.Action) && !slices.Contains(out, p.Resource) {
			out = append(out, p.Resource)
		}
	}
	return out
}

// layerWords name the layers for readers.
var layerWords = map[string]string{
	iam.LayerIdentity: "role's policies", iam.LayerBoundary: "permissions boundary", iam.LayerSession: "session policy", iam.LayerSCP: "service control policy",
	iam.LayerRCP: "resource control policy", iam.LayerEndpoint: "VPC endpoint policy", iam.LayerResource: "resource's policy",
}

// refusingLayer is " by the LAYER" for a denied action; empty when it is not told.
func refusingLayer(action string, permissions []Permission) string {
	for _, p := range permissions {
		if p.Action == action && strings.HasPrefix(p.Verdict, "denied") && layerWords[p.Layer] != "" {
			return " by the " + layerWords[p.Layer]
		}
	}
	return ""
}

// actions lists what a feature calls, with verdict and evidence.
func (t *screen) actions(f Feature) {
	def, ok := iam.FeatureByID(f.ID)
	if !ok {
		return
	}
	for _, n := range def.Actions {
		p := permissionOf(t.r, n.Action)
		if n.Need == iam.NotInRole {
			p = Permission{Verdict: "-", Evidence: "signed with something else: " + n.When}
		}
		line := fmt.Sprintf("     %s  %-11s  %s", pad(n.Action, 42), n.Need, p.Verdict)
		if p.Layer != "" && p.Verdict != "allowed-proven" && p.Layer != iam.LayerUnknown {
			line += ", " + p.Layer
		}
		t.add("%s", line)
		if e := t.show(p.Evidence); e != "" {
			for _, l := range wrap(clip(e, evidenceClip), max(30, t.s.Width-9)) {
				t.add("         %s", t.s.paint(styleDim, l))
			}
		}
	}
	t.gap()
}

// permissionOf is the verdict on an action for the identity in use; for dhmc,
// whose question is about the profile, whatever there is.
func permissionOf(r *Report, action string) Permission {
	found := Permission{Action: action, Verdict: "unknown-not-probed"}
	for _, p := range r.Permissions {
		if p.Action == action && (p.Identity == r.Credentials.Source || found.Verdict == "unknown-not-probed") {
			found = p
			if p.Identity == r.Credentials.Source {
				break
			}
		}
	}
	return found
}

func (t *screen) note(c Cause) {
	for _, l := range wrap(t.s.glyph("warn")+" "+t.show(c.Summary.String()), t.s.Width) {
		t.add("%s", l)
	}
	t.lines = append(t.lines, t.fix(c.Fix, 0, len(c.Fix), false)...)
}

func permissionsCSV(w io.Writer, r *Report) error {
	c := csv.NewWriter(w)
	_ = c.Write([]string{"feature", "in_use", "ready", "action", "need", "verdict", "layer", "identity", "resource", "at", "evidence"})
	for _, f := range r.Features {
		def, ok := iam.FeatureByID(f.ID)
		if !ok {
			continue
		}
		for _, n := range def.Actions {
			p := permissionOf(r, n.Action)
			row := []string{f.ID, strconv.FormatBool(f.InUse), f.Ready, n.Action, n.Need, p.Verdict, p.Layer, p.Identity, p.Resource, p.At, p.Evidence}
			for i := range row {
				row[i] = cell(row[i])
			}
			_ = c.Write(row)
		}
	}
	c.Flush()
	return c.Error()
}

// cell keeps foreign text from being a formula of a spreadsheet.
func cell(s string) string {
	s = Printable(s)
	if s != "" && strings.ContainsRune("=+-@", rune(s[0])) {
		s = "'" + s
	}
	return s
}
