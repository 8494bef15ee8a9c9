package fleet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestCloudWatchAgent holds the configuration against the parts of the agent's schema
// (translator/config/schema.json) that it uses: the agent ends with a panic when a member
// is not known, or a section that must hold something is empty.
func TestCloudWatchAgent(t *testing.T) {
	t.Parallel()
	type declaration struct {
		SourceLabels    []string   `json:"source_labels"`
		LabelMatcher    string     `json:"label_matcher"`
		LabelSeparator  string     `json:"label_separator"`
		MetricSelectors []string   `json:"metric_selectors"`
		Dimensions      [][]string `json:"dimensions"`
	}
	type config struct {
		Agent   map[string]any `json:"agent"`
		Metrics *struct {
			Namespace        string         `json:"namespace"`
			MetricsCollected map[string]any `json:"metrics_collected"`
		} `json:"metrics"`
		Logs *struct {
			LogsCollected    map[string]any `json:"logs_collected"`
			MetricsCollected *struct {
				Prometheus *struct {
					ConfigPath string `json:"prometheus_config_path"`
					LogGroup   string `json:"log_group_name"`
					Cluster    string `json:"cluster_name"`
					EMF        struct {
						Dedup       bool              `json:"metric_declaration_dedup"`
						Namespace   string            `json:"metric_namespace"`
						Unit        map[string]string `json:"metric_unit"`
						Declaration []declaration     `json:"metric_declaration"`
					} `json:"emf_processor"`
				} `json:"prometheus"`
			} `json:"metrics_collected"`
			LogStreamName      string `json:"log_stream_name"`
			ForceFlushInterval int    `json:"force_flush_interval"`
		} `json:"logs"`
	}
	refused := func(b []byte) error {
		var c config
		d := json.NewDecoder(bytes.NewReader(b))
		d.DisallowUnknownFields()
		switch err := d.Decode(&c); {
		case err != nil:
			return err
		case c.Metrics != nil && len(c.Metrics.MetricsCollected) == 0:
			return fmt.Errorf("metrics.metrics_collected must have at least 1 property")
		case c.Logs == nil || c.Logs.MetricsCollected == nil || c.Logs.MetricsCollected.Prometheus == nil:
			return fmt.Errorf("nothing is collected")
		case c.Logs.ForceFlushInterval < 1:
			return fmt.Errorf("force_flush_interval is %d", c.Logs.ForceFlushInterval)
		case c.Logs.MetricsCollected.Prometheus.ConfigPath == "" || len(c.Logs.MetricsCollected.Prometheus.EMF.Declaration) == 0:
			return fmt.Errorf("no Prometheus configuration or no declaration")
		}
		return nil
	}
	good := read(t, "cloudwatch/agent.json")
	if err := refused(good); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{`"metrics": {"metrics_collected": {}}, "logs"`, `"metric": {}, "logs"`} {
		if refused(bytes.Replace(good, []byte(`"logs"`), []byte(bad), 1)) == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

// component is a document of EC2 Image Builder's AWSTOE, schema 1.0.
type component struct {
	Name          string
	Description   string
	SchemaVersion float64 `yaml:"schemaVersion"`
	Parameters    []map[string]struct {
		Type          string
		Default       any
		Description   string
		AllowedValues []any `yaml:"allowedValues"`
	}
	Constants []map[string]any
	Phases    []struct {
		Name  string
		Steps []struct {
			Name           string
			Action         string
			TimeoutSeconds int    `yaml:"timeoutSeconds"`
			OnFailure      string `yaml:"onFailure"`
			MaxAttempts    int    `yaml:"maxAttempts"`
			Inputs         yaml.Node
		}
	}
}

func components(t *testing.T) map[string]component {
	t.Helper()
	all := map[string]component{}
	for _, name := range []string{"image/component.yaml", "image/mounted-image-gate.yaml"} {
		var c component
		d := yaml.NewDecoder(bytes.NewReader(read(t, name)))
		d.KnownFields(true)
		if err := d.Decode(&c); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all[name] = c
	}
	return all
}

// commands of the step with the gate.
func (c component) gate(t *testing.T) string {
	t.Helper()
	for _, p := range c.Phases {
		for _, s := range p.Steps {
			var in struct{ Commands []string }
			if p.Name == "test" && s.Name == "Gate" && s.Inputs.Decode(&in) == nil {
				return strings.Join(in.Commands, "\n")
			}
		}
	}
	t.Fatal("no step Gate in the phase test")
	return ""
}

func TestImageBuilderComponents(t *testing.T) {
	t.Parallel()
	for name, c := range components(t) {
		if c.Name == "" || c.SchemaVersion != 1.0 || len(c.Phases) == 0 {
			t.Errorf("%s: name, schemaVersion or phases are missing", name)
		}
		for _, p := range c.Phases {
			if !slices.Contains([]string{"build", "validate", "test"}, p.Name) {
				t.Errorf("%s: phase %q", name, p.Name)
			}
			for _, s := range p.Steps {
				switch s.Action {
				case "S3Download":
					var in []struct{ Source, Destination string }
					if err := s.Inputs.Decode(&in); err != nil || len(in) == 0 || in[0].Source == "" || in[0].Destination == "" {
						t.Errorf("%s: inputs of %s: %v", name, s.Name, err)
					}
				case "ExecuteBash":
					var in struct{ Commands []string }
					if err := s.Inputs.Decode(&in); err != nil || len(in.Commands) == 0 {
						t.Errorf("%s: inputs of %s: %v", name, s.Name, err)
					}
				default:
					t.Errorf("%s: action %q", name, s.Action)
				}
			}
		}
	}
}

// TestGates: 0 passes, nothing else does, and each other code is told apart.
func TestGates(t *testing.T) {
	t.Parallel()
	gates := map[string]string{"packer": string(read(t, "image/gate.sh"))}
	for name, c := range components(t) {
		gates[name] = c.gate(t)
	}
	for name, gate := range gates {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said := map[string]int{}
			for _, code := range []int{0, 1, 2, 3, 64, 70, 127, 137} {
				dir := t.TempDir()
				stub := func(program, text string) {
					if err := os.WriteFile(filepath.Join(dir, program), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
						t.Fatal(err)
					}
				}
				for _, program := range []string{"dpkg", "systemctl"} {
					stub(program, "exit 0")
				}
				if code != 127 {
					stub("ssm-doctor", fmt.Sprintf("exit %d", code))
				}
				// No other program of the host: it may have an ssm-doctor.
				rm, err := exec.LookPath("rm")
				if err == nil {
					err = os.Symlink(rm, filepath.Join(dir, "rm"))
				}
				if err != nil {
					t.Fatal(err)
				}
				text := strings.NewReplacer("/var/tmp", dir, "/var/lib/ssm-doctor", dir+"/state").Replace(gate)
				cmd := exec.CommandContext(t.Context(), "sh", "-c", text)
				cmd.Dir, cmd.Env = dir, []string{"PATH=" + dir, "GATE=true", "PACKAGE=x.deb", "SSH_CONNECTION=192.0.2.7 5000 10.0.0.5 22"}
				out, err := cmd.CombinedOutput()
				if (err == nil) != (code == 0) {
					t.Errorf("code %d: %v\n%s", code, err, out)
				}
				if code == 0 {
					continue
				}
				line := string(out[bytes.LastIndex(bytes.TrimSpace(out), []byte("\n"))+1:])
				if !strings.Contains(line, fmt.Sprintf("code %d: ", code)) {
					t.Errorf("code %d: said %q", code, out)
				}
				_, why, _ := strings.Cut(line, fmt.Sprintf("code %d: ", code))
				if other, ok := said[why]; ok {
					t.Errorf("codes %d and %d are told alike: %s", code, other, why)
				}
				said[why] = code
			}
		})
	}
}

// TestPackerThroughSessionManager: the connection is not cut off, nothing is touched, and
// the refusal says what to do.
func TestPackerThroughSessionManager(t *testing.T) {
	t.Parallel()
	for connection, refused := range map[string]bool{"127.0.0.1 5000 127.0.0.1 22": true, "::1 5000 ::1 22": true, "::ffff:127.0.0.1 5 ::ffff:127.0.0.1 22": true, "192.0.2.7 5000 10.0.0.5 22": false, "": false} {
		for _, gate := range []string{"true", "false"} {
			dir := t.TempDir()
			for _, program := range []string{"dpkg", "systemctl", "ssm-doctor"} {
				if err := os.WriteFile(filepath.Join(dir, program), []byte("#!/bin/sh\necho \""+program+" $*\" >>"+dir+"/calls\n"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			text := strings.NewReplacer("/var/tmp", dir, "/var/lib/ssm-doctor", dir+"/state").Replace(string(read(t, "image/gate.sh")))
			cmd := exec.CommandContext(t.Context(), "sh", "-c", text)
			cmd.Env = []string{"PATH=" + dir + ":/usr/bin:/bin", "GATE=" + gate, "PACKAGE=x.deb", "SSH_CONNECTION=" + connection}
			out, err := cmd.CombinedOutput()
			calls, _ := os.ReadFile(filepath.Join(dir, "calls"))
			if want := refused && gate == "true"; (err != nil) != want || want && (len(calls) > 0 || !strings.Contains(string(out), "ssm_doctor_gate = false")) {
				t.Errorf("%q, gate %s: %v\n%s%s", connection, gate, err, out, calls)
			}
			if gate == "false" && strings.Contains(string(calls), "amazon-ssm-agent") {
				t.Errorf("the agent was stopped: %s", calls)
			}
		}
	}
}

// TestAutomationDocument holds the document in the template against schema 0.3.
func TestAutomationDocument(t *testing.T) {
	t.Parallel()
	type parameter struct {
		Type           string
		Description    string
		Default        yaml.Node
		AllowedPattern string `yaml:"allowedPattern"`
		AllowedValues  []any  `yaml:"allowedValues"`
	}
	var all struct {
		Resources map[string]struct {
			Properties map[string]yaml.Node `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(read(t, "deprecated-policy/audit.yaml"), &all); err != nil {
		t.Fatal(err)
	}
	content := all.Resources["ReplacePolicy"].Properties["Content"]
	text, err := yaml.Marshal(&content)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		SchemaVersion string               `yaml:"schemaVersion"`
		Description   string               `yaml:"description"`
		AssumeRole    string               `yaml:"assumeRole"`
		Parameters    map[string]parameter `yaml:"parameters"`
		MainSteps     []struct {
			Name           string
			Action         string
			TimeoutSeconds int  `yaml:"timeoutSeconds"`
			IsEnd          bool `yaml:"isEnd"`
			Inputs         struct {
				Runtime      string            `yaml:"Runtime"`
				Handler      string            `yaml:"Handler"`
				InputPayload map[string]string `yaml:"InputPayload"`
				Script       string            `yaml:"Script"`
			}
			Outputs []struct {
				Name     string `yaml:"Name"`
				Selector string `yaml:"Selector"`
				Type     string `yaml:"Type"`
			}
		} `yaml:"mainSteps"`
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	if doc.SchemaVersion != "0.3" || doc.AssumeRole != "{{ AutomationAssumeRole }}" || len(doc.MainSteps) != 1 {
		t.Fatalf("%+v", doc)
	}
	types := []string{"String", "StringList", "Boolean", "Integer", "MapList", "StringMap", "AWS::IAM::Role::Arn"}
	for name, p := range doc.Parameters {
		if !slices.Contains(types, p.Type) {
			t.Errorf("parameter %s has type %s", name, p.Type)
		}
	}
	step := doc.MainSteps[0]
	if step.Action != "aws:executeScript" || step.TimeoutSeconds > 600 || !strings.HasPrefix(step.Inputs.Runtime, "python3.") ||
		!strings.Contains(step.Inputs.Script, "def "+step.Inputs.Handler+"(events, context):") {
		t.Errorf("step %s: action, time limit, runtime or handler", step.Name)
	}
	for key, value := range step.Inputs.InputPayload {
		if _, ok := doc.Parameters[key]; !ok || value != "{{ "+key+" }}" {
			t.Errorf("payload %s is %q", key, value)
		}
		if !strings.Contains(step.Inputs.Script, `events["`+key+`"]`) {
			t.Errorf("the script does not read %s", key)
		}
	}
	for _, o := range step.Outputs {
		key := strings.TrimPrefix(o.Selector, "$.Payload.")
		if !slices.Contains([]string{"String", "StringList", "Integer", "Boolean"}, o.Type) || !strings.Contains(step.Inputs.Script, `"`+key+`"`) {
			t.Errorf("output %s: %s of type %s", o.Name, o.Selector, o.Type)
		}
	}
	if len(text) > 64<<10 {
		t.Errorf("the document has %d bytes, at most 64 KiB", len(text))
	}
}
