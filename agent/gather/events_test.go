package gather_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
)

func TestParseEvent(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 4, 10, 11, 12, 0, time.UTC)
	scm := gathertest.Event("Service Control Manager", 7023, at, "param1=Amazon SSM Agent", "param2=%%577")
	for _, c := range []struct {
		name, xml string
		want      gather.WindowsEvent
		bad       bool
	}{
		{"service manager", scm, gather.WindowsEvent{Provider: "Service Control Manager", ID: 7023, At: at, Values: []gather.EventValue{{"param1", "Amazon SSM Agent"}, {"param2", "%%577"}}}, false},
		{"bytes", gathertest.Event("X", 1, at, "Binary=41006D00"), gather.WindowsEvent{Provider: "X", ID: 1, At: at, Values: []gather.EventValue{{"Binary", "41006D00"}}}, false},
		{"AppLocker", gathertest.Event("Microsoft-Windows-AppLocker", 8004, at, "PolicyName=EXE", "FilePath=%PROGRAMFILES%\\AMAZON\\SSM\\X.EXE"),
			gather.WindowsEvent{Provider: "Microsoft-Windows-AppLocker", ID: 8004, At: at, Values: []gather.EventValue{{"PolicyName", "EXE"}, {"FilePath", `%PROGRAMFILES%\AMAZON\SSM\X.EXE`}}}, false},
		{"nameless values and entities", "<Event><System><Provider Name=\"Old\"/><EventID>5</EventID></System><EventData><Data>a &amp; b\n c</Data><Data/></EventData></Event>",
			gather.WindowsEvent{Provider: "Old", ID: 5, Values: []gather.EventValue{{"", "a & b c"}, {"", ""}}}, false},
		{"an EventID elsewhere is none", "<Event><System><Provider Name='X'/></System><EventData><EventID>5</EventID></EventData></Event>", gather.WindowsEvent{}, true},
		{"cut off", scm[:len(scm)-20], gather.WindowsEvent{}, true},
		{"not XML", "4711", gather.WindowsEvent{}, true},
		{"empty", "", gather.WindowsEvent{}, true},
		{"deep", strings.Repeat("<a>", 100), gather.WindowsEvent{}, true},
		{"large", strings.Repeat(" ", 70_000) + scm, gather.WindowsEvent{}, true},
	} {
		got, ok := gather.ParseEvent([]byte(c.xml))
		if ok == c.bad {
			t.Errorf("%s: %v %+v", c.name, ok, got)
			continue
		}
		if d := cmp.Diff(c.want, got); ok && d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}

func FuzzEvent(f *testing.F) {
	at := time.Date(2026, 3, 4, 10, 11, 12, 0, time.UTC)
	gathertest.AddSeeds(f, gathertest.Event("Service Control Manager", 7036, at, "param1=Amazon SSM Agent", "Binary="+gathertest.ServiceState("AmazonSSMAgent", 1)),
		gathertest.Event("Microsoft-Windows-AppLocker", 8004, at, "FilePath=x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, ok := gather.ParseEvent(b)
		if !ok {
			return
		}
		gathertest.Sound(t, e)
		if e.ID <= 0 || len(e.Values) > 60 {
			t.Errorf("%+v", e)
		}
		for _, v := range e.Values {
			if len(v.Name)+len(v.Text) > 1000 {
				t.Errorf("a value of %d bytes", len(v.Text))
			}
		}
	})
}
