package report

import (
	"crypto/sha256"
	"encoding/base64"
	"sync"
)

// ContentPolicy is the Content-Security-Policy for a page of HTML: it loads
// nothing from elsewhere and has the one style sheet and the empty icon that are
// in it.
var ContentPolicy = sync.OnceValue(func() string {
	sum := sha256.Sum256([]byte(pageCSS))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
})
