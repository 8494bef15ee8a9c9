package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"

	"ssm-doctor/agent/report"
	"ssm-doctor/checks/iam"
)

// printAudit prints one row for each role of an instance profile of an account.
func (p *permissionFlags) printAudit(a *app) error {
	if len(p.policies) != 1 {
		return usagef("--all takes the output of aws iam get-account-authorization-details with one --policy")
	}
	if err := oneOf("--output", p.format, "text", "json", "csv"); err != nil {
		return err
	}
	b, err := a.readInput(p.policies[0], maxDocument)
	if err != nil {
		return err
	}
	roles, err := iam.RolesOfProfiles(b)
	if err != nil {
		return usagef("%s: %w", p.policies[0], err)
	}
	t := p.node
	t.Region = p.region
	rows := iam.Audit(roles, t)
	return a.create(p.file, func(w io.Writer) error {
		switch p.format {
		case "json":
			return encode(w, map[string]any{"roles": rows})
		case "csv":
			return auditCSV(w, rows)
		}
		_, err := io.WriteString(w, printableLines(auditText(rows)))
		return err
	})
}

func auditText(rows []iam.AuditRow) string {
	var b strings.Builder
	count := map[string]int{}
	for _, r := range rows {
		if r.Deprecated {
			count["deprecated"]++
		}
		if r.Trust == "no" {
			count["trust"]++
		}
		if !has(r.Ready, "core") || !has(r.Ready, "messaging") {
			count["not ready"]++
		}
	}
	fmt.Fprintf(&b, "%d roles of instance profiles: %d serve no managed node as far as was read, %d with %s, %d that EC2 may not assume\n", len(rows), count["not ready"], count["deprecated"], iam.Deprecated, count["trust"])
	for _, r := range rows {
		fmt.Fprintf(&b, "\n%s  (%s)\n", r.Role, strings.Join(r.Profiles, ", "))
		line := func(name string, list []string) {
			if len(list) > 0 {
				fmt.Fprintf(&b, "  %-10s %s\n", name, strings.Join(list, ", "))
			}
		}
		line("ready", r.Ready)
		line("unknown", r.Unknown)
		if r.Trust != "yes" {
			fmt.Fprintf(&b, "  %-10s %s: EC2 may assume the role\n", "trust", r.Trust)
		}
		if r.Denied {
			fmt.Fprintf(&b, "  %-10s a boundary or a deny is in the way: attaching policies does not help\n", "denied")
		}
		line("attach", r.Attach)
		line("detach", r.Detach)
		line("gains", r.Gains)
		for _, l := range r.Loses {
			fmt.Fprintf(&b, "  %-10s %s", "loses", l.Feature)
			if l.Attach != "" {
				fmt.Fprintf(&b, " (if it is used: attach %s)", l.Attach)
			}
			b.WriteString("\n")
		}
		line("not read", r.Missing)
	}
	return b.String()
}

func has(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

func auditCSV(w io.Writer, rows []iam.AuditRow) error {
	c := csv.NewWriter(w)
	if err := c.Write([]string{"role", "profiles", "trust", "ready", "not_ready", "unknown", "deprecated", "attach", "detach", "gains", "loses", "denied", "not_read"}); err != nil {
		return err
	}
	for _, r := range rows {
		var loses []string
		for _, l := range r.Loses {
			loses = append(loses, l.Feature)
		}
		row := []string{r.Role, strings.Join(r.Profiles, " "), r.Trust, strings.Join(r.Ready, " "), strings.Join(r.NotReady, " "), strings.Join(r.Unknown, " "), fmt.Sprint(r.Deprecated), strings.Join(r.Attach, " "), strings.Join(r.Detach, " "),
			strings.Join(r.Gains, " "), strings.Join(loses, " "), fmt.Sprint(r.Denied), strings.Join(r.Missing, " ")}
		for i := range row {
			row[i] = report.Printable(row[i])
			if row[i] != "" && strings.ContainsRune("=+-@", rune(row[i][0])) {
				row[i] = "'" + row[i] // else a formula for spreadsheets
			}
		}
		if err := c.Write(row); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}
