package export

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"ssm-doctor/agent/safefile"
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

// ErrName is returned for a textfile that node_exporter would not read, or whose place
// is refused.
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
	var b bytes.Buffer
	if err := Write(&b, s, o, false); err != nil {
		return err
	}
	if err := safefile.Replace(name, 0o644, b.Bytes()); err != nil {
		if errors.Is(err, safefile.ErrRefused) {
			return fmt.Errorf("%w: %w", ErrName, err)
		}
		return fmt.Errorf("write textfile: %w", err)
	}
	return nil
}
