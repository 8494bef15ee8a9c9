package agentsvc

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

// macChannel asks lsof for the agent's connections to port 443. It tells how much that was
// sent is not answered yet, not since when: where something waits it is asked once more.
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
	ask := func() ([]facts.Socket, error) {
		out, err := env.Exec(ctx, "lsof", "-nP", "-a", "-iTCP:443", "-sTCP:ESTABLISHED", "-Tqs", "-FnT", "-p", strings.Join(pids, ","))
		// It ends with 1 where it found nothing, and where one of the processes has nothing.
		if err != nil && strings.HasSuffix(err.Error(), "exit status 1") {
			err = nil
		}
		return parseLsof(out, 443), err
	}
	list, err := ask()
	if err == nil && slices.ContainsFunc(list, func(s facts.Socket) bool { return s.Unacked > 0 }) {
		var later []facts.Socket
		select {
		case <-time.After(secondLook):
			later, err = ask()
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err == nil {
			list = waited(list, later)
		}
	}
	if err != nil {
		for i, s := range list { // of one look it is not known how long it waits
			list[i].Untold = s.Untold || s.Unacked > 0
		}
		return gather.Partly(list, err, from)
	}
	return facts.Known(list, from)
}

// secondLook is after what time it is asked again: a little more than no healthy path needs
// for an answer.
const secondLook = 1100 * time.Millisecond

// busyUpload is how much may wait for an answer where one sends on while earlier bytes are
// answered: two looks at an upload that is well can see the same. Pings of a channel are small.
const busyUpload = 16 << 10

// waited are the connections of the later of two looks. One where the same little waits for
// an answer as before got none meanwhile; of more it is not known.
func waited(before, now []facts.Socket) []facts.Socket {
	for i, s := range now {
		j := slices.IndexFunc(before, func(b facts.Socket) bool { return b.Local == s.Local && b.Remote == s.Remote })
		switch {
		case j < 0 || before[j].Unacked == 0 || s.Unacked < before[j].Unacked:
		case s.Unacked == before[j].Unacked && s.Unacked <= busyUpload:
			now[i].WaitedMS = int(secondLook.Milliseconds())
		default:
			now[i].Untold = true
		}
	}
	return now
}

// parseLsof reads the connections to a port in the output of lsof -FnT: the name,
// "nLOCAL->REMOTE", and behind it what is unanswered, "TQS=BYTES".
// Source: lsof(8), "OUTPUT FOR OTHER PROGRAMS".
func parseLsof(b []byte, port uint16) []facts.Socket {
	out := []facts.Socket{}
	kept := false // the name before
	gather.Lines(b, func(l []byte) bool {
		if queue, ok := strings.CutPrefix(string(l), "TQS="); ok && kept {
			if n, err := strconv.ParseUint(queue, 10, 31); err == nil {
				out[len(out)-1].Unacked, out[len(out)-1].Untold = int(n), false
			}
		}
		name, ok := strings.CutPrefix(string(l), "n")
		kept = kept && !ok
		local, remote, arrow := strings.Cut(name, "->")
		if !ok || !arrow {
			return true
		}
		from, err := netip.ParseAddrPort(local)
		to, err2 := netip.ParseAddrPort(remote)
		if err == nil && err2 == nil && to.Port() == port && len(out) < maxSockets {
			plain := func(a netip.AddrPort) string {
				return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port()).String()
			}
			out = append(out, facts.Socket{Local: plain(from), Remote: plain(to), Untold: true})
			kept = true
		}
		return len(out) < maxSockets || kept
	})
	return out
}

// maxSockets bounds the connections that are kept.
const maxSockets = 1000
