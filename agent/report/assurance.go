package report

import (
	"strings"
)

// Whose word a cause is.
const (
	SaidByHost     = "this-host"  // seen on this host
	SaidByOperator = "operator"   // seen with an operator's credentials
	SaidByAWS      = "aws"        // AWS refused a call and gave this as the reason
	SaidByLog      = "agent-log"  // the agent wrote it into its log
	Concluded      = "conclusion" // follows from what was seen, without being seen itself
)

// Sayers are all values of a cause's said_by.
var Sayers = []string{SaidByHost, SaidByOperator, SaidByAWS, SaidByLog, Concluded}

// saidBy tells whose word a cause is; empty where nothing is claimed.
func saidBy(c Cause) string {
	switch c.Confidence {
	case "":
		return ""
	case "proven":
		for _, e := range c.Evidence {
			if strings.HasPrefix(e.From, "outside: ") {
				return SaidByOperator
			}
		}
		return SaidByHost
	}
	log := len(c.Evidence) > 0
	for _, e := range c.Evidence {
		if c.Group == "permissions" && (strings.HasPrefix(e.Seen, "denied: ") || strings.Contains(e.Seen, "AccessDenied") || strings.Contains(e.Seen, "not authorized to perform")) {
			return SaidByAWS
		}
		log = log && strings.Contains(e.What, "log")
	}
	if log && c.Confidence == "likely" {
		return SaidByLog
	}
	return Concluded
}

// assurance is the same in words for people: every output has it from here.
func assurance(c Cause) string {
	switch by := saidBy(c); {
	case by == SaidByHost, by == SaidByOperator:
		return "proven"
	case by == SaidByAWS && c.Confidence == "likely":
		return "AWS said so"
	case by == SaidByLog:
		return Printable(c.Confidence) + ", the agent's log says so"
	case by == Concluded:
		return Printable(c.Confidence) + ", concluded"
	}
	return Printable(c.Confidence)
}
