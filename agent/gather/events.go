package gather

import (
	"encoding/xml"
	"strconv"
	"strings"
	"time"
)

const (
	// maxEvents bounds the entries of one log that are read, maxEvent the size of one.
	maxEvents = 50
	maxEvent  = 64 << 10
	maxFields = 60
)

// WindowsEvent is an entry of a log of Windows. What it says in words is in the language
// of the host, its values are not.
type WindowsEvent struct {
	Provider string
	ID       int
	At       time.Time
	Values   []EventValue
}

// EventValue is a value of an entry; those of old providers have no name.
type EventValue struct{ Name, Text string }

// Value is a value by its name; empty: there is none.
func (e WindowsEvent) Value(name string) string {
	for _, v := range e.Values {
		if v.Name == name {
			return v.Text
		}
	}
	return ""
}

// ParseEvent reads an entry as Windows renders it. Values are those of EventData, those one
// level below UserData, and Binary.
// Source: Microsoft, "Event Schema" (winmeta.xml).
func ParseEvent(b []byte) (WindowsEvent, bool) {
	var e WindowsEvent
	if len(b) > maxEvent {
		return e, false
	}
	d := xml.NewDecoder(strings.NewReader(string(b)))
	var path []string
	var v EventValue
	named := false
	for {
		t, err := d.RawToken()
		if err != nil {
			return e, e.ID > 0 && e.Provider != "" && len(path) == 0
		}
		switch t := t.(type) {
		case xml.StartElement:
			if len(path) > 8 {
				return e, false
			}
			attr := func(name string) string {
				for _, a := range t.Attr {
					if a.Name.Local == name {
						return OneLine(a.Value, 500)
					}
				}
				return ""
			}
			path = append(path, t.Name.Local)
			v, named = EventValue{Name: attr("Name")}, true
			switch t.Name.Local {
			case "Provider":
				e.Provider = attr("Name")
			case "TimeCreated":
				if at, err := time.Parse(time.RFC3339Nano, attr("SystemTime")); err == nil {
					e.At = SaneTime(at)
				}
			}
		case xml.CharData:
			if named {
				v.Text += string(t)
			}
		case xml.EndElement:
			if len(path) == 0 || path[len(path)-1] != t.Name.Local {
				return e, false
			}
			v.Text = OneLine(strings.TrimSpace(v.Text), 500)
			if where := strings.Join(path[1:], "/"); named && len(e.Values) < maxFields {
				switch {
				case where == "System/EventID":
					e.ID, _ = strconv.Atoi(v.Text)
				case where == "EventData/Data":
					e.Values = append(e.Values, v)
				case where == "EventData/Binary", strings.HasPrefix(where, "UserData/") && len(path) == 4:
					e.Values = append(e.Values, EventValue{t.Name.Local, v.Text})
				}
			}
			path, v, named = path[:len(path)-1], EventValue{}, false
		}
	}
}
