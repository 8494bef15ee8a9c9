package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// The parts of an in-toto statement with SLSA provenance v1 that are written. It holds
// nothing of the machine, so that everybody who builds the commit gets the same one.
type (
	statement struct {
		Type          string     `json:"_type"`
		Subject       []subject  `json:"subject"`
		PredicateType string     `json:"predicateType"`
		Predicate     provenance `json:"predicate"`
	}
	subject struct {
		Name   string            `json:"name"`
		Digest map[string]string `json:"digest"`
	}
	provenance struct {
		Build struct {
			Type       string            `json:"buildType"`
			Parameters map[string]string `json:"externalParameters"`
			Resolved   []resource        `json:"resolvedDependencies"`
		} `json:"buildDefinition"`
		Run struct {
			Builder  map[string]string `json:"builder"`
			Metadata map[string]string `json:"metadata"`
		} `json:"runDetails"`
	}
	resource struct {
		Name   string            `json:"name"`
		Digest map[string]string `json:"digest,omitempty"`
	}
)

// provenanceOf tells how the files of dir were made: their sums before anything was
// signed, which unsigned is a list of, the commit, the Go release and the parameters.
func provenanceOf(unsigned, commit, version, arches, steps string, when time.Time, out io.Writer) error {
	if len(commit) != 40 {
		return fmt.Errorf("the commit %q is none", commit)
	}
	b, err := os.ReadFile(unsigned)
	if err != nil {
		return err
	}
	s := statement{Type: "https://in-toto.io/Statement/v1", PredicateType: "https://slsa.dev/provenance/v1"}
	for line := range strings.Lines(string(b)) {
		sum, name, ok := strings.Cut(strings.TrimSpace(line), "  ")
		if !ok || len(sum) != 64 {
			return fmt.Errorf("%s: line %q", filepath.Base(unsigned), line)
		}
		s.Subject = append(s.Subject, subject{name, map[string]string{"sha256": sum}})
	}
	if len(s.Subject) == 0 {
		return errors.New("no files")
	}
	goSum, err := fileSum("go.sum")
	if err != nil {
		return err
	}
	toolSum, err := fileSum("packaging/tools/go.sum")
	if err != nil {
		return err
	}
	s.Predicate.Build.Type = "urn:ssm-doctor:packaging/release.sh:v1"
	s.Predicate.Build.Parameters = map[string]string{"commit": commit, "version": version, "arches": arches, "steps": steps}
	s.Predicate.Build.Resolved = []resource{
		{"git:" + commit, map[string]string{"gitCommit": commit}},
		{runtime.Version(), nil},
		{"go.sum", map[string]string{"sha256": goSum}},
		{"packaging/tools/go.sum", map[string]string{"sha256": toolSum}},
	}
	s.Predicate.Run.Builder = map[string]string{"id": "urn:ssm-doctor:packaging/release.sh"}
	s.Predicate.Run.Metadata = map[string]string{"startedOn": when.UTC().Format(time.RFC3339)}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(s)
}
