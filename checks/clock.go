package checks

import (
	"fmt"
	"math"
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// Clock is clock.
var Clock = register(Check{
	ID: "clock", Group: "tls-proxy-clock", Title: "The clock agrees with AWS",
	Station: AtTLS,
	Causes:  []string{"clock-skew"},
	Doc: "Compares the Date header of an AWS answer with this host's clock at the same moment. Signatures are refused from five minutes on; the agent does not correct for it. " +
		"Without an answer, the agent's log may show expired signatures.",
	Eval: func(n *node.Node) Finding {
		refused := n.Log.Current(facts.SigClock)
		skew, ok := n.Facts.Network.Skew.Get()
		switch {
		case !ok && refused.Yes() && n.Facts.Network.Skew.LookedAt() && n.Facts.Host.BootTime.Unknown():
			return unread("boot time", n.Facts.Host.BootTime)
		case !ok && refused.Yes() && n.Facts.Network.Skew.LookedAt() && n.ClockSetSince() != "":
			return unread("server time", n.Facts.Network.Skew).add("; AWS refused the agent's requests for their time, and the clock was set since")
		case !ok && refused.Yes() && n.Facts.Network.Skew.LookedAt() && n.Facts.Host.NTPSynchronized.Value && n.Log.StartedAfter(refused.Match):
			return unread("server time", n.Facts.Network.Skew).add("; AWS refused the agent's requests for their time before its last start, and the clock is synchronized now")
		case !ok && refused.Yes() && n.Facts.Network.Skew.LookedAt():
			fd := stops(n, "clock-skew", Likely, "AWS refused the agent's requests because of their time: the clock or the time zone of this host is wrong, slow or fast").logged(refused)
			fd.Answered = true
			return withTimeSync(n, fd)
		case !ok && refused.Yes():
			return unread("AWS refused the agent's requests because of their time; server time", n.Facts.Network.Skew).logged(refused).failing(Blocks)
		case !ok:
			return unread("server time", n.Facts.Network.Skew)
		}
		off := math.Abs(skew)
		by := text.Span(time.Duration(off * float64(time.Second)))
		if off < 600 { // a minute's fraction matters beside the limit
			by = fmt.Sprintf("%.0f s", off)
		}
		word := "ahead of"
		if skew > 0 {
			word = "behind"
		}
		switch {
		case off >= maxSkew:
			return withTimeSync(n, blocks("clock-skew", Proven, "the clock of this host is %s %s AWS time; AWS refuses requests that are more than 5 min off", by, word).
				saw("clock of this host minus the Date header of AWS", fmt.Sprintf("%+.0f s", -skew), n.Facts.Network.Skew.From).logged(refused))
		case off >= 60:
			return warns("the clock of this host is %s %s AWS time; AWS refuses requests from 5 min on", by, word)
		}
		return pass("within %.0f s of AWS time", math.Ceil(off))
	},
})
