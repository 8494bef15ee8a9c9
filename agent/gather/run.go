package gather

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"ssm-doctor/checks/facts"
)

// Run is one look at a host. It carries what sources leave for later ones and
// must not enter the facts: keys to sign with and the passwords of proxies. It
// is made for one run and dropped after it, so that nothing of this outlives it.
type Run struct {
	*Env

	mu                   sync.Mutex
	signing              time.Duration   // that signed requests have taken
	keys                 map[string]Keys // by source of credentials, facts.Source constants
	service, unit, shell ProxyVars
	trust                Trust // of the service
	asked                map[string]*question
	left                 map[string]io.Closer
	ended                map[string]<-chan struct{} // by source; see Await
	config               facts.Seen[facts.Config]   // of the agent, once configured is closed
	configured           chan struct{}

	rough atomic.Bool // the network is; see Patience
}

// Begin starts a run. It does not see later changes of env.
func (env *Env) Begin() *Run {
	own := *env
	if own.FS != nil && !own.privileged() {
		own.FS = userFS{own.FS}
	}
	return &Run{Env: &own, keys: map[string]Keys{}, asked: map[string]*question{}, left: map[string]io.Closer{}, configured: make(chan struct{})}
}

// End closes what sources left and nobody took, and gives up what is still being asked.
func (r *Run) End() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, q := range r.asked {
		q.give()
	}
	for k, c := range r.left {
		c.Close()
		delete(r.left, k)
	}
}

// Leave leaves a connection for a later source.
func (r *Run) Leave(key string, c io.Closer) {
	r.mu.Lock()
	old := r.left[key]
	r.left[key] = c
	r.mu.Unlock()
	if old != nil {
		old.Close()
	}
}

// Take returns what was left, once; nil: nothing.
func (r *Run) Take(key string) io.Closer {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.left[key]
	delete(r.left, key)
	return c
}

// Sources says when sources end, for those that begin before; see Await.
func (r *Run) Sources(ended map[string]<-chan struct{}) { r.ended = ended }

// Await waits until a source has ended, whose section may be read from then on; false:
// ctx ended first. A source that is not part of the run has ended.
func (r *Run) Await(ctx context.Context, source string) bool {
	ch := r.ended[source]
	if ch == nil {
		return true
	}
	select {
	case <-ch:
		return true
	case <-ctx.Done():
		return false
	}
}

// SetConfig leaves the configuration of the agent, after SetProxies: with both it is known
// where endpoints are, long before all is known of the agent.
func (r *Run) SetConfig(c facts.Seen[facts.Config]) {
	select {
	case <-r.configured:
	default:
		r.config = c
		close(r.configured)
	}
}

// Config is the configuration of the agent, for sources that begin before that one has
// ended which fills the section.
func (r *Run) Config(ctx context.Context, f *facts.Facts) facts.Seen[facts.Config] {
	if r.ended["agent"] == nil {
		return f.Agent.Config
	}
	select {
	case <-r.configured:
		return r.config
	case <-r.ended["agent"]: // all of the section may be read, whatever it came to
		return f.Agent.Config
	case <-ctx.Done():
	}
	return facts.Unknown[facts.Config]("the configuration of the agent was not read", "")
}

// question is one whose answer is shared.
type question struct {
	done     chan struct{}
	give     context.CancelFunc // it up
	answer   any
	panicked *Panic
}

// BeginOnce begins to ask a question that Once will be asked, and does not wait.
func (r *Run) BeginOnce(ctx context.Context, key string, ask func(context.Context) any) {
	r.question(ctx, key, ask)
}

// Once asks a question once in a run, whoever wants the answer. It is asked to its end, also
// when who asked first no longer wants to know: others would have waited in vain.
func (r *Run) Once(ctx context.Context, key string, ask func(context.Context) any) any {
	q := r.question(ctx, key, ask)
	select {
	case <-q.done:
		if q.panicked != nil {
			panic(q.panicked)
		}
		return q.answer
	case <-ctx.Done():
		return ask(ctx)
	}
}

func (r *Run) question(ctx context.Context, key string, ask func(context.Context) any) *question {
	r.mu.Lock()
	defer r.mu.Unlock()
	q := r.asked[key]
	if q != nil {
		return q
	}
	q = &question{done: make(chan struct{})}
	var whole context.Context
	whole, q.give = context.WithCancel(context.WithoutCancel(ctx))
	r.asked[key] = q
	go func() {
		defer func() {
			if v := recover(); v != nil {
				var ok bool
				if q.panicked, ok = v.(*Panic); !ok { // of workers that ask had
					q.panicked = &Panic{v, debug.Stack()}
				}
			}
			q.give()
			close(q.done)
		}()
		q.answer = ask(whole)
	}()
	return q
}

// privileged reports whether this process is known to have root rights.
func (env *Env) privileged() bool {
	seen := env.Privileged
	if env.Windows != nil {
		seen = env.Windows.Elevated()
	}
	yes, known := seen.Get()
	return known && yes
}

// Format keeps a run out of logs and messages, in every form of fmt.
func (r *Run) Format(s fmt.State, _ rune) { fmt.Fprint(s, "a run") }

// Keys are credentials to sign with.
type Keys struct{ ID, Secret, Token string }

// Format keeps credentials out of logs and messages, in every form of fmt.
func (k Keys) Format(s fmt.State, _ rune) { fmt.Fprint(s, "credentials") }

// maxSigning is how long all signed requests of a run may take together.
const maxSigning = 4 * time.Second

// Signing bounds a group of signed requests: it has what earlier groups of the run left
// of the time. done ends the group.
func (r *Run) Signing(ctx context.Context) (bounded context.Context, done func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	start := time.Now()
	bounded, cancel := context.WithTimeout(ctx, maxSigning-r.signing)
	return bounded, func() {
		cancel()
		r.mu.Lock()
		defer r.mu.Unlock()
		r.signing += time.Since(start)
	}
}

// SetProxies leaves the proxy settings of the service as it runs, those that the
// files of its unit give where they differ, and those of users.
func (r *Run) SetProxies(service, unit, shell ProxyVars) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.service, r.unit, r.shell = service, unit, shell
}

// Proxies returns what setProxies left.
func (r *Run) Proxies() (service, unit, shell ProxyVars) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.service, r.unit, r.shell
}

// SetTrust leaves where the agent's service looks for the certificates that it trusts.
func (r *Run) SetTrust(t Trust) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trust = t
}

// Trust returns what SetTrust left.
func (r *Run) Trust() Trust {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.trust
}

// SetKeys leaves the credentials of a source, a facts.Source constant.
func (r *Run) SetKeys(source string, k Keys) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys[source] = k
}

// KeysOf returns the credentials of a source.
func (r *Run) KeysOf(source string) (Keys, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k, ok := r.keys[source]
	return k, ok
}

// Memory is what outlives a run for as long as the process does. It holds no keys of
// the host, but lines of its log as they stand, which are shown to nobody before what is
// not recognised in them is taken out. A nil Memory keeps nothing.
type Memory struct {
	mu               sync.Mutex
	simulatorRefused time.Time
	kept             map[string]any
}

// Keep remembers what a source knows from one run to the next; nil: nothing.
func (m *Memory) Keep(key string, what any) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept == nil {
		m.kept = map[string]any{}
	}
	m.kept[key] = what
}

// Kept is what was kept; nil: nothing.
func (m *Memory) Kept(key string) any {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.kept[key]
}

// NoteSimulatorRefused remembers when the policy simulator refused or was out of reach.
func (m *Memory) NoteSimulatorRefused(at time.Time) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.simulatorRefused = at
}

// SimulatorRefusedAt is when that was last; zero: not that we know.
func (m *Memory) SimulatorRefusedAt() time.Time {
	if m == nil {
		return time.Time{}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.simulatorRefused
}
