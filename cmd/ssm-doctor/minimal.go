package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"ssm-doctor/agent/report"
	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/pattern"
)

// printMinimal prints what to attach: ARNs of managed policies, one a line, and
// a document. Remarks go to standard error, so that the document can be piped.
func (p *permissionFlags) printMinimal(ctx context.Context, a *app) error {
	f, err := p.facts(ctx, a)
	if err != nil {
		return err
	}
	features := p.features
	if len(features) == 0 {
		if f == nil {
			return usagef("--minimal needs --feature when the host is not examined")
		}
		features = slices.Sorted(maps.Keys(node.Of(f).InUse()))
		fmt.Fprintf(a.err, "features in use: %s\n", report.Printable(strings.Join(features, ", ")))
	}
	t := p.targetOf(f)
	g, err := iam.Minimal(features, t)
	if err != nil {
		return usagef("%w", err)
	}
	var arns, instead []string
	for _, n := range g.Attach {
		arns = append(arns, iam.PolicyARN(n, t.Partition))
	}
	for _, n := range g.Instead {
		instead = append(instead, iam.PolicyARN(n, t.Partition))
	}
	if p.format == "json" {
		out := map[string]any{"features": features, "attach": list(arns), "document": g.Custom, "instead": list(instead), "instead_extra_actions": g.Extra,
			"placeholders": list(g.Placeholders), "notes": list(g.Notes), "left_out": left(g.Left)}
		return a.create(p.file, func(w io.Writer) error { return encode(w, out) })
	}
	err = a.create(p.file, func(w io.Writer) error {
		for _, arn := range arns {
			if _, err := fmt.Fprintln(w, arn); err != nil {
				return err
			}
		}
		if g.Custom == nil {
			return nil
		}
		return encode(w, g.Custom)
	})
	if err != nil {
		return err
	}
	if len(g.Placeholders) > 0 {
		fmt.Fprintf(a.err, "fill in: %s\n", strings.Join(g.Placeholders, ", "))
	}
	if len(instead) > 0 {
		fmt.Fprintf(a.err, "instead, with %d more actions: %s\n", g.Extra, strings.Join(instead, " "))
	}
	for _, n := range g.Notes {
		fmt.Fprintln(a.err, report.Printable(n))
	}
	for _, l := range left(g.Left) {
		fmt.Fprintf(a.err, "left out: %s\n", report.Printable(l))
	}
	return nil
}

func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func left(needs []iam.Need) []string {
	out := []string{}
	for _, n := range needs {
		s := n.Action
		if n.When != "" {
			s += " (" + n.When + ")"
		}
		switch {
		case strings.HasPrefix(n.Action, "kms:"):
			s += "; --kms-key adds it"
		case n.Need == iam.Optional:
			s += "; optional"
		case n.Action == "s3:PutObjectAcl":
			s += "; --foreign-bucket adds it"
		default:
			s += "; --conditional adds it"
		}
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// printTable prints which policy serves which feature.
func (p *permissionFlags) printTable(a *app) error {
	rows, codes := iam.Table(), iam.Codes()
	return a.create(p.file, func(w io.Writer) error {
		switch p.format {
		case "json":
			type cell struct {
				Feature  string            `json:"feature"`
				Title    string            `json:"title"`
				Policies map[string]string `json:"policies"`
			}
			out := []cell{}
			for _, r := range rows {
				c := cell{r.Feature.ID, r.Feature.Title, map[string]string{}}
				for i, v := range r.Cells {
					if v != "" {
						c.Policies[codes[i].Name] = v
					}
				}
				out = append(out, c)
			}
			return encode(w, out)
		case "csv":
			c := csv.NewWriter(w)
			head := []string{"feature"}
			for _, x := range codes {
				head = append(head, x.Name)
			}
			_ = c.Write(head)
			for _, r := range rows {
				_ = c.Write(append([]string{r.Feature.ID}, r.Cells...))
			}
			c.Flush()
			return c.Error()
		}
		// Columns without an entry say nothing.
		var columns []int
		for i := range codes {
			if slices.ContainsFunc(rows, func(r iam.Row) bool { return r.Cells[i] != "" }) {
				columns = append(columns, i)
			}
		}
		var b strings.Builder
		tw := tabwriter.NewWriter(&b, 0, 0, 1, ' ', 0)
		line := func(first string, cell func(i int) string) {
			cells := []string{first}
			for _, i := range columns {
				cells = append(cells, cell(i))
			}
			fmt.Fprintln(tw, strings.Join(cells, "\t")+"\t")
		}
		line("FEATURE", func(i int) string { return codes[i].Code })
		for _, r := range rows {
			line(r.Feature.ID, func(i int) string { return r.Cells[i] })
		}
		if err := tw.Flush(); err != nil {
			return err
		}
		out := trailing.ReplaceAllString(b.String(), "\n") + "\n" +
			"yes: all that the feature always needs; yes~: for listed resources or under a\n" +
			"condition only; part: some of it. What one feature needs: permissions --minimal\n\n"
		for _, i := range columns {
			name := codes[i].Name
			if name == iam.Deprecated {
				name += " (deprecated)"
			}
			out += fmt.Sprintf("%-4s %s\n", codes[i].Code, name)
		}
		_, err := io.WriteString(w, out)
		return err
	})
}

var trailing = pattern.New(` +\n`)
