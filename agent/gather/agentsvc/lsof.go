package agentsvc

import (
	"context"
	"net/netip"
	"strconv"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

// macChannel asks lsof for the agent's connections to port 443. It does not tell of
// data that goes unanswered.
func macChannel(ctx context.Context, env *gather.Env, ps facts.Seen[facts.Processes]) facts.Seen[[]facts.Socket] {
	const from = "lsof"
	if !ps.Known() {
		return gather.Likewise[[]facts.Socket](ps)
	}
	var pids []string
	for _, p := range pidsOf(ps.Value) {
		pids = append(pids, strconv.Itoa(p))
	}
	switch root, ok := env.Privileged.Get(); {
	case len(pids) == 0:
		return facts.Known([]facts.Socket{}, from)
	case env.Exec == nil:
		return gather.NotAskable[[]facts.Socket](gather.NotLive, from)
	case !ok || !root: // lsof then leaves out what it may not see, and says nothing of it
		return facts.Unknown[[]facts.Socket]("the connections of root's processes are shown to root only", from).Because(facts.NeedsRoot)
	}
	out, err := env.Exec(ctx, "lsof", "-nP", "-a", "-iTCP:443", "-sTCP:ESTABLISHED", "-Fn", "-p", strings.Join(pids, ","))
	list := parseLsof(out, 443)
	// It ends with 1 where it found nothing, and where one of the processes has nothing.
	if err != nil && !strings.HasSuffix(err.Error(), "exit status 1") {
		return gather.Partly(list, err, from)
	}
	return facts.Known(list, from)
}

// parseLsof reads the names in the output of lsof -Fn, "nLOCAL->REMOTE", and keeps the
// connections to a port. Source: lsof(8), "OUTPUT FOR OTHER PROGRAMS".
func parseLsof(b []byte, port uint16) []facts.Socket {
	out := []facts.Socket{}
	gather.Lines(b, func(l []byte) bool {
		name, ok := strings.CutPrefix(string(l), "n")
		local, remote, arrow := strings.Cut(name, "->")
		if !ok || !arrow {
			return true
		}
		from, err := netip.ParseAddrPort(local)
		to, err2 := netip.ParseAddrPort(remote)
		if err == nil && err2 == nil && to.Port() == port {
			plain := func(a netip.AddrPort) string {
				return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port()).String()
			}
			out = append(out, facts.Socket{Local: plain(from), Remote: plain(to)})
		}
		return len(out) < maxSockets
	})
	return out
}

// maxSockets bounds the connections that are kept.
const maxSockets = 1000
