package agentlog

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

// counting counts what is read of files.
type counting struct {
	gather.FileSystem
	read *int64
}

type countingFile struct {
	*os.File
	read *int64
}

func (c counting) Open(name string) (fs.File, error) {
	f, err := c.FileSystem.Open(name)
	if of, ok := f.(*os.File); ok {
		return countingFile{of, c.read}, err
	}
	return f, err
}

func (f countingFile) Read(b []byte) (int, error) {
	n, err := f.File.Read(b)
	*f.read += int64(n)
	return n, err
}

// TestResume: a look that reads on says what one says that reads all, whatever happened
// to the files meanwhile, and reads no more than what was added.
func TestResume(t *testing.T) {
	t.Parallel()
	const main = "amazon-ssm-agent.log"
	at := func(minute int, text string) string {
		return fmt.Sprintf("2026-11-22 09:%02d:00.0001 %s\n", minute, text)
	}
	refused := func(minute int, action string) string {
		return at(minute, "ERROR [ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - AccessDeniedException: User: arn:aws:sts::111122223333:assumed-role/R/i-0abc is not authorized to perform: "+action+" on resource: x")
	}
	root := gathertest.Tree(t, map[string]string{logDir + main: strings.Repeat(at(1, "DEBUG nothing"), 3000) + refused(2, "ssm:UpdateInstanceInformation"), logDir + "errors.log": ""})
	file := func(name string) string { return filepath.Join(root, logDir, name) }
	add := func(name, text string) {
		f, err := os.OpenFile(file(name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(text); err != nil || f.Close() != nil {
			t.Fatal(err)
		}
	}
	put := func(name, text string) { // in place
		if err := os.WriteFile(file(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	move := func(from, to string) {
		if err := os.Rename(file(from), file(to)); err != nil {
			t.Fatal(err)
		}
	}
	var read int64
	now := gathertest.Now
	env := gathertest.Plain(t, root)
	env.FS, env.Now = counting{env.FS, &read}, func() time.Time { return now }
	all := int64(0)
	for _, step := range []struct {
		name string
		do   func()
		most int64 // to read; 0: all is read again
	}{
		{"first", func() {}, 0},
		{"nothing", func() {}, zoneTail},
		{"added", func() { add(main, refused(3, "ssm:ListAssociations")) }, zoneTail + 1000},
		{"half a line", func() { add(main, "2026-11-22 09:04:00.0001 ERROR [CredentialRefresher] Retrieve creden") }, zoneTail + 1000},
		{"the other half", func() { add(main, "tials produced error: no valid credentials\n") }, zoneTail + 1000},
		{"continued", func() { add(main, "\tstatus code: 400, request id: x\n") }, zoneTail + 1000},
		{"unknown", func() { add(main, at(5, "ERROR [ssm-agent-worker] the flux is too high")) }, zoneTail + 1000},
		{"the same again", func() { add(main, at(6, "ERROR [ssm-agent-worker] the flux is too high")) }, zoneTail + 1000},
		{"the first error", func() { add("errors.log", at(6, "ERROR [x @ y.go.1] the flux is too high")) }, zoneTail + 1000},
		{"another error", func() { add("errors.log", at(0, "ERROR [x @ y.go.1] the flux was too high")) }, zoneTail + 1000},
		{"success", func() {
			add(main, at(7, "INFO [CredentialRefresher] Next credential rotation will be in 29.9 minutes"))
		}, zoneTail + 1000},
		{"rotated", func() {
			move(main, main+".1")
			add(main, at(8, "INFO Sleeping for 27m12s before retrying retrieve credentials"))
		}, 0},
		{"added after it", func() { add(main, refused(9, "ssm:GetDocument")) }, zoneTail + 2000},
		{"cut", func() { put(main, at(10, "INFO [HealthCheck] HealthCheck reporting agent health")) }, 0},
		{"cut and grown", func() { put(main, strings.Repeat(at(11, "ERROR [HealthCheck] Health ping failed"), 40)) }, 0},
		{"replaced", func() {
			put("new", strings.Repeat(at(12, "ERROR [HealthCheck] Health ping failed"), 50))
			move("new", main)
		}, 0},
		{"another log", func() { add("hibernate.log", at(13, "INFO Entering SSM Agent hibernate - x")) }, 0},
		{"gone", func() {
			if err := os.Remove(file("hibernate.log")); err != nil {
				t.Fatal(err)
			}
		}, 0},
		{"an hour later", func() { now = now.Add(keptFor + time.Minute) }, 0},
		{"nothing then", func() {}, 2 * zoneTail},
	} {
		step.do()
		read = 0
		got := gathertest.Gather(t, env, Source{}).Log
		took := read
		fresh := gathertest.Plain(t, root)
		fresh.FS, fresh.Now = counting{fresh.FS, &all}, env.Now
		all = 0
		want := gathertest.Gather(t, fresh, Source{}).Log
		if d := cmp.Diff(want, got, cmpopts.IgnoreFields(facts.LogFile{}, "Read")); d != "" {
			t.Errorf("%s: %s", step.name, d)
		}
		if step.most == 0 && took < all || step.most != 0 && took > step.most {
			t.Errorf("%s: %d bytes read, of %d in all", step.name, took, all)
		}
	}
}
