package agentlog

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/logline"
)

const logDir = "var/log/amazon/ssm/"

// gathered are the facts of a host with these files in its log directory.
func gathered(t *testing.T, files map[string]string) facts.Log {
	t.Helper()
	tree := map[string]string{}
	for name, content := range files {
		tree[logDir+name] = content
	}
	return gathertest.Gather(t, gathertest.Plain(t, gathertest.Tree(t, tree)), Source{}).Log
}

func TestUnexplained(t *testing.T) {
	t.Parallel()
	const odd = "[ssm-agent-worker] [MessageService] the flux of web-7.corp.example is 12 too high"
	entry := func(at, level, text string) string { return "2026-11-" + at + " " + level + " " + text + "\n" }
	shape := func(level string, count int, last, text string) facts.Unexplained {
		at, err := time.Parse("2006-01-02 15:04:05", "2026-11-"+last)
		if err != nil {
			t.Fatal(err)
		}
		return facts.Unexplained{Shape: text, Level: level, Count: count, Last: at}
	}
	const oddShape = "[ssm-agent-worker] [MessageService] the * of * is * too *"
	for _, c := range []struct {
		name  string
		files map[string]string
		want  []facts.Unexplained
	}{
		{"none", map[string]string{"amazon-ssm-agent.log": entry("22 09:00:00", "INFO", odd) + entry("22 09:00:00", "DEBUG", odd)}, nil},
		{"counted", map[string]string{"amazon-ssm-agent.log": entry("22 08:00:00", "ERROR", odd) + entry("22 09:00:00", "ERROR", strings.ReplaceAll(odd, "12", "13"))},
			[]facts.Unexplained{shape("error", 2, "22 09:00:00", oddShape)}},
		{"warning", map[string]string{"amazon-ssm-agent.log": entry("22 08:00:00", "WARN", odd)}, []facts.Unexplained{shape("warn", 1, "22 08:00:00", oddShape)}},
		{"older than a day", map[string]string{"amazon-ssm-agent.log": entry("21 09:00:00", "ERROR", odd)}, nil},
		{"of a clock that was ahead", map[string]string{"amazon-ssm-agent.log": entry("23 09:00:00", "ERROR", odd)}, nil},
		{"known as a cause's evidence", map[string]string{"amazon-ssm-agent.log": entry("22 09:00:00", "ERROR", "[ssm-agent-worker] [MessageService] Error setting up control channel: "+odd)}, nil},
		{"known as harmless", map[string]string{"amazon-ssm-agent.log": entry("22 09:00:00", "WARN", "Error adding the directory '/etc/amazon/ssm' to watcher: no such file or directory")}, nil},
		{"known as a consequence", map[string]string{"amazon-ssm-agent.log": entry("22 09:00:00", "WARN", "[MGSInteractor] Error while sending websocket ping: broken pipe")}, nil},
		{"a refusal that names its action", map[string]string{"amazon-ssm-agent.log": entry("22 09:00:00", "ERROR", "[Flux] AccessDeniedException: User: x is not authorized to perform: ssm:GetFlux on y")}, nil},
		{"a refusal that does not", map[string]string{"amazon-ssm-agent.log": entry("22 09:00:00", "ERROR", "[Flux] AccessDeniedException: no")},
			[]facts.Unexplained{shape("error", 1, "22 09:00:00", "* AccessDeniedException: no")}},
		{"errors.log repeats the main log", map[string]string{
			"amazon-ssm-agent.log": entry("22 08:00:00", "ERROR", odd),
			"errors.log":           entry("22 07:00:00", "ERROR", "[Run @ flux.go.12] "+odd) + entry("22 08:00:00", "ERROR", "[Run @ flux.go.12] "+odd),
		}, []facts.Unexplained{shape("error", 2, "22 08:00:00", oddShape)}},
		{"continued", map[string]string{"amazon-ssm-agent.log": entry("22 09:00:00", "ERROR", "the worker is too slow") + "goroutine 7 [running]:\n\tmain.go:12\n"},
			[]facts.Unexplained{shape("error", 1, "22 09:00:00", "the worker is too slow")}},
		{"a failure inside a command", map[string]string{"ssm-document-worker.log": entry("22 09:00:00", "ERROR", "[ssm-document-worker] failed to start worker bee")},
			[]facts.Unexplained{shape("error", 1, "22 09:00:00", "[ssm-document-worker] failed to start worker *")}},
		{"of a command after the agent's own", map[string]string{
			"amazon-ssm-agent.log": entry("22 08:00:00", "ERROR", "the agent is too slow") + entry("22 09:00:00", "ERROR", "[ssm-session-worker] the session is too slow"),
		}, []facts.Unexplained{shape("error", 1, "22 08:00:00", "the agent is too slow"), shape("error", 1, "22 09:00:00", "[ssm-session-worker] the session is too slow")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := gathered(t, c.files)
			got, ok := l.Unexplained.Get()
			if !ok || len(got) != len(c.want) || l.UnexplainedMore != 0 {
				t.Fatalf("%+v, %d more", l.Unexplained, l.UnexplainedMore)
			}
			for i := range got {
				if d := cmp.Diff(c.want[i], got[i]); d != "" {
					t.Error(d)
				}
			}
		})
	}
}

// A log of many kinds is cut, and says how many more there are.
func TestUnexplainedIsBounded(t *testing.T) {
	t.Parallel()
	words := logline.Words()
	lines := func(n int, prefix string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "2026-11-22 09:00:%02d ERROR %s%s %s\n", i%60, prefix, words[i%1000], words[i/1000+20])
		}
		return b.String()
	}
	for _, c := range []struct {
		name, log   string
		shown, more int
	}{
		{"few", lines(20, "flux "), 20, 0},
		{"many", lines(25, "flux "), 20, 5},
		{"too many to count", lines(3000, "flux "), 20, maxShapes - 20 + 1},
		{"of commands only", lines(30, "[ssm-document-worker] "), 5, 25},
		{"both", lines(10, "flux ") + lines(30, "[ssm-document-worker] "), 15, 25},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := gathered(t, map[string]string{"amazon-ssm-agent.log": c.log})
			if got := len(l.Unexplained.Value); got != c.shown || l.UnexplainedMore != c.more {
				t.Errorf("%d shown and %d more, want %d and %d", got, l.UnexplainedMore, c.shown, c.more)
			}
		})
	}
}

func TestUnexplainedUnread(t *testing.T) {
	t.Parallel()
	env := gathertest.Plain(t, gathertest.Tree(t, map[string]string{"etc/": ""}))
	if l := gathertest.Gather(t, env, Source{}).Log; !l.Unexplained.Absent() {
		t.Errorf("no log: %+v", l.Unexplained)
	}
	if l := gathered(t, map[string]string{"amazon-ssm-agent.log/": ""}); !l.Unexplained.Unknown() {
		t.Errorf("a log that cannot be read: %+v", l.Unexplained)
	}
}

// TestRecorded: what real agents of four releases left is known, whatever was wrong
// with the host.
func TestRecorded(t *testing.T) {
	t.Parallel()
	read := 0
	err := filepath.WalkDir("../testdata", func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".log" || filepath.Base(filepath.Dir(name)) != "ssm" {
			return err
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		read++
		now := gathertest.Now
		for line := range strings.Lines(string(b)) {
			if at, _, ok := ParseStamp([]byte(strings.TrimSpace(line)), time.UTC); ok {
				now = at
			}
		}
		s := newLogScan(time.UTC, now)
		s.path = "/" + logDir + filepath.Base(name)
		if _, err := s.read(t.Context(), strings.NewReader(string(b)), false); err != nil {
			return err
		}
		for shape, c := range s.shapes {
			t.Errorf("%s: %d times %s %s", name, c.Count, c.Level, shape)
		}
		return nil
	})
	if err != nil || read < 80 {
		t.Errorf("%d logs: %v", read, err)
	}
}

func TestShape(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want string }{
		{" [ssm-agent-worker] [MessageService] failed to connect", "[ssm-agent-worker] [MessageService] failed to connect"},
		{" [Run @ agent.go.120] Error occurred: failed", "Error occurred: failed"},
		{" dial tcp 10.0.0.7:443: i/o timeout", "dial tcp * i/o timeout"},
		{` Post "https://ssm.eu-west-1.amazonaws.com/": EOF`, "Post * EOF"},
		{" User: arn:aws:sts::111122223333:assumed-role/WebNode/i-0abc is not authorized", "User: * is not authorized"},
		{" worker 'my host' of alice at db01 stopped", "worker * of * at * stopped"},
		{" the agent's log couldn't be opened", "the agent's log couldn't be opened"},
		{" ended: 'with an open quotation of secrets", "ended: *"},
		{` config {"Password": "hunter2 message"} unused`, "config *"},
		{" CreateControlChannel: ExpiredTokenException", "CreateControlChannel: ExpiredTokenException"},
		{" AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMI/K7MDENG", "*"},
		{" correct-horse-battery-staple", "*"},
		{" password=worker", "*"},
		{" …\x1b[31m\xff error", "* error"},
		{"", ""},
	} {
		if got := string(shapeOf(nil, c.in)); got != c.want {
			t.Errorf("%q\n is %q\nwant %q", c.in, got, c.want)
		}
	}
}

// FuzzShape: nothing but known words and signs remains.
func FuzzShape(f *testing.F) {
	f.Add(" [ssm-agent-worker] failed: alice's \"x\" {y} <z> a-b-c EC2RoleProvider")
	f.Add(" 'open [Run @ x")
	f.Fuzz(func(t *testing.T, text string) {
		got := string(shapeOf(nil, text))
		if len(got) > maxShape {
			t.Errorf("%d bytes", len(got))
		}
		for word := range strings.FieldsSeq(got) {
			if core := strings.Trim(word, "([.,:;!?)]"); word != gap && !logline.IsWord(core) {
				t.Errorf("%q remains of %q", word, text)
			}
		}
		gathertest.Sound(t, got)
	})
}
