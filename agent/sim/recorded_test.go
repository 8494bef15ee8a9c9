package sim_test

import (
	"encoding/csv"
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ssm-doctor/agent/sim"
)

// recorded are the trees that a real agent left in the lab (their README says how).
const recorded = "../gather/testdata/agent"

// TestRecordedTrees: what a real agent left, on a host that is as it was then,
// leads to the cause that was put there. The same table serves the lab (.ci/run).
func TestRecordedTrees(t *testing.T) {
	t.Parallel()
	for _, row := range recordedCauses(t) {
		name, cause, severity := row[0], row[1], row[2]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := surroundings(t, name)
			s.Files = recordedFiles(t, name, false)
			r, h := examine(t, s)
			if id, sev := answer(r); id != cause || sev != severity {
				t.Errorf("%s (%s), want %s (%s): %s", id, sev, cause, severity, r.Summary)
				for _, c := range r.Also {
					t.Logf("also %s %s: %s", c.Severity, c.ID, c.Summary)
				}
			}
			harmless(t, h)
		})
	}
}

// recordedCauses is the table of trees: name, cause, severity.
func recordedCauses(t *testing.T) [][]string {
	t.Helper()
	f, err := os.Open(filepath.Join(recorded, "causes.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.FieldsPerRecord = '\t', 3
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	trees, err := filepath.Glob(filepath.Join(recorded, "*", "var"))
	if err != nil || len(trees) != len(rows) {
		t.Fatalf("%d causes for %d trees, %v", len(rows), len(trees), err)
	}
	return rows
}

// surroundings is the host around a recorded tree: all but the agent's files.
func surroundings(t *testing.T, name string) sim.Scenario {
	t.Helper()
	base := "healthy-profile"
	switch {
	case strings.HasPrefix(name, "hybrid"):
		base = "healthy-hybrid"
	case strings.Contains(name, "dhmc"):
		base = "healthy-dhmc"
	}
	s, err := sim.Play(base)
	if err != nil {
		t.Fatal(err)
	}
	// Keys of the recording mean nothing here: where the agent shares a file, the
	// simulator's own stays.
	if s.Agent.Source == "profile" {
		s.Agent.Source = ""
	}
	s.Log, s.Agent.Identity, s.Agent.EC2, s.Agent.Hybrid = nil, "", false, false
	s.Now = time.Date(2026, 11, 22, 9, 15, 0, 0, time.UTC)
	s.Region, s.Instance, s.Node, s.Account = "us-east-1", "i-0abc1234def567890", "mi-0123456789abcdef0", "111122223333"
	s.Agent.Version, s.Agent.Packaging = "3.3.0.0", []string{"deb"}
	waits := func() { s.Agent.Core, s.Agent.Worker, s.Agent.Source = true, false, "" }
	profile := &sim.Principal{Kind: sim.KindProfile, Name: "LabInstanceRole", Policies: []sim.Policy{"AmazonSSMManagedInstanceCore"}}
	if s.IMDS.Profile != "" {
		s.Principals["profile"] = profile
	}
	switch name {
	case "assume-role-unauthorized":
		profile.Code, profile.Message = "AssumeRoleUnauthorizedAccess", "EC2 cannot assume the role LabInstanceRole."
		waits()
	case "blackholed-all":
		s.Endpoints = map[string]sim.Endpoint{"*": {TCP: "timeout"}}
		waits()
	case "clock-skew":
		s.Skew = 1020
		waits()
	case "hybrid-fingerprint-mismatch":
		s.MachineID = registeredMachine(t, filepath.Join(recorded, name))
		waits()
	case "hybrid-healthy":
		s.MachineID = registeredMachine(t, filepath.Join(recorded, name))
	case "imds-disabled":
		s.IMDS.Mode = "disabled"
		s.Agent.Core, s.Agent.Worker = false, false
	case "imds-unreachable":
		s.IMDS.Mode = "absent"
		s.Agent.Core, s.Agent.Worker = false, false
	case "legacy-AmazonEC2RoleforSSM":
		s.IMDS.Mode = "optional"
		profile.Name, profile.Policies = "LegacyRole", []sim.Policy{"AmazonEC2RoleforSSM"}
	case "missing-ssmmessages":
		profile.Policies = []sim.Policy{sim.Allow("ssm:*", "ec2messages:*")}
	case "no-profile-no-dhmc":
		s.Principals = nil
		waits()
	case "profile-blocks-dhmc":
		profile.Policies = []sim.Policy{sim.Allow("ssm:UpdateInstanceInformation")}
		s.Principals["profile"], s.IMDS.Profile, s.Agent.Source = profile, "profile", ""
	case "scp-deny":
		s.SCP = []sim.Policy{sim.Deny("ssm:*", "ssmmessages:*")}
		waits()
	case "tls-intercepting-proxy":
		s.Endpoints = map[string]sim.Endpoint{"*": {TLS: "untrusted", Issuer: "CN=Corp Inspection CA,O=Example Corp"}}
		waits()
	}
	return s
}

// registeredMachine is the machine id in the fingerprint of a recorded tree.
func registeredMachine(t *testing.T, root string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, "var/lib/amazon/ssm/Vault/Store/InstanceFingerprint"))
	if err != nil {
		t.Fatal(err)
	}
	var f struct {
		HardwareHash map[string]string `json:"hardwareHash"`
	}
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(f.HardwareHash["machine-id"])
}

// recordedFiles are the files of a recorded tree, as private as the agent makes
// them; with those that hold keys if asked.
func recordedFiles(t *testing.T, name string, keys bool) map[string]sim.File {
	t.Helper()
	return treeFiles(t, filepath.Join(recorded, name), keys)
}

// treeFiles are the files below a folder, by their path on the host.
func treeFiles(t *testing.T, root string, keys bool) map[string]sim.File {
	t.Helper()
	out := map[string]sim.File{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil || !keys && path.Base(rel) == "credentials" {
			return err
		}
		b, err := os.ReadFile(p)
		out["/"+filepath.ToSlash(rel)] = sim.File{Content: string(b), Mode: 0o600}
		return err
	})
	if err != nil || len(out) == 0 {
		t.Fatalf("%d files, %v", len(out), err)
	}
	return out
}
