package causes

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// fullValues are a host of which everything is known.
func fullValues() Values {
	v := Values{"goos": "linux"}
	for name := range placeholders {
		if !commands[name] && name != "chroot" {
			v[name] = "value-of-" + name
		}
	}
	for k, s := range map[string]string{"region": "eu-central-1", "instance": "i-0a1b2c3d4e5f60718", "node": "mi-0f1e2d3c4b5a69788", "account": "111122223333", "unit": "amazon-ssm-agent.service",
		"agent": "/usr/bin/amazon-ssm-agent", "service": "ssm", "action": "ssm:GetDocument", "root": "/mnt", "minutes": "30", "pinned": "ssm.eu-central-1.amazonaws.com",
		"dhmcsetting": "arn:aws:ssm:eu-central-1:111122223333:servicesetting/ssm/managed-instance/default-ec2-instance-management-role", "proxy": "http://proxy.corp.example:3128"} {
		v[k] = s
	}
	return v
}

// printed are the commands of all causes, with all values, for one system.
func commandsOf(v Values) map[string]Step {
	out := map[string]Step{}
	for _, c := range All() {
		for _, s := range slices.Concat(append(c.Ways, c.Fix, c.Image)...) {
			if s.Applies(v) && s.Where != Terraform {
				out[s.Fill(v).Command.String()] = s
			}
		}
	}
	return out
}

// Every command parses with the grammar of its shell: POSIX's, and that of bash.
func TestCommandsParse(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "dash"} {
		if _, err := exec.LookPath(shell); err != nil {
			t.Logf("no %s here: its grammar was not tried", shell)
			continue
		}
		for command := range commandsOf(fullValues()) {
			cmd := exec.CommandContext(t.Context(), shell, "-n")
			cmd.Stdin = strings.NewReader(command)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %s\n%s", shell, out, command)
			}
		}
	}
}

// No placeholder is left where the value is known.
func TestKnownValuesAreFilledIn(t *testing.T) {
	t.Parallel()
	v := fullValues()
	for command, s := range commandsOf(v) {
		for name, stand := range placeholders {
			if commands[name] || !strings.Contains(s.Command, "{"+name+"}") || stand == "" || stand == v[name] || strings.Contains(s.Command, stand) {
				continue
			}
			if regexp.MustCompile(`\b`+regexp.QuoteMeta(stand)+`\b`).MatchString(command) && strings.ToUpper(stand) == stand {
				t.Errorf("%s is left in %s", stand, command)
			}
		}
	}
}

// No shell takes a part of a query for the name of a file, which zsh ends at: brackets, stars
// and question marks of the AWS CLI's options are quoted.
func TestQueriesAreQuoted(t *testing.T) {
	t.Parallel()
	bare := regexp.MustCompile(`--[a-z-]+ [^'" \n]*[][*?]`)
	for command, s := range commandsOf(fullValues()) {
		if m := bare.FindString(command); m != "" && s.Where == OperatorCLI {
			t.Errorf("%s of %s", m, command)
		}
	}
	if !bare.MatchString("aws x --query Names[].Name") || bare.MatchString("aws x --query 'Names[].Name'") {
		t.Error("it finds none")
	}
}
