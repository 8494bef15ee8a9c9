// Package recorded keeps what a host answered to this program, without what is nobody
// else's business, and plays it back: on another machine, under another system.
package recorded

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

// Schema is the form of a recording.
const Schema = "ssm-doctor/recording/v1"

// Bounds of a recording.
const (
	// MaxBytes is of the file that holds it.
	MaxBytes = 64 << 20
	// maxFile is what is kept of one file or output, maxAll of all of them.
	maxFile, maxAll = 2 << 20, 32 << 20
	// maxItems bounds each list.
	maxItems = 100_000
)

// Recording is what a host answered, question by question. What was not asked then is
// not known later.
type Recording struct {
	Schema     string           `json:"schema"`
	Version    string           `json:"version"` // of the program that wrote it
	At         time.Time        `json:"at"`
	GOOS       string           `json:"goos"`
	GOARCH     string           `json:"goarch"`
	Root       string           `json:"root"`
	Live       bool             `json:"live"`
	Offline    bool             `json:"offline,omitempty"`
	Privileged facts.Seen[bool] `json:"privileged"`

	Variables map[string]string `json:"variables"` // of the environment that were asked for
	Programs  []Program         `json:"programs"`
	Files     []File            `json:"files"`
	Volumes   []Volume          `json:"volumes"`
	Kernel    *gather.Kernel    `json:"kernel,omitempty"`
	// Routes are the kernel's by the address that was asked for.
	Routes map[string]facts.Seen[facts.Route] `json:"routes,omitempty"`
	// Windows are answers of Windows by the question.
	Windows map[string]json.RawMessage `json:"windows,omitempty"`
}

// Program is a program that was run.
type Program struct {
	Args   []string `json:"args"`
	Output string   `json:"output"`
	Error  string   `json:"error,omitempty"`
}

// File is a name that was looked at, and how each way to look ended.
type File struct {
	Path  string            `json:"path"`
	Stat  *Info             `json:"stat,omitempty"`
	Lstat *Info             `json:"lstat,omitempty"`
	Link  *string           `json:"link,omitempty"`
	Names []Name            `json:"names,omitempty"` // of a directory
	Text  *string           `json:"text,omitempty"`
	Bytes []byte            `json:"bytes,omitempty"`    // of a file that is no text
	Fails map[string]string `json:"fails,omitempty"`    // open, stat, lstat, readlink, readdir: why not
	Kept  string            `json:"not_kept,omitempty"` // why the content is not here
}

// Info describes a file.
type Info struct {
	Size  int64       `json:"size"`
	Mode  fs.FileMode `json:"mode"`
	Mtime time.Time   `json:"mtime"`
	UID   *int        `json:"uid,omitempty"`
}

// Name is an entry of a directory.
type Name struct {
	Name string      `json:"name"`
	Type fs.FileMode `json:"type,omitempty"`
}

// Volume is the file system under a path.
type Volume struct {
	Path       string         `json:"path"`
	Usage      *facts.Usage   `json:"usage,omitempty"`
	UsageError string         `json:"usage_error,omitempty"`
	Volume     *gather.Volume `json:"volume,omitempty"`
	Error      string         `json:"error,omitempty"`
}

// errNotKept is the answer to what was not asked when the recording was made.
var errNotKept = errors.New("the recording does not hold it")

// sentinels are the errors that sources tell apart, by the words for them.
var sentinels = map[string]error{
	"not there": fs.ErrNotExist, "not permitted": fs.ErrPermission, "no file": gather.ErrNotAFile, "link loop": gather.ErrLinkLoop,
	"too large": gather.ErrTooLarge, "no program": gather.ErrNoProgram, "not on this system": gather.ErrUnsupported,
}

// wordFor is an error as a recording holds it.
func wordFor(err error) string {
	if err == nil {
		return ""
	}
	if gather.Missing(err) {
		return "not there"
	}
	for _, w := range slices.Sorted(maps.Keys(sentinels)) {
		if errors.Is(err, sentinels[w]) {
			return w
		}
	}
	return gather.Why(err)
}

func errorFor(word string) error {
	if word == "" {
		return nil
	}
	if err := sentinels[word]; err != nil {
		return err
	}
	return errors.New(gather.OneLine(word, 300))
}

// Read reads a recording.
func Read(b []byte) (*Recording, error) {
	if len(b) > MaxBytes {
		return nil, gather.ErrTooLarge
	}
	var r Recording
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, errors.New("is not a recording: " + gather.JSONError(err))
	}
	if r.Schema != Schema {
		return nil, fmt.Errorf("is not a recording of this program: its schema is %q", gather.OneLine(r.Schema, 60))
	}
	if !slices.Contains([]string{"linux", "windows", "darwin"}, r.GOOS) || r.At.IsZero() {
		return nil, errors.New("is not a whole recording: it names no system, or no time")
	}
	if len(r.Files) > maxItems || len(r.Programs) > maxItems || len(r.Volumes) > maxItems {
		return nil, gather.ErrTooLarge
	}
	return &r, nil
}

func key(args ...string) string { return strings.Join(args, "\x00") }
