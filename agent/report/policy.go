package report

import (
	"crypto/sha256"
	"encoding/base64"
	"sync"
)

// pagePolicy is the Content-Security-Policy that a page carries itself, for when it is
// opened as a file: it has the one style sheet, the one script and the icon that are in
// it, and asks nobody but the server that it came from.
var pagePolicy = sync.OnceValue(func() string {
	return "default-src 'none'; style-src '" + hashOf(pageCSS) + "'; script-src '" + hashOf(pageJS) +
		"'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'"
})

// ContentPolicy is the Content-Security-Policy that a server sends with a page of HTML.
// A page cannot say of itself who may frame it.
func ContentPolicy() string { return pagePolicy() + "; frame-ancestors 'none'" }

func hashOf(source string) string {
	sum := sha256.Sum256([]byte(source))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
