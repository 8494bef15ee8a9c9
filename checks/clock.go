package checks

import (
	"fmt"
	"math"
	"time"

	"ssm-doctor/checks/facts"
)

// maxSkew is how far the clock may be off before AWS refuses signatures, 5 min.
const maxSkew = 300

var _ = register(Check{
	ID: "clock", Group: "tls-proxy-clock", Title: "The clock agrees with AWS",
	Causes: []string{"clock-skew"},
	Doc: "The Date header of an AWS answer against this host's clock at the same moment. Signatures are refused from five minutes on; the agent does not correct for it. " +
		"Without an answer, the agent's log may tell of expired signatures.",
	Eval: func(f *facts.Facts) Finding {
		m, logged := current(f, facts.SigClock)
		skew, ok := f.Network.Skew.Get()
		if !ok {
			if logged {
				fd := fail("clock-skew", Likely, "the agent's requests were refused because of the host's clock or time zone: it is slow or fast").logged(m)
				return ntp(f, fd)
			}
			return unknown("server time: %s", f.Network.Skew.Reason())
		}
		off := time.Duration(math.Abs(skew) * float64(time.Second))
		by := span(off)
		if off < 10*time.Minute { // a minute's fraction matters beside the limit
			by = fmt.Sprintf("%.0f s", off.Seconds())
		}
		word := "fast, ahead of"
		if skew > 0 {
			word = "slow, behind"
		}
		switch {
		case math.Abs(skew) >= maxSkew:
			fd := fail("clock-skew", Proven, "the clock of this host is %s %s AWS time; requests more than 5 min off are refused", by, word).
				saw("Date header of AWS minus host clock", fmt.Sprintf("%+.0f s", skew), f.Network.Skew.From).blocking()
			if logged {
				fd = fd.logged(m)
			}
			return ntp(f, fd)
		case math.Abs(skew) >= 60:
			return Finding{Status: Warn, Summary: fmt.Sprintf("the clock is %s %s AWS time; from 5 min on requests are refused", by, word)}
		}
		return pass("within %.0f s of AWS time", math.Ceil(math.Abs(skew)))
	},
})

func ntp(f *facts.Facts, fd Finding) Finding {
	if s, ok := f.Host.NTPSynchronized.Get(); ok {
		fd = fd.saw("time synchronisation", fmt.Sprintf("synchronized: %v", s), f.Host.NTPSynchronized.From)
	}
	return fd
}
