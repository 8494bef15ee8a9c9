package facts

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Schema names the format of a facts file. Additions keep the name. v1 did not
// tell a list that was not read from one that is empty.
const Schema = "ssm-doctor/facts/v2"

// MaxFileBytes bounds a facts file; real ones are below 200 kB.
const MaxFileBytes = 8 << 20

// Facts is everything seen in one run. Secrets never enter it: no private key,
// secret key, session token, activation code, proxy password or machine id.
type Facts struct {
	Schema      string    `json:"schema"`
	Version     string    `json:"version"`
	CollectedAt time.Time `json:"collected_at"` // the host's clock
	Root        string    `json:"root"`         // examined root, "/" on a live host
	Offline     bool      `json:"offline"`      // no packet left the host
	Redacted    bool      `json:"redacted"`
	AgentLatest string    `json:"agent_latest,omitempty"` // newest agent published, as the operator says
	Pseudonyms  []byte    `json:"-"`                      // key of the pseudonyms of redaction
	Asked       []string  `json:"asked,omitempty"`        // features the user asked for, besides those in use

	Host         Host         `json:"host"`
	Agent        Agent        `json:"agent"`
	Registration Registration `json:"registration"`
	IMDS         IMDS         `json:"imds"`
	Credentials  Credentials  `json:"credentials"`
	Network      Network      `json:"network"`
	Permissions  Permissions  `json:"permissions"`
	Log          Log          `json:"log"`
	ECS          ECS          `json:"ecs"`
	Work         Work         `json:"work"`
	Sources      []Source     `json:"sources"`
}

// Source is how one gatherer fared.
type Source struct {
	Name            string  `json:"name"`
	Success         bool    `json:"success"`
	DurationSeconds float64 `json:"duration_seconds"`
	Error           string  `json:"error"`
	Ending          Ending  `json:"ending,omitempty"`
}

// Broken reports whether a source did not end by itself.
func (s Source) Broken() bool { return s.Ending != Ended }

// Broken says which source did not end by itself and why, or is empty. What it
// should have told is missing for no reason of the host's.
func (f *Facts) Broken() string {
	for _, s := range f.Sources {
		switch s.Ending {
		case Panicked:
			return fmt.Sprintf("reading of %q ended in an error of this program", s.Name)
		case CutOff:
			return fmt.Sprintf("the run ended before %q was read", s.Name)
		}
	}
	return ""
}

// Live reports whether the facts come from a running host and not from a
// mounted image.
func (f *Facts) Live() bool { return f.Root == "/" || f.Root == "" }

// errNotFacts is returned for JSON that is not a facts file.
var errNotFacts = errors.New("not a facts file")

// Parse decodes a facts file of at most MaxFileBytes. Unknown keys are ignored,
// so that an older program reads a newer file.
func Parse(b []byte) (*Facts, error) {
	if len(b) > MaxFileBytes {
		return nil, fmt.Errorf("%w: larger than %d bytes", errNotFacts, MaxFileBytes)
	}
	var f Facts
	if err := json.Unmarshal(b, &f); err != nil {
		var head struct {
			Schema string `json:"schema"`
		}
		wrong := new(json.UnmarshalTypeError)
		switch {
		case !json.Valid(b):
			return nil, fmt.Errorf("%w: it is not JSON", errNotFacts)
		case json.Unmarshal(b, &head) == nil && strings.HasPrefix(head.Schema, "ssm-doctor/report/"):
			return nil, fmt.Errorf("%w: it is a report, which summary and compare read; ssm-doctor collect writes facts", errNotFacts)
		case errors.As(err, &wrong) && wrong.Field != "":
			return nil, fmt.Errorf("%w: its member %s has not the form that collect gives it", errNotFacts, wrong.Field)
		}
		return nil, fmt.Errorf("%w: its members have not the form that collect gives them", errNotFacts)
	}
	if f.Schema != Schema {
		return nil, fmt.Errorf("%w: schema is %q, want %q", errNotFacts, f.Schema, Schema)
	}
	return &f, nil
}
