package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/exporter-toolkit/web"
)

// TestFormsOfWebConfig: the toolkit reads its file by a stand-in for the reader that it
// was made with, which has to take and refuse what that one does.
func TestFormsOfWebConfig(t *testing.T) {
	t.Parallel()
	const hash = "$2y$04$X0h1gDsQQ6N2YbF0r6nKyuTTtQ0e.Lrg3fIoGRHXqXDc0RkzBm6xi"
	for _, c := range []struct{ name, text, err string }{
		{"users", "basic_auth_users: {alice: '" + hash + "', 7: '" + hash + "'}\n", ""},
		{"headers and limits", "http_server_config: {http2: no, headers: {X-Frame-Options: deny}}\nrate_limit: {burst: 5, interval: 1s}\n", ""},
		{"empty", "", ""},
		{"comment", "# nothing\n", ""},
		{"field that does not exist", "basic_auth_user: {alice: x}\n", "field basic_auth_user not found in type web.Config"},
		{"field of a part that does not exist", "tls_server_config: {cert: x, no_such: y}\n", "field no_such not found"},
		{"version that does not exist", "tls_server_config: {cert: x, key: y, min_version: TLS9}\n", "unknown TLS version: TLS9"},
		{"key twice", "http_server_config: {http2: true}\nhttp_server_config: {http2: true}\n", "already"},
		{"no YAML", "a: [", "did not find"},
		{"of another kind", "basic_auth_users: [alice]\n", "cannot unmarshal"},
		{"header that may not be set", "http_server_config: {headers: {X-Own: a}}\n", "X-Own"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "web.yml")
			if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			err := web.Validate(file)
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("%v, want %q", err, c.err)
			}
		})
	}
}
