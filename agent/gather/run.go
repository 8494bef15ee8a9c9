package gather

import (
	"fmt"
	"sync"
	"time"
)

// Run is one look at a host. It carries what sources leave for later ones and
// must not enter the facts: keys to sign with and the passwords of proxies. It
// is made for one run and dropped after it, so that nothing of this outlives it.
type Run struct {
	*Env

	mu                   sync.Mutex
	keys                 map[string]keys // by source of credentials, facts.Source constants
	service, unit, shell proxyVars
}

// Begin starts a run.
func (env *Env) Begin() *Run { return &Run{Env: env, keys: map[string]keys{}} }

// Format keeps a run out of logs and messages, in every form of fmt.
func (r *Run) Format(s fmt.State, _ rune) { fmt.Fprint(s, "a run") }

// keys are credentials to sign with.
type keys struct{ id, secret, token string }

// Format keeps credentials out of logs and messages, in every form of fmt.
func (k keys) Format(s fmt.State, _ rune) { fmt.Fprint(s, "credentials") }

// setProxies leaves the proxy settings of the service as it runs, those that the
// files of its unit give where they differ, and those of users.
func (r *Run) setProxies(service, unit, shell proxyVars) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.service, r.unit, r.shell = service, unit, shell
}

// proxies returns what setProxies left.
func (r *Run) proxies() (service, unit, shell proxyVars) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.service, r.unit, r.shell
}

// setKeys leaves the credentials of a source, a facts.Source constant.
func (r *Run) setKeys(source string, k keys) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys[source] = k
}

// keysOf returns the credentials of a source.
func (r *Run) keysOf(source string) (keys, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k, ok := r.keys[source]
	return k, ok
}

// Memory is what outlives a run for as long as the process does. It holds no
// secrets. A nil Memory keeps nothing.
type Memory struct {
	mu               sync.Mutex
	simulatorRefused time.Time
}

// noteSimulatorRefused remembers when the policy simulator refused or was out of reach.
func (m *Memory) noteSimulatorRefused(at time.Time) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.simulatorRefused = at
}

// simulatorRefusedAt is when that was last; zero: not that we know.
func (m *Memory) simulatorRefusedAt() time.Time {
	if m == nil {
		return time.Time{}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.simulatorRefused
}
