//go:build !race

// The race detector makes this slow, and it is about text.

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/outside"
	"ssm-doctor/agent/outside/cloudtest"
	"ssm-doctor/agent/report"
	"ssm-doctor/agent/sim"
)

// TestNoSecretOfOutside puts a secret into every text of every answer of an account, one
// at a time, and into what an answer has beside what is read (tags, user data,
// descriptions), into the message of a refusal, and into every text of a file that
// somebody else wrote. It looks for it in the file, in what outside prints of it, and in
// what check and summary say with it.
func TestNoSecretOfOutside(t *testing.T) {
	t.Parallel()
	s, err := sim.Play("healthy-profile")
	if err != nil {
		t.Fatal(err)
	}
	h, err := sim.Start(s)
	if err != nil {
		t.Fatal(err)
	}
	r, f := engine.Run(t.Context(), h.Env(), engine.Options{})
	h.Close()
	half, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	half = bytes.ReplaceAll(half, []byte(r.Node.ID), []byte(cloudtest.NodeID))
	dir := t.TempDir()
	facts := filepath.Join(dir, "facts.json")
	if err := os.WriteFile(facts, half, 0o600); err != nil {
		t.Fatal(err)
	}
	both := []string{cloudtest.NodeID, cloudtest.HybridID}
	target := outside.Target{Region: cloudtest.Region, IDs: both}
	planted, given, refused := 0, 0, 0 // in an account; in a file, which may be refused
	often, step := 50, 2               // how often the commands are asked, which take a second each; and every how many places
	if os.Getenv("SSM_DOCTOR_SECRETS") == "all" {
		often, step = 3, 1
	}
	look := func(where, secret, form string, said map[string]string) {
		t.Helper()
		for what, text := range said {
			if at := strings.Index(text, secret); at >= 0 {
				t.Errorf("%s, %q: in %s: …%s…", where, form, what, text[max(0, at-100):min(len(text), at+60)])
			}
		}
	}
	// In an account that is asked.
	for n := 1; ; n += step {
		secret := fmt.Sprintf("Zq%03dxK77wTr8", n)
		form := foreignForms[n%len(foreignForms)]
		p := planter{written: fmt.Sprintf(form, secret), at: n, beside: n%4 == 1}
		c := cloudtest.Sound()
		file := outside.Collect(t.Context(), func(ctx context.Context, args ...string) ([]byte, []byte, error) {
			out, stderr, err := c.Run(ctx, args...)
			stderr = bytes.ReplaceAll(stderr, []byte("operation:"), []byte("operation: "+p.written+" "))
			return p.answer(out), stderr, err
		}, target, c.Now, "test")
		if p.done == "" {
			break
		}
		planted++
		look(p.done, secret, form, outsideOutput(t, dir, facts, file, n%often == 1))
	}
	// In a file of somebody else.
	c := cloudtest.Sound()
	whole, err := json.Marshal(outside.Collect(t.Context(), c.Run, target, c.Now, "test"))
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; ; n += step {
		secret := fmt.Sprintf("Zr%03dxK77wTr8", n)
		form := foreignForms[n*7%len(foreignForms)]
		p := planter{written: fmt.Sprintf(form, secret), at: n}
		b := p.answer(whole)
		if p.done == "" {
			break
		}
		file, err := outside.Parse(b)
		if err != nil {
			refused++
			continue
		}
		given++
		look("file: "+p.done, secret, form, outsideOutput(t, dir, facts, file, n%often == 1))
	}
	if planted < 100 || given < 100 {
		t.Errorf("only %d and %d secrets", planted, given)
	}
	t.Logf("%d secrets in an account, %d in a file, %d files refused", planted, given, refused)
}

// planter puts a text in the place of one text of documents that pass.
type planter struct {
	written string
	at      int    // which text, from 1
	beside  bool   // also as members that nobody asks for
	done    string // what was there
}

func (p *planter) answer(b []byte) []byte {
	var v any
	if len(b) == 0 || json.Unmarshal(b, &v) != nil {
		return b
	}
	out, _ := json.Marshal(p.plant("", v))
	return out
}

func (p *planter) plant(key string, v any) any {
	switch v := v.(type) {
	case string:
		if in := any(nil); strings.HasPrefix(v, "{") && json.Unmarshal([]byte(v), &in) == nil { // a policy in a text
			out, _ := json.Marshal(p.plant(key, in))
			return string(out)
		}
		if p.at--; p.at == 0 {
			p.done = key + " " + v
			return p.written
		}
	case []any:
		for i := range v {
			v[i] = p.plant(key, v[i])
		}
	case map[string]any:
		keys := []string{}
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			v[k] = p.plant(k, v[k])
		}
		if p.beside {
			v["Tags"], v["Description"], v["UserData"] = []any{map[string]any{"Key": p.written, "Value": p.written}}, p.written, p.written
			v[p.written] = p.written
		}
	}
	return v
}

// outsideOutput is what is said of a file of outside; by the commands only where asked,
// since they are slow.
func outsideOutput(t *testing.T, dir, facts string, f *outside.File, commands bool) map[string]string {
	t.Helper()
	out := map[string]string{}
	redacted, err := outside.Redact(f)
	if err != nil {
		t.Fatal(err)
	}
	for what, f := range map[string]*outside.File{"file": f, "redacted file": redacted} {
		b, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		out[what] = string(b)
	}
	v := outside.ViewOf(f)
	for what, hide := range map[string]bool{"names": false, "no names": true} {
		var b bytes.Buffer
		a := &app{out: &b, err: &b, getenv: func(string) string { return "" }}
		if err := (&outsideFlags{}).print(a, v, hide); err != nil {
			t.Fatal(err)
		}
		out["printed with "+what] = b.String() + strings.Join(v.Limits(), "\n")
	}
	if !commands {
		return out
	}
	for _, id := range v.Nodes() {
		for _, format := range report.Formats {
			var b bytes.Buffer
			if err := report.Write(&b, format, outside.Alone(v, id, "test"), report.Style{Width: 100}); err != nil {
				t.Fatal(err)
			}
			out["alone as "+format] += b.String()
		}
	}
	name, merged := filepath.Join(dir, "outside.json"), filepath.Join(dir, "merged.json")
	if err := os.WriteFile(name, []byte(out["file"]), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"-v"}, {"-o", "html", "--no-redact"}, {"-o", "json", "-f", merged, "--no-redact"}} {
		out["check "+strings.Join(args[:1], " ")] = said(t, nil, append([]string{"check", "--from", facts, "--outside", name}, args...)...)
	}
	b, err := os.ReadFile(merged)
	if err != nil || !bytes.Contains(b, []byte(`"outside"`)) {
		t.Errorf("%v: %s", err, out["check -v"])
	}
	out["merged"] = string(b)
	out["summary"] = said(t, nil, "summary", "-ojson", merged)
	out["script"] = said(t, nil, "outside", "--from", merged, "--script")
	return out
}
