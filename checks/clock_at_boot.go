package checks

import (
	"fmt"
	"math"
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/pattern"
	"ssm-doctor/checks/text"
)

// earlyWindow is how long after boot a service of the system may start, and after its
// start send its first request.
const earlyWindow = 15 * time.Minute

// ClockAtBoot is clock-at-boot.
var ClockAtBoot = register(Check{
	ID: "clock-at-boot", Group: "tls-proxy-clock", Title: "The clock was right when the agent started",
	Station: AtTLS,
	Needs:   []*Check{Clock},
	Causes:  []string{"clock-late-at-boot"},
	Doc: "A clock that is right now may have been set only after the agent's start at boot, as on boards without a clock of their own. AWS then refused the agent's first requests for their time, and the agent waits before it tries again. " +
		"Concluded from a refusal that no success followed, the start of the agent, the boot, and the present clock.",
	Eval: func(n *node.Node) Finding {
		refused := n.Log.Current(facts.SigClock)
		if last := n.Log.Last(facts.SigClock); last.Yes() && n.Age(last.Last) < 0 {
			refused = last // written while the clock was fast
		}
		boot, ok := n.Facts.Host.BootTime.Get()
		began, from := n.StartByClock()
		skew := n.Facts.Network.Skew
		switch {
		case n.Acceptance.Now == node.Yes:
			return pass("accepted %s", n.Ago(n.Acceptance.Proof.At))
		case refused.Unread():
			return unreadLog(n)
		case n.Agent.Core == node.No:
			return skip("the agent does not run")
		case n.Agent.Core == node.Unknown:
			return unread("processes", n.Facts.Agent.Processes)
		case !refused.Yes():
			return skip("no request was refused for its time")
		case !ok:
			return unread("boot time", n.Facts.Host.BootTime)
		case !skew.Known():
			return unread("server time", skew)
		case math.Abs(skew.Value) >= 60:
			return skip("the clock is wrong now")
		case began.IsZero():
			return unknown("when the agent started is not on record")
		case n.Log.Read() != node.Yes:
			return unreadLog(n)
		}
		start := n.Log.Last(facts.SigStart)
		switch after := refused.First.Sub(began); {
		case began.After(boot.Add(earlyWindow)) && n.Age(began) >= 0:
			return skip("the agent was started, or started again, long after the boot")
		case start.Yes() && (after < 0 && !start.Last.Before(refused.Last) || after > earlyWindow):
			return skip("what was refused were not the first requests of the agent that runs")
		}
		fd := stops(n, "clock-late-at-boot", Likely, "the clock was set only after the agent's start at boot: AWS refused the agent's requests for their time then%s, the clock is right now, and the agent still waits", wrongThen(refused.Text)).
			sawAt("start of the agent", text.Or(n.ClockSetSince(), "within "+text.Span(earlyWindow)+" after the boot"), from, began).
			sawAt("boot", text.Stamp(boot), n.Facts.Host.BootTime.From, boot).logged(refused).
			saw("clock of this host minus the Date header of AWS", fmt.Sprintf("%+.0f s", -skew.Value), skew.From)
		if u := n.Agent.Unit; u != nil {
			fd = fd.with("unit", u.Name)
		}
		fd.Answered = true
		return withTimeSync(n, fd)
	},
})

// signedAt are the times in a refusal of a signature: that of the request, the limit, and
// that of AWS.
var signedAt = pattern.New(`\b\d{8}T\d{6}Z\b`)

// wrongThen says by how much the clock was wrong when AWS refused a request; empty where
// the refusal does not tell.
func wrongThen(refusal string) string {
	at := signedAt.FindAllString(refusal, 3)
	if len(at) < 3 {
		return ""
	}
	signed, err := time.Parse("20060102T150405Z", at[0])
	server, err2 := time.Parse("20060102T150405Z", at[2])
	switch d := server.Sub(signed); {
	case err != nil || err2 != nil || d == 0:
		return ""
	case d > 0:
		return " (it was " + text.Span(d) + " slow)"
	default:
		return " (it was " + text.Span(-d) + " fast)"
	}
}
