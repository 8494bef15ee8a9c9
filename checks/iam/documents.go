package iam

import (
	"embed"
	"strings"
)

//go:embed data/policies/*.json
var documents embed.FS

// Document returns the text of a policy document that this package carries, by
// its name such as AmazonSSMManagedInstanceCore.
func Document(name string) ([]byte, bool) {
	if name == "" || strings.ContainsAny(name, `/\.`) {
		return nil, false
	}
	b, err := documents.ReadFile("data/policies/" + name + ".json")
	return b, err == nil
}
