// Command distributor builds and checks the Systems Manager Distributor package.
//
//	distributor build -version 1.2.3 -out dist/distributor linux/amd64=dist/ssm-doctor-linux-amd64 ...
//	distributor validate dist/distributor
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "distributor:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: distributor build -version V -out DIR OS/ARCH=BINARY... | distributor validate [-name N] DIR")

func run(args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return errUsage
	}
	fs := flag.NewFlagSet("distributor "+args[0], flag.ContinueOnError)
	fs.SetOutput(stderr)
	name := fs.String("name", "ssm-doctor", "`name` of the document")
	switch args[0] {
	case "build":
		version := fs.String("version", "", "`version` of the package; '-' and '+' become dots")
		publisher := fs.String("publisher", "ssm-doctor", "`publisher` shown in the console")
		out := fs.String("out", "dist/distributor", "`folder` for manifest.json and the zips")
		notices := fs.String("notices", "", "`file` of the notices of linked modules")
		license := fs.String("license", "", "`file` of the license")
		if err := fs.Parse(args[1:]); err != nil {
			return err
		}
		p := plan{texts: map[string]string{}, name: *name, version: packageVersion(*version), publisher: *publisher, out: *out, binaries: map[string]string{}}
		for name, file := range map[string]string{"THIRD-PARTY-NOTICES": *notices, "LICENSE": *license} {
			if file != "" {
				p.texts[name] = file
			}
		}
		for _, a := range fs.Args() {
			platform, path, ok := strings.Cut(a, "=")
			if !ok {
				return errUsage
			}
			p.binaries[platform] = path
		}
		if p.version == "" || len(p.binaries) == 0 {
			return errUsage
		}
		if _, err := build(p); err != nil {
			return err
		}
		return report(stdout, p.name, p.out)
	case "validate":
		if err := fs.Parse(args[1:]); err != nil {
			return err
		}
		if fs.NArg() != 1 {
			return errUsage
		}
		return report(stdout, *name, fs.Arg(0))
	}
	return errUsage
}

// report validates a folder and lists what is in it, or what is wrong with it.
func report(w io.Writer, name, dir string) error {
	problems := validate(name, dir)
	if len(problems) > 0 {
		return fmt.Errorf("%s is not a valid package:\n%w", dir, errors.Join(problems...))
	}
	m, _, err := readManifest(dir)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s: package %s %s, %d files, valid\n", dir, name, m.Version, len(m.Files))
	return err
}

// packageVersion makes of a version the letters, digits and dots that every rule of
// Distributor takes: v1.2.3-4-gabcdef0 becomes 1.2.3.4.gabcdef0.
func packageVersion(v string) string {
	return strings.NewReplacer("-", ".", "+", ".").Replace(strings.TrimPrefix(v, "v"))
}
