package report

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"io"
)

// schemaGzip is schema.json, packed: what the program may weigh is limited.
//
//go:embed schema.json.gz
var schemaGzip []byte

// SchemaJSON is the JSON Schema (2020-12) of the report. It leaves room for
// more keys: readers ignore those that they do not know.
func SchemaJSON() ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(schemaGzip))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}
