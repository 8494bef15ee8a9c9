package report

import (
	"encoding/json"
	"time"
)

// VerdictSchema names the short form of a report, of one line and at most VerdictMax bytes.
const (
	VerdictSchema = "ssm-doctor/verdict/v1"
	VerdictMax    = 1024
)

// verdictLine is a report for a serial console, which the console output of EC2 carries
// out of hosts that nothing else reaches. It holds ids and words of ours: no name, no
// address, no text of the host. Its members are those of a report, so that summary reads it.
func verdictLine(r *Report) (string, error) {
	type cause struct {
		ID         string `json:"id"`
		Severity   string `json:"severity"`
		Confidence string `json:"confidence"`
	}
	type node struct {
		ID     string `json:"id"`
		Kind   string `json:"kind"`
		Region string `json:"region"`
		Image  string `json:"image,omitempty"`
	}
	v := struct {
		Schema      string    `json:"schema"`
		GeneratedAt time.Time `json:"generated_at"`
		Version     string    `json:"version"`
		Node        node      `json:"node"`
		State       string    `json:"state"`
		RootCause   *cause    `json:"root_cause"`
		Agent       string    `json:"agent_version"`
	}{VerdictSchema, r.GeneratedAt.UTC().Truncate(time.Second), clip(r.Version, 40), node{clip(r.Node.ID, 24), clip(r.Node.Kind, 16), clip(r.Node.Region, 24), clip(r.Node.Image, 40)}, r.State, nil, clip(r.AgentVersion, 24)}
	if c := r.RootCause; c != nil {
		v.RootCause = &cause{clip(c.ID, 48), clip(c.Severity, 16), clip(c.Confidence, 16)}
	}
	b, err := json.Marshal(v) // foreign bytes are escaped to at most six each
	if err != nil {
		return "", err
	}
	return "ssm-doctor: " + string(escapeJSON(b)) + "\n", nil
}
