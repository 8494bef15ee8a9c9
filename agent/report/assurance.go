package report

import (
	"strings"
)

// assurance says whose word a cause is: proven on this host, said by AWS, read in the
// agent's log, or concluded. Empty where nothing is claimed.
func assurance(c Cause) string {
	if c.Confidence != "likely" {
		return Printable(c.Confidence)
	}
	log := len(c.Evidence) > 0
	for _, e := range c.Evidence {
		if c.Group == "permissions" && (strings.HasPrefix(e.Seen, "denied: ") || strings.Contains(e.Seen, "AccessDenied") || strings.Contains(e.Seen, "not authorized to perform")) {
			return "AWS said so"
		}
		log = log && strings.Contains(e.What, "log")
	}
	if log {
		return "likely, the agent's log says so"
	}
	return "likely"
}
