package export

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// Write writes the exposition of a snapshot: the text format, or OpenMetrics.
func Write(w io.Writer, s *Snapshot, o Options, openMetrics bool) error {
	reg, err := registry(s, o)
	if err != nil {
		return err
	}
	list, err := reg.Gather()
	if err != nil {
		return fmt.Errorf("gather metrics: %w", err)
	}
	format := expfmt.NewFormat(expfmt.TypeTextPlain)
	if openMetrics {
		format = expfmt.NewFormat(expfmt.TypeOpenMetrics)
	}
	e := expfmt.NewEncoder(w, format)
	for _, f := range list {
		if err := e.Encode(f); err != nil {
			return fmt.Errorf("write metrics: %w", err)
		}
	}
	if c, ok := e.(expfmt.Closer); ok {
		return c.Close()
	}
	return nil
}

func registry(s *Snapshot, o Options) (*prometheus.Registry, error) {
	reg := prometheus.NewPedanticRegistry()
	if err := reg.Register(New(func() *Snapshot { return s }, o)); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return reg, nil
}

// ErrName is returned for a textfile that node_exporter would not read, or that
// is something else than a file.
var ErrName = errors.New("not a name for a textfile")

// WriteTextfile writes a snapshot for the textfile collector of node_exporter.
// The file is readable by all and takes its name only when it is whole.
func WriteTextfile(name string, s *Snapshot, o Options) error {
	base := filepath.Base(name)
	switch {
	case !strings.HasSuffix(base, ".prom") || base == ".prom":
		return fmt.Errorf("%s: %w: node_exporter reads *.prom", name, ErrName)
	case strings.HasPrefix(base, "."):
		return fmt.Errorf("%s: %w: it is hidden", name, ErrName)
	}
	if info, err := os.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s: %w: it exists and is no regular file", name, ErrName)
	}
	reg, err := registry(s, o)
	if err != nil {
		return err
	}
	if err := prometheus.WriteToTextfile(name, reg); err != nil {
		var at *fs.PathError
		if errors.As(err, &at) { // names a file whose name is another each time
			err = at.Err
		}
		return fmt.Errorf("write textfile %s: %w", name, err)
	}
	return nil
}

// ReplaceFile writes a file beside its place and renames it, so that readers
// find the old content or the new. What is left of a write that was cut off is
// overwritten by the next. Only the owner may read it.
func ReplaceFile(name string, b []byte) error {
	// Does not end as the file does: folders are read by ending.
	part := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+".tmp")
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(part)
	_, err = f.Write(b)
	if e := f.Sync(); err == nil {
		err = e
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return os.Rename(part, name)
}
