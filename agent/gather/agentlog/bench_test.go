package agentlog

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

// BenchmarkLog reads 4 MiB of one kind of entries, as a broken agent leaves them. The
// budget of such a log is 50 ms.
func BenchmarkLog(b *testing.B) {
	for name, line := range map[string]string{
		"debug":    "2026-11-22 09:10:22.0001 DEBUG [ssm-agent-worker] [MessageService] nothing to see here, the message is acknowledged\n",
		"refusals": "2026-11-22 09:10:22.0001 ERROR [ssm-agent-worker] [MessageService] [MDSInteractor] error when calling AWS APIs. error details - GetMessages Error: AccessDeniedException: User: arn:aws:sts::111122223333:assumed-role/LabInstanceRole/i-0abc1234def567890 is not authorized to perform: ec2messages:GetMessages on resource: arn:aws:ssm:eu-central-1:111122223333:* because no identity-based policy allows the ec2messages:GetMessages action\n\tstatus code: 400, request id: 0f8fad5b-d9cb-469f-a165-70867728950e\n",
		"unknown":  "2026-11-22 09:10:22.0001 ERROR [ssm-agent-worker] [MessageService] listen reply in mgsinteractor panicked: runtime error: index out of range [3] with length 3, at 0x7ffd3a1c\n",
		"follows":  "2026-11-22 09:10:22.0001 WARN [ssm-agent-worker] [MessageService] [MGSInteractor] Reach the retry limit 5 for receive messages. Error: websocket: close 1006 (abnormal closure): unexpected EOF\n",
	} {
		log := []byte(strings.Repeat(line, (4<<20)/len(line)))
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(log)))
			for b.Loop() {
				s := newLogScan(time.UTC, gathertest.Now)
				s.path = "/var/log/amazon/ssm/amazon-ssm-agent.log"
				if _, err := s.read(b.Context(), bytes.NewReader(log), false); err != nil {
					b.Fatal(err)
				}
				var l facts.Log
				s.with([]readFile{{last: s.end}}).fill(&l, "")
			}
		})
	}
}

// BenchmarkTable makes the matcher, which each run that reads a log does once.
func BenchmarkTable(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		newTable()
	}
}
