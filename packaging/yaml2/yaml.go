// Package yaml stands in for go.yaml.in/yaml/v2, by which the exporter toolkit reads its
// web configuration: here the reader of version 3 does it, which this program has for its
// own files. A second reader is a quarter of a megabyte, and may understand a file with
// passwords otherwise than the first.
package yaml

import (
	"bytes"
	"errors"
	"io"

	"go.yaml.in/yaml/v3"
)

// UnmarshalStrict reads the first document into a value and refuses fields that the value
// does not have. A file without a document leaves the value as it is.
func UnmarshalStrict(in []byte, out any) error {
	d := yaml.NewDecoder(bytes.NewReader(in))
	d.KnownFields(true)
	if err := d.Decode(out); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// Marshal writes a value as a document.
func Marshal(in any) ([]byte, error) { return yaml.Marshal(in) }
