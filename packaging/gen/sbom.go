package main

import (
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// The parts of CycloneDX 1.5 that are written.
type (
	bom struct {
		Format      string       `json:"bomFormat"`
		SpecVersion string       `json:"specVersion"`
		Version     int          `json:"version"`
		Metadata    metadata     `json:"metadata"`
		Components  []component  `json:"components"`
		Depends     []dependency `json:"dependencies"`
	}
	metadata struct {
		Timestamp  string       `json:"timestamp"`
		Tools      []tool       `json:"tools"`
		Supplier   organization `json:"supplier"`
		Component  component    `json:"component"`
		Properties []property   `json:"properties,omitempty"`
	}
	component struct {
		Type    string `json:"type"`
		Ref     string `json:"bom-ref"`
		Name    string `json:"name"`
		Version string `json:"version,omitempty"`
		PURL    string `json:"purl,omitempty"`
		Hashes  []hash `json:"hashes,omitempty"`

		Supplier *organization `json:"supplier,omitempty"`
		Licenses []expression  `json:"licenses,omitempty"`
	}
	organization struct {
		Name string `json:"name"`
	}
	expression struct {
		Expression string `json:"expression"`
	}
	tool struct {
		Vendor  string `json:"vendor"`
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	hash struct {
		Alg     string `json:"alg"`
		Content string `json:"content"`
	}
	property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	dependency struct {
		Ref string   `json:"ref"`
		On  []string `json:"dependsOn"`
	}
)

// sbom writes the bill of materials that the program carries in itself. Its own
// version it does not carry: -trimpath leaves the linker's flags out.
func sbom(ctx context.Context, program, version string, when time.Time, out io.Writer) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return fmt.Errorf("read the build info of %s: %w", program, err)
	}
	sum, err := fileSum(program)
	if err != nil {
		return err
	}
	list, err := linked(ctx, []string{program})
	if err != nil {
		return err
	}
	licenses := map[string]string{}
	for _, n := range list {
		licenses[n.module] = n.license
	}
	b, err := fromBuildInfo(info, version, sum, when, licenses)
	if err != nil {
		return err
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(b)
}

// fromBuildInfo: the program, the Go release it was built with and every module
// linked into it. Its time is that of the commit, and it has no serial number, which
// would make two builds differ.
func fromBuildInfo(info *debug.BuildInfo, version, programSum string, when time.Time, licenses map[string]string) (bom, error) {
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	b := bom{Format: "CycloneDX", SpecVersion: "1.5", Version: 1, Components: []component{}}
	ownLicense := []expression{{"Apache-2.0"}}
	b.Metadata.Timestamp = when.UTC().Format(time.RFC3339)
	b.Metadata.Tools = []tool{{publisher, "packaging/gen", version}}
	b.Metadata.Supplier = organization{publisher}
	b.Metadata.Component = component{Supplier: &organization{publisher}, Licenses: ownLicense,
		Type: "application", Ref: info.Main.Path, Name: info.Main.Path, Version: version,
		PURL: "pkg:generic/" + purlPath(info.Main.Path) + "@" + url.QueryEscape(version), Hashes: []hash{{"SHA-256", programSum}}}
	for _, k := range []string{"GOOS", "GOARCH"} {
		b.Metadata.Properties = append(b.Metadata.Properties, property{"build:" + k, settings[k]})
	}
	goVersion := strings.TrimPrefix(info.GoVersion, "go")
	b.Components = append(b.Components, component{Type: "library", Ref: "std@" + goVersion, Name: "std", Version: goVersion, PURL: "pkg:golang/std@" + goVersion})
	license := func(c *component) {
		if l := licenses[c.Ref]; l != "" {
			c.Licenses = []expression{{l}}
		}
		// The supplier of a module is who holds the place that its path names.
		c.Supplier = &organization{supplier(c.Name)}
	}
	license(&b.Components[0])
	for _, m := range info.Deps {
		if ours(m) {
			ref := m.Path + "@" + version
			b.Components = append(b.Components, component{Type: "library", Ref: ref, Name: m.Path, Version: version, Supplier: &organization{publisher}, Licenses: ownLicense})
			continue
		}
		if m.Replace != nil {
			m = m.Replace
		}
		ref := m.Path + "@" + m.Version
		c := component{Type: "library", Ref: ref, Name: m.Path, Version: m.Version, PURL: "pkg:golang/" + purlPath(m.Path) + "@" + url.QueryEscape(m.Version)}
		if s, ok := strings.CutPrefix(m.Sum, "h1:"); ok {
			raw, err := base64.StdEncoding.DecodeString(s)
			if err != nil {
				return bom{}, fmt.Errorf("checksum of %s: %w", ref, err)
			}
			c.Hashes = []hash{{"SHA-256", hex.EncodeToString(raw)}}
		}
		license(&c)
		b.Components = append(b.Components, c)
	}
	slices.SortFunc(b.Components, func(x, y component) int { return strings.Compare(x.Ref, y.Ref) })
	d := dependency{Ref: info.Main.Path, On: []string{}}
	for _, c := range b.Components {
		d.On = append(d.On, c.Ref)
	}
	b.Depends = []dependency{d}
	return b, nil
}

const publisher = "ssm-doctor maintainers"

// supplier is the owner that a module's path names.
func supplier(module string) string {
	if module == "std" {
		return "The Go Authors"
	}
	parts := strings.Split(module, "/")
	if parts[0] == "github.com" && len(parts) > 1 {
		return parts[0] + "/" + parts[1]
	}
	return parts[0]
}

func purlPath(p string) string {
	parts := strings.Split(p, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}

func fileSum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("hash %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// sums writes lines for sha256sum -c, sorted by name, over all files below dir
// but earlier sums and signatures.
func sums(dir string, out io.Writer) error {
	return filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		if strings.HasPrefix(name, "SHA256SUMS") {
			return nil
		}
		sum, err := fileSum(p)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(out, "%s  %s\n", sum, filepath.ToSlash(name))
		return err
	})
}
