package report

import (
	"io"
	"time"
)

// Live is what a server knows of the report that it shows.
type Live struct {
	Refresh time.Duration
}

// HTML is not there yet.
func HTML(w io.Writer, r *Report, _ Live) error { _, err := io.WriteString(w, r.State); return err }
