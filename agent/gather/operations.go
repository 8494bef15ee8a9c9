package gather

import (
	"slices"

	"ssm-doctor/checks/facts"
)

// Operations are the AWS requests that a run with the given probe families may
// send, sorted.
func Operations(families []string) []string {
	out := []string{callerIdentity.action}
	for _, r := range defaultReads {
		out = append(out, r.action)
	}
	for _, f := range families {
		for _, r := range probeRows(f, &facts.Facts{}, nil) {
			out = append(out, r.action)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Forget drops what a run left behind for later sources: keys and proxies. A
// program that runs again with the same environment calls it in between.
func (env *Env) Forget() {
	env.hand.mu.Lock()
	defer env.hand.mu.Unlock()
	env.hand.keys, env.hand.proxy, env.hand.shell = nil, proxyVars{}, proxyVars{}
}
