package agentlog

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

func FuzzLog(f *testing.F) {
	gathertest.SeedFiles(f, "amazon-ssm-agent.log", "errors.log")
	gathertest.AddSeeds(f, "2026-11-22 09:10:22.9567 INFO [amazon-ssm-agent] amazon-ssm-agent - v3.3.0.0\n", "2026-11-22 09:10:22 ERROR x AccessDeniedException: y\n\tstatus code: 400, request id: z\n",
		"2026-13-45 99:99:99 INFO Next credential rotation will be in 1 minutes", "\x1b]0;x\x07\n\xff\xfe", "2026-11-22 09:10:22 INFO Sleeping for 9999999h before retrying retrieve credentials\n",
		"2026-11-22 09:10:22 INFO Backing off health check to every 600 seconds for 1800 seconds\r\n", strings.Repeat("2026-11-22 09:10:22 ERROR is not authorized to perform: a:B\n", 5))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:min(len(b), 512)]
		s := newLogScan(time.UTC, gathertest.Now)
		s.path = "/var/log/amazon/ssm/amazon-ssm-agent.log"
		s.fresh = true
		n, err := s.read(t.Context(), bytes.NewReader(b), false)
		if err != nil || n != int64(len(b)) {
			t.Fatalf("read %d of %d: %v", n, len(b), err)
		}
		s.endGroup()
		var l facts.Log
		s.with([]readFile{{last: s.end}}).fill(&l, "file:/var/log/amazon/ssm")
		gathertest.Sound(t, l)
		if len(l.Refusals.Value) > maxRefusals {
			t.Errorf("%d refusals", len(l.Refusals.Value))
		}
		if bo, ok := l.Backoff.Get(); ok && (bo.Seconds <= 0 || bo.Seconds > maxSleep.Seconds() || !bo.Until.After(gathertest.Now)) {
			t.Errorf("back-off %+v", bo)
		}
	})
}

func FuzzRefusal(f *testing.F) {
	f.Add("AccessDeniedException: User: arn:aws:sts::1:assumed-role/r/i is not authorized to perform: ssm:UpdateInstanceInformation on resource: x status code: 400, request id: y")
	f.Add("<AccessDeniedException><Message>User: x is not authorized to perform: ssmmessages:CreateControlChannel</Message></AccessDeniedException>")
	f.Add("Credentials: http_proxy:http://user:pa55@proxy:3128 The hardware ID (aaaa) differs (bbbb)")
	f.Fuzz(func(t *testing.T, s string) {
		if r, ok := parseRefusal(s); ok {
			gathertest.Sound(t, r)
			if r.Code == "" && !r.Denied {
				t.Error("neither a code nor a refusal")
			}
		}
		gathertest.Sound(t, gather.OneLine(scrub(s), maxMatch))
	})
}

func FuzzScrub(f *testing.F) {
	f.Add("SessionToken", "IQoJb3JpZ2luX2VjEXAMPLE")
	f.Add("secretAccessKey", "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY")
	f.Add("password", "x/y+z==")
	f.Fuzz(func(t *testing.T, name, value string) {
		gathertest.Sound(t, gather.OneLine(scrub(name+"="+value), 300))
		for _, c := range value {
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("+/=_-", c) {
				return
			}
		}
		if len(value) < 4 {
			return
		}
		for _, form := range []string{"SessionToken=%", "\"SecretAccessKey\": \"%\"", "aws_session_token = %", "activationCode: %", "password=%"} {
			if got := scrub(strings.Replace(form, "%", value, 1)); strings.Contains(got, value) && !strings.Contains(form, value) {
				t.Errorf("%q is left in %q", value, got)
			}
		}
	})
}
