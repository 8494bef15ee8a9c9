package report

import _ "embed"

// SchemaJSON is the JSON Schema (2020-12) of the report. It leaves room for
// more keys: readers ignore those that they do not know.
//
//go:embed schema.json
var SchemaJSON []byte
