//go:build !race

// The race detector makes this slow, and it is about text.

package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ssm-doctor/agent/bundle"
	"ssm-doctor/agent/daemon"
	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/export"
	"ssm-doctor/agent/gather/agentlog"
	"ssm-doctor/agent/gather/recorded"
	"ssm-doctor/agent/mend"
	"ssm-doctor/agent/report"
	"ssm-doctor/agent/sim"
)

// secretForms are how a secret is written down. %s is the secret.
var secretForms = []string{
	"password=%s", "pass=%s", "PGPASSWORD: %s", "--password %s", "-p %s", "curl -u admin:%s https://repo.corp/x", "client_secret=%s", "api_key=%s", "X-Api-Key: %s",
	`"client_secret": "%s"`, "client_secret: %s", `"Cookie": "sid=%s"`, "map[Cookie:[sid=%s] X-Api-Key:[%[1]s]]", `"Set-Cookie": ["a=1", "sid=%s"]`,
	"Cookie: session=%s; path=/", "Set-Cookie: id=%s; Secure", "Authorization: Bearer %s", "Authorization: Basic %s", "Proxy-Authorization: Basic %s", "X-Amz-Security-Token: %s",
	"http://user:%s@proxy.corp:3128", "http://user:%s%%40proxy.corp:3128", "http://user%%3A%s%%40proxy.corp:3128", "http://user:%s%%2540proxy.corp:3128", "//user:%s@proxy.corp", "user:%s@proxy.corp:3128",
	"https://proxy.corp:3128/?token=%s", "https://proxy.corp/%s/x", "https://proxy.corp/#%s", `{"password":"%s"}`, `{\"SecretAccessKey\":\"%s\"}`, "<Password>%s</Password>", "'%s'", "aws_secret_access_key = %s",
	"-code %s -id 0a1b2c3d", "ghp_%s", "redis://:%s@cache.corp:6379/0", "postgres://app:%s@db.corp/app", "password is %s", "a,%s;b&c", "\"%s", "token:%s",
	"DB_PASS=%s", "--token=%s", `["--password","%s"]`, "mysql -uroot -p%s db", "curl --user=admin:%s x", `{"auth":"%s"}`, "Server=db;Password=%s;Timeout=3", "password%%3D%s%%26a%%3Db",
	"&quot;password&quot;:&quot;%s&quot;", "the token is %s", "/password:%s", "spring.datasource.password=%s", `"tokens": ["a", "%s"]`, "sig=%s", `"password": "two %s words"`, "glpat-%s",
}

// secretPlaces are where they are found on a host. Each takes a secret as it is written.
var secretPlaces = map[string]func(s *sim.Scenario, written string){
	"refusal":      logged("ERROR [ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - AccessDeniedException: %s status code: 400"),
	"request":      logged(`ERROR [ssm-agent-worker] [MessageService] [MGSInteractor] Error setting up control channel: Post "https://ssmmessages.eu-central-1.amazonaws.com/": proxyconnect tcp: %s: refused`),
	"unknown line": logged("ERROR [ssm-agent-worker] [MessageService] the flux is too high: %s"),
	"continued":    logged("ERROR [CredentialRefresher] Retrieve credentials produced error: no valid credentials\n\t%s"),
	"broken line":  logged("ERROR [CredentialRefresher] Retrieve credentials produced error: no val\nid %s"),
	"plain line":   logged("INFO [CredentialRefresher] Next credential rotation will be in 29.9 minutes %s"),
	"worker's log": inFile("/var/log/amazon/ssm/ssm-document-worker.log", "2026-11-22 09:29:00.0001 ERROR [ssm-document-worker] Failed to upload the output to s3: %s\n"),
	"errors.log":   inFile("/var/log/amazon/ssm/errors.log", "2026-11-22 09:29:00.0001 ERROR [run @ agent.go.104] failed to get identity: %s\n"),
	"config": func(s *sim.Scenario, w string) {
		s.Agent.Config = `{"Mds":{"Endpoint":` + quoted(w) + `},"Ssm":{"Endpoint":` + quoted(w) + `},"Agent":{"Region":` + quoted(w) + `},"Profile":{"Path":` + quoted(w) + `},"S3":{"Endpoint":` + quoted(w) + `},"Kms":{"Endpoint":` + quoted(w) + `}}`
	},
	"broken config": func(s *sim.Scenario, w string) {
		s.Agent.Config = `{"Profile":{"KeyAutoRotateDays": ` + w + `}, "Ssm": {`
	},
	"drop-in": func(s *sim.Scenario, w string) {
		inUnit(s, "Environment=\"APP="+w+"\"\nExecStartPre=/usr/bin/setup "+w)
	},
	"command line": func(s *sim.Scenario, w string) { inUnit(s, "ExecStart=\nExecStart=/usr/bin/amazon-ssm-agent "+w) },
	"environment file": func(s *sim.Scenario, w string) {
		inUnit(s, "EnvironmentFile=/etc/app.env")
		s.Files["/etc/app.env"] = sim.File{Content: "APP=" + w + "\nhttps_proxy=" + w + "\n"}
	},
	"process": func(s *sim.Scenario, w string) {
		s.Agent.Environment = map[string]string{"APP": w, "AWS_SECRET_ACCESS_KEY": w}
	},
	"own environment": func(s *sim.Scenario, w string) {
		s.Env = map[string]string{"APP": w, "AWS_SESSION_TOKEN": w, "AWS_ENDPOINT_URL": w}
	},
	"etc/environment": inFile("/etc/environment", "APP=%s\nhttps_proxy=%s\n"),
	"shell profile":   inFile("/etc/profile.d/proxy.sh", "export HTTPS_PROXY=%s\nexport TOKEN=%s\n"),
	"proxy": func(s *sim.Scenario, w string) {
		s.Agent.Environment = map[string]string{"https_proxy": w, "http_proxy": w}
	},
	"no_proxy": func(s *sim.Scenario, w string) {
		s.Agent.Environment = map[string]string{"https_proxy": "http://10.9.9.9:3128", "no_proxy": "169.254.169.254," + w}
	},
	"shared credentials": inFile("/root/.aws/credentials", "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = %s\naws_session_token=%s\n"),
	"seelog":             inFile("/etc/amazon/ssm/seelog.xml", `<seelog type="adaptive"><outputs><smtp password="%s"/></outputs></seelog>`),
	"syslog": func(s *sim.Scenario, w string) {
		ended(s)
		s.Host.Syslog = []string{"{now} web-1 systemd[1]: amazon-ssm-agent.service: Failed to load environment files: " + w}
	},
	"audit": func(s *sim.Scenario, w string) {
		ended(s)
		s.Host.Audit = []string{`type=AVC msg=audit({now}.1:1): apparmor="DENIED" operation="exec" name="/usr/bin/amazon-ssm-agent" comm="` + w + `"`}
	},
	"metadata error": func(s *sim.Scenario, w string) {
		s.IMDS.Overrides = map[string]sim.Impostor{"/meta-data/iam/info": {Status: 500, Server: w, Type: w, Body: w}}
	},
	"metadata role": func(s *sim.Scenario, w string) {
		s.IMDS.Overrides = map[string]sim.Impostor{"/meta-data/iam/security-credentials/WebServerRole": {Body: `{"Code":"Failed","Message":` + quoted(w) + `,"SecretAccessKey":` + quoted(w) + `}`}}
	},
	"metadata document": func(s *sim.Scenario, w string) {
		s.IMDS.Overrides = map[string]sim.Impostor{"/dynamic/instance-identity/document": {Body: `{"secret": ` + w}}
	},
	"impostor": func(s *sim.Scenario, w string) {
		s.IMDS.Mode, s.IMDS.Impostor = "impostor", sim.Impostor{Status: 403, Server: w, Body: w}
	},
	"runtime file":         inFile("/var/lib/amazon/ssm/runtimeconfig/identity_config.json", `{"SchemaVersion":"1.1","InstanceId":"i-0a1b2c3d4e5f60718","ShareFile":"","ShareProfile":"","CredentialSource":"%s`),
	"vault":                inFile("/var/lib/amazon/ssm/Vault/Store/RegistrationKey", `{"instanceID":"mi-0123456789abcdef0","region":"eu-central-1","privateKey":"%s","publicKey":"%s"}`),
	"hosts":                inFile("/etc/hosts", "127.0.0.1 localhost # %s\n"),
	"crontab and the like": inFile("/etc/systemd/system.conf", "[Manager]\nDefaultEnvironment=\"APP=%s\"\n"),
}

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// logged puts a line into the agent's log.
func logged(line string) func(*sim.Scenario, string) {
	return func(s *sim.Scenario, w string) { s.Log = append(s.Log, "-2m "+strings.ReplaceAll(line, "%s", w)) }
}

func inFile(name, content string) func(*sim.Scenario, string) {
	return func(s *sim.Scenario, w string) {
		s.Files[name] = sim.File{Content: strings.ReplaceAll(content, "%s", w)}
	}
}

func inUnit(s *sim.Scenario, text string) {
	s.Agent.Units = map[string]sim.Unit{"deb": {DropIn: "[Service]\n" + text + "\n"}}
}

// ended is an agent that the system has something to say about.
func ended(s *sim.Scenario) {
	s.Agent.Core, s.Agent.Worker = false, false
	s.Agent.Units = map[string]sim.Unit{"deb": {Active: "failed", Exit: 1, Result: "exit-code", Restarts: 3}}
}

// TestNoSecretComesOut plants secrets in everything that a host shows, one at a time,
// and looks for them in everything that the program puts out.
func TestNoSecretComesOut(t *testing.T) {
	t.Parallel()
	places := slices.Sorted(maps.Keys(secretPlaces))
	planted := 0
	for p, place := range places {
		forms := secretForms // all of them with all places: 4 min
		if os.Getenv("SSM_DOCTOR_SECRETS") != "all" {
			forms = nil
			for i := range 10 {
				forms = append(forms, secretForms[(p*10+i)%len(secretForms)])
			}
		}
		planted += len(forms)
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			for i, form := range forms {
				// A form without anything that calls it a secret, of no length of a key.
				secret := fmt.Sprintf("Zq%02dxK%02dwTr8", p, i)
				for where, text := range everyOutput(t, place, fmt.Sprintf(form, secret)) {
					if at := strings.Index(text, secret); at >= 0 {
						t.Errorf("%q: in %s: …%s…", form, where, text[max(0, at-100):min(len(text), at+60)])
						break
					}
				}
			}
		})
	}
	if planted < 300 {
		t.Errorf("only %d secrets", planted)
	}
}

// everyOutput is what the program puts out of a host with a secret in one place, by
// what it is.
func everyOutput(t *testing.T, place, written string) map[string]string {
	s, err := sim.Play("healthy-profile")
	if err != nil {
		t.Fatal(err)
	}
	if s.Files == nil {
		s.Files = map[string]sim.File{}
	}
	s.Now = time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)
	secretPlaces[place](&s, written)
	h, err := sim.Start(s)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	var debug bytes.Buffer
	log := slog.New(slog.NewTextHandler(&debug, &slog.HandlerOptions{Level: slog.LevelDebug}))
	env := h.Env()
	env.Probes = []string{"parameters"}
	r, f := engine.Run(t.Context(), env, engine.Options{Log: log})
	if r.Plan, err = engine.Plan(f, r, engine.Options{}); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	var fix bytes.Buffer
	a := &app{out: &fix}
	a.fixTold(a.shownReport(r), mend.Of(f, r), false)
	out["fix"] = fix.String()
	put := func(what string, write func(io.Writer) error) {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		out[what] = b.String()
	}
	maps.Copy(out, everyFormat(t, r))
	logs := agentlog.Tails(t.Context(), env)
	for what, redact := range map[string]bool{"bundle": false, "redacted bundle": true} {
		put(what, func(w io.Writer) error {
			var b bytes.Buffer
			if err := bundle.Write(&b, bundle.Input{Report: r, Facts: f, Logs: logs, Redact: redact, Now: s.Now}); err != nil {
				return err
			}
			z, err := gzip.NewReader(&b)
			if err != nil {
				return err
			}
			_, err = io.Copy(w, z)
			return err
		})
	}
	put("facts", func(w io.Writer) error { return report.WriteJSON(w, report.StripFacts(f), " ") })
	put("redacted facts", func(w io.Writer) error { return report.WriteJSON(w, report.RedactFacts(f), " ") })
	kept, recorder := recorded.Record(h.Env())
	_, redact := report.RedactRecording(engine.Collect(t.Context(), kept, engine.Options{}))
	put("redacted recording", func(w io.Writer) error { return report.WriteJSON(w, recorder.Recording(redact, true), " ") })
	put("recording", func(w io.Writer) error { return report.WriteJSON(w, recorder.Recording(report.StripText, false), " ") })
	dir := t.TempDir()
	history := daemon.OpenHistory(dir)
	cause := ""
	if r.RootCause != nil {
		cause = r.RootCause.ID
	}
	history.Add(s.Now, r.State, cause)
	// Facts that another program made, or an older one, hold lines as they are.
	raw := *f
	for i := range raw.Log.Matches.Value {
		raw.Log.Matches.Value[i].Text += " " + written
	}
	name, good := filepath.Join(dir, "facts.json"), filepath.Join(dir, "good.json")
	if err := os.WriteFile(good, []byte(out["redacted facts"]), 0o600); err != nil {
		t.Fatal(err)
	}
	policy := filepath.Join(dir, "policy.json")
	if err := os.WriteFile(policy, []byte(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ssm:*", "Resource": "*"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(&raw)
	if err != nil || os.WriteFile(name, b, 0o600) != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"check", "-v"}, {"check", "-o", "json"}, {"permissions", "-o", "wide"}, {"permissions", "--diff", policy, policy}, {"explain", cmp.Or(cause, "dns-failure")}, {"history", "--state-dir", dir}, {"history", "--state-dir", dir, "-o", "json"}, {"check", "--no-color", "--from", "/" + "missing"},
		{"summary", "-otext", name}, {"summary", "-ojson", name}, {"summary", "-ocsv", name}, {"summary", "-omarkdown", name}, {"summary", "-ohtml", name}, {"compare", name, good}, {"compare", "-ojson", name, good}} {
		if args[0] == "check" || args[0] == "permissions" {
			args = append(args, "--from", name)
		}
		var stdout, stderr bytes.Buffer
		a := &app{in: strings.NewReader(""), out: &stdout, err: &stderr, getenv: func(string) string { return "" }}
		a.run(t.Context(), func() {}, args)
		out[strings.Join(args[:2], " ")] = stdout.String() + stderr.String()
	}
	all, err := os.ReadFile(filepath.Join(dir, "history.jsonl"))
	out["history file"], out["debug log"] = string(all)+fmt.Sprint(err), debug.String()
	return out
}

// everyFormat is a report in every format, as it is and redacted.
func everyFormat(t *testing.T, r *report.Report) map[string]string {
	out := map[string]string{}
	put := func(what string, write func(io.Writer) error) {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		out[what] = b.String()
	}
	for what, r := range map[string]*report.Report{"": r, " redacted": report.Redact(r)} {
		for _, format := range report.Formats {
			put(format+what, func(w io.Writer) error {
				return report.Write(w, format, r, report.Style{Width: 100, Verbose: format == "text"})
			})
		}
		put("first screen"+what, func(w io.Writer) error { return report.Write(w, "text", r, report.Style{Width: 100, Brief: true}) })
		for _, format := range report.PermissionFormats {
			put("permissions "+format+what, func(w io.Writer) error { return report.WritePermissions(w, format, r, report.Style{Width: 100}) })
		}
		put("metrics"+what, func(w io.Writer) error { return export.Write(w, export.OneRun(r), export.Options{}, false) })
		put("page"+what, func(w io.Writer) error { return report.HTML(w, r, report.Live{}) })
		inventory, err := export.Inventory(r)
		out["inventory"+what] = string(inventory) + fmt.Sprint(err)
	}
	return out
}
