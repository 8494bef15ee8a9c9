package fleet

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// account is what AWS Config and a resource data sync deliver of 300 instances, in folders
// that stand for the buckets.
type account struct {
	t      *testing.T
	folder string
	now    time.Time
}

func (a account) put(name string, objects ...any) {
	a.t.Helper()
	var b bytes.Buffer
	for _, o := range objects {
		if err := json.NewEncoder(&b).Encode(o); err != nil {
			a.t.Fatal(err)
		}
	}
	content := b.Bytes()
	if strings.HasSuffix(name, ".gz") {
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		if _, err := w.Write(content); err != nil {
			a.t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			a.t.Fatal(err)
		}
		content = z.Bytes()
	}
	path := filepath.Join(a.folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		a.t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		a.t.Fatal(err)
	}
}

type place struct{ account, region string }

var places = []place{{"111122223333", "eu-central-1"}, {"111122223333", "us-east-1"}, {"444455556666", "eu-central-1"}}

// snapshot delivers what AWS Config saw on a day: folders without leading zeros.
func (a account) snapshot(p place, day time.Time, items []any) {
	name := fmt.Sprintf("config-bucket/org/AWSLogs/%s/Config/%s/%d/%d/%d/ConfigSnapshot/%s_Config_%s_ConfigSnapshot_%s_0f0f.json.gz",
		p.account, p.region, day.Year(), day.Month(), day.Day(), p.account, p.region, day.Format("20060102T150405Z"))
	a.put(name, map[string]any{"fileVersion": "1.0", "configSnapshotId": "0f0f", "configurationItems": items})
}

func instance(p place, id, name, state string, at time.Time) any {
	return map[string]any{
		"configurationItemVersion": "1.3", "configurationItemStatus": "OK", "configurationItemCaptureTime": at.Format("2006-01-02T15:04:05.000Z"),
		"resourceType": "AWS::EC2::Instance", "resourceId": id, "awsAccountId": p.account, "awsRegion": p.region,
		"tags":          map[string]string{"Name": name, "Team": "x"},
		"configuration": map[string]any{"instanceId": id, "state": map[string]any{"code": 16, "name": state}, "iamInstanceProfile": map[string]any{"arn": "arn:aws:iam::" + p.account + ":instance-profile/node"}},
	}
}

// node delivers what the inventory holds of a managed node.
func (a account) node(p place, id, status string, at time.Time) {
	a.put(fmt.Sprintf("sync-bucket/inventory/AWS:InstanceInformation/accountid=%s/region=%s/resourcetype=ManagedInstanceInventory/%s.json", p.account, p.region, id),
		map[string]any{"resourceId": id, "captureTime": at.Format(time.RFC3339), "InstanceStatus": status, "AgentVersion": "3.3.1142.0", "PlatformName": "Amazon Linux", "schemaVersion": "1.0"})
}

func (a account) doctor(p place, id, cause string, at time.Time) {
	a.put(fmt.Sprintf("sync-bucket/inventory/Custom:SSMDoctor/accountid=%s/region=%s/resourcetype=ManagedInstanceInventory/%s.json", p.account, p.region, id),
		map[string]any{"resourceId": id, "captureTime": at.Format(time.RFC3339), "State": "not-managed", "Cause": cause, "Fix": "mend " + cause, "Severity": "critical"})
}

// athena runs queries of the inventory folder; one list of rows for each.
func athena(t *testing.T, folder string, now time.Time, nested string, queries ...string) [][]map[string]string {
	t.Helper()
	modules := os.Getenv("DUCKDB_MODULES")
	if modules == "" {
		t.Skip("DUCKDB_MODULES is not set: the queries were not run (npm install @duckdb/node-api)")
	}
	ddl := strings.NewReplacer("CONFIG_BUCKET/CONFIG_PREFIX", "x", "CONFIG_BUCKET", "config-bucket/org", "BUCKET", "sync-bucket", "PREFIX", "inventory",
		"'ACCOUNTS'", "'111122223333,444455556666'", "'REGIONS'", "'eu-central-1,us-east-1,ap-south-1'").Replace(string(read(t, "inventory/tables.sql")))
	tables := filepath.Join(folder, "tables.sql")
	if err := os.WriteFile(tables, []byte(ddl), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"testdata/athena.mjs", tables, folder, now.Format(time.RFC3339)}
	for _, q := range queries {
		args = append(args, "inventory/"+q)
	}
	cmd := exec.CommandContext(t.Context(), "node", args...)
	cmd.Env = append(os.Environ(), "NESTED_KEYS="+nested, "TZ=UTC")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	var all [][]map[string]string
	for line := range strings.Lines(string(out)) {
		var rows []map[string]any
		if err := json.Unmarshal([]byte(line), &rows); err != nil {
			t.Fatal(err)
		}
		var texts []map[string]string
		for _, r := range rows {
			text := map[string]string{}
			for k, v := range r {
				if v != nil {
					text[k] = fmt.Sprint(v)
				}
			}
			texts = append(texts, text)
		}
		all = append(all, texts)
	}
	return all
}

// TestQueries: 300 instances of two accounts and three Regions, as AWS delivers them. The
// newest snapshot is that of the 10th, although its folder sorts before that of the 9th.
func TestQueries(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 11, 6, 0, 0, 0, time.UTC)
	a := account{t, t.TempDir(), now}
	var want []string
	for _, p := range places {
		var old, fresh []any
		for i := range 100 {
			id := fmt.Sprintf("i-%s%03d%014d", map[string]string{"eu-central-1": "a", "us-east-1": "b"}[p.region], i, len(p.account)+slices.Index(places, p))
			at := time.Date(2026, 11, 10, 3, 0, 0, 0, time.UTC)
			name, state := fmt.Sprintf("host %d", i), "running"
			old = append(old, instance(p, id, name, "running", at.AddDate(0, 0, -1)))
			unmanaged := ""
			switch {
			case i < 60: // managed
				a.node(p, id, "Active", now.Add(-time.Hour))
				if i < 10 {
					a.doctor(p, id, "agent-version-too-old", now.Add(-time.Hour))
				}
			case i < 70: // never managed
				unmanaged = "never reported"
			case i < 78: // lost, with the last cause
				a.node(p, id, "ConnectionLost", now.Add(-3*time.Hour))
				a.doctor(p, id, "credentials-stale", now.Add(-4*time.Hour))
				unmanaged = "credentials-stale"
			case i < 82: // not heard of for days
				a.node(p, id, "Active", now.AddDate(0, 0, -3))
				a.doctor(p, id, "disk-full", now.AddDate(0, 0, -3))
				unmanaged = "disk-full"
			case i < 90: // stopped since
				state = "stopped"
			case i < 95: // gone since: in the old snapshot alone
				continue
			default: // managed although the doctor finds something
				a.node(p, id, "Active", now.Add(-time.Minute))
				a.doctor(p, id, "healthy", now.Add(-time.Minute))
			}
			if unmanaged != "" {
				want = append(want, p.account+" "+p.region+" "+id+" "+name+": "+unmanaged)
			}
			fresh = append(fresh, instance(p, id, name, state, at))
		}
		fresh = append(fresh, map[string]any{"resourceType": "AWS::S3::Bucket", "resourceId": "b", "awsAccountId": p.account, "awsRegion": p.region, "configuration": map[string]any{}})
		a.snapshot(p, time.Date(2026, 10, 31, 3, 0, 0, 0, time.UTC), old)
		a.snapshot(p, time.Date(2026, 11, 9, 3, 0, 0, 0, time.UTC), old)
		a.snapshot(p, time.Date(2026, 11, 10, 3, 0, 0, 0, time.UTC), fresh)
	}
	slices.Sort(want)
	for _, nested := range []string{"as they are", "lower"} {
		rows := athena(t, a.folder, now, nested, "unmanaged.sql", "regions.sql", "last-cause.sql")
		var got []string
		for _, r := range rows[0] {
			got = append(got, r["account"]+" "+r["region"]+" "+r["instance"]+" "+r["name"]+": "+r["last_cause"])
			if !strings.HasSuffix(r["profile"], ":instance-profile/node") {
				t.Fatalf("profile %q", r["profile"])
			}
		}
		slices.Sort(got)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("unmanaged: %s", d)
		}
		if len(want) != 66 {
			t.Errorf("%d unmanaged were made", len(want))
		}
		if len(rows[1]) != len(places) || rows[1][0]["instances"] != "95" || rows[1][0]["running"] != "87" {
			t.Errorf("regions: %v", rows[1])
		}
		if len(rows[2]) != 3 || rows[2][0]["cause"] != "agent-version-too-old" || rows[2][0]["nodes"] != "30" {
			t.Errorf("last causes: %v", rows[2])
		}
	}
}
