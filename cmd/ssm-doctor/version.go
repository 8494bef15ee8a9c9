package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"ssm-doctor/agent/report"
)

// version, commit and date are set at build time with -ldflags "-X main.version=...":
// the release, the commit that it was built of (40 digits) and the day of that commit.
var version, commit, date = "dev", "", ""

// versionString is the version, with the revision for builds that have none.
func versionString() string {
	if version != "dev" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				return "dev+" + s.Value[:12]
			}
		}
	}
	return version
}

// revision is the commit that the program was built of; empty when nobody said.
func revision() string {
	if commit != "" {
		return commit
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return ""
}

// versionLine begins with "ssm-doctor RELEASE ", which scripts read.
func versionLine() string {
	built := ""
	if r := revision(); len(r) >= 12 {
		built = ", commit " + r[:12]
		if date != "" {
			built += " of " + date
		}
	}
	return fmt.Sprintf("ssm-doctor %s (%s, %s/%s%s)\n", versionString(), runtime.Version(), runtime.GOOS, runtime.GOARCH, built)
}

func newVersionCmd(a *app) *cobra.Command {
	var format string
	var schema bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version, or the JSON Schema of reports",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := oneOf("--output", format, "text", "json"); err != nil {
				return err
			}
			switch {
			case schema:
				b, err := report.SchemaJSON()
				if err == nil {
					_, err = a.out.Write(b)
				}
				return err
			case format == "json":
				return report.WriteJSON(a.out, map[string]string{"version": versionString(), "commit": revision(), "date": date, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH, "schema": report.Schema}, "  ")
			}
			_, err := io.WriteString(a.out, versionLine())
			return err
		},
	}
	cmd.Flags().BoolVar(&schema, "schema", false, "print the JSON Schema of reports")
	outputFlag(cmd, &format, "text", "json")
	return cmd
}

// outputFlag adds -o to a command with few formats, the first being the default.
func outputFlag(cmd *cobra.Command, p *string, formats ...string) {
	cmd.Flags().StringVarP(p, "output", "o", formats[0], "`format`: "+strings.Join(formats, ", "))
	_ = cmd.RegisterFlagCompletionFunc("output", choices(formats))
}
