package causes

import "strings"

// Looks reports whether whoever carries a remedy out may pass by a step, because it only
// looks: its command changes nothing, and its words ask a person for nothing else either. A
// step such as "Ask the administrator to allow these names" has a command that
// changes nothing, and is not done by running it.
func Looks(says, command, where string) bool {
	changes, known := ChangesOf(command, where)
	if where != OnHost || !known || len(changes) > 0 || strings.TrimSpace(command) == "" {
		return false
	}
	if Conditional(says) || strings.HasPrefix(says, "Once ") {
		_, says, _ = strings.Cut(says, ", ")
	}
	verb, rest, _ := strings.Cut(says, " ")
	for _, more := range []string{", and ", ", then ", ". ", "; "} { // it may ask for more
		if strings.Contains(rest, more) {
			return false
		}
	}
	if strings.Contains(rest, "administrator") { // a person is asked, who has to act
		return false
	}
	return looking[strings.ToLower(verb)]
}

// looking are the words with which a step begins that only looks.
var looking = words3("ask check compare look read see try")

// Conditional reports whether a step is for a case that whoever mends has to judge.
func Conditional(says string) bool {
	return strings.HasPrefix(says, "If ") || strings.HasPrefix(says, "Where ")
}
