package report

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"ssm-doctor/checks/pattern"
	"ssm-doctor/checks/text"
)

// standIn is a word in a command that a reader replaces, such as ROLE_NAME. It has
// a type of its own since it is a word of ours: no later edit changes it.
type standIn string

// reVerb is a verb of a format.
var reVerb = pattern.New(`%[-+# 0-9.]*[A-Za-z%]`)

// editValues returns a sentence with its values passed through edit, which also
// learns what stands before the value. Numbers, times, and strings of a type of
// their own, which are words of ours, stay. A sentence that is a value of another
// is edited like it.
func editValues(t text.Text, before string, edit func(before, value string) any) text.Text {
	out := text.Text{Format: t.Format, Args: append([]any(nil), t.Args...)}
	next, end := 0, 0
	for _, at := range reVerb.FindAllStringIndex(t.Format, -1) {
		verb := t.Format[at[0]:at[1]]
		before += t.Format[end:at[0]]
		end = at[1]
		if verb == "%%" {
			before += "%"
			continue
		}
		if next == len(t.Args) {
			break
		}
		if strings.HasSuffix(verb, "q") {
			out.Args[next] = editValue(t.Args[next], verb, before+`"`, edit)
		} else {
			out.Args[next] = editValue(t.Args[next], verb, before, edit)
		}
		before += fmt.Sprintf(verb, t.Args[next])
		next++
	}
	for ; next < len(t.Args); next++ { // no verb for it, which is a mistake; it is printed all the same
		out.Args[next] = editValue(t.Args[next], "%v", "", edit)
	}
	return out
}

func editValue(v any, verb, before string, edit func(before, value string) any) any {
	switch v := v.(type) {
	case string:
		return edit(before, v)
	case text.Text:
		return editValues(v, before, edit)
	case error:
		return edit(before, v.Error())
	case time.Time, nil:
		return v
	}
	switch k := reflect.TypeOf(v).Kind(); {
	case k == reflect.String, k >= reflect.Bool && k <= reflect.Complex128:
		return v
	}
	return edit(before, fmt.Sprintf(verb, v)) // a list, an address
}

// withoutSecretsIn strips the values of a sentence of secrets. Should the sentence
// as a whole still hold one, it becomes a single value without it.
func withoutSecretsIn(t text.Text) text.Text {
	t = editValues(t, "", func(_, v string) any { return stripSecrets(v) })
	whole := t.String()
	if stripped := stripSecrets(whole); stripped != whole {
		return text.Plain(stripped)
	}
	return t
}

// secretless takes out secrets only.
var secretless = editor{
	leaf:     func(_ place, s string) string { return stripSecrets(s) },
	sentence: func(_ place, t text.Text) text.Text { return withoutSecretsIn(t) },
}

// holdsStandIn reports whether a reader has to replace words of a command.
func holdsStandIn(t text.Text) bool {
	for _, a := range t.Args {
		switch a := a.(type) {
		case standIn:
			return true
		case text.Text:
			if holdsStandIn(a) {
				return true
			}
		}
	}
	return false
}
