package install_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/agent/gather/install"
	"ssm-doctor/checks/facts"
)

func TestUses(t *testing.T) {
	t.Parallel()
	const node = "var/lib/amazon/ssm/i-0123456789abcdef0/"
	const command, association = "0f1e2d3c-0000-4000-8000-00000000abcd", "9f1e2d3c-0000-4000-8000-00000000abcd.2026-11-22T08-00-00.000Z"
	for _, c := range []struct {
		name  string
		files map[string]string
		want  []string
		out   facts.Output
	}{
		{name: "nothing", files: map[string]string{"var/lib/amazon/ssm/": ""}},
		{name: "a command", files: map[string]string{node + "document/orchestration/" + command + "/awsrunShellScript/0.awsrunShellScript/stdout": "x"}, want: []string{"run-command"}},
		{name: "an association that takes inventory", files: map[string]string{node + "document/orchestration/" + association + "/collectSoftwareInventoryItems/": ""}, want: []string{"inventory", "state-manager"}},
		{name: "patching", files: map[string]string{node + "document/orchestration/" + command + "/PatchLinux/stdout": ""}, want: []string{"patch-manager", "run-command"}},
		{name: "a folder of another kind", files: map[string]string{node + "document/orchestration/notes/PatchLinux/x": "", "var/lib/amazon/ssm/other/session/orchestration/x/": ""}},
		{name: "a session", files: map[string]string{node + "session/orchestration/user-0abc/Standard_Stream/": ""}, want: []string{"session-manager"}},
		{name: "a package and the CloudWatch agent", files: map[string]string{"var/lib/amazon/ssm/packages/_arn_x/1.0/manifest.json": "", "opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent": ""},
			want: []string{"cloudwatch-agent", "distributor"}},
		{name: "output of documents", files: map[string]string{
			node + "document/state/completed/" + command: `{"IOConfig":{"OrchestrationDirectory":"/x","OutputS3BucketName":"my-bucket","OutputS3KeyPrefix":"p","CloudWatchConfig":{"LogGroupName":"/aws/ssm/AWS-RunShellScript"}},"Parameters":{"password":"hunter2"}}`,
			node + "document/state/current/x":            `{"OutputS3BucketName":"Not A Bucket"} {"OutputS3BucketName":""}`},
			want: []string{"run-command-output-logs", "run-command-output-s3"}, out: facts.Output{Buckets: []string{"my-bucket"}, LogGroups: []string{"/aws/ssm/AWS-RunShellScript"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			env := gathertest.New(t, c.files)
			var f facts.Facts
			if err := (install.Uses{}).Gather(t.Context(), env.Begin(), &f); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, u := range f.Agent.Uses.Value {
				got = append(got, u.Feature)
				if u.From == "" {
					t.Errorf("%s without place", u.Feature)
				}
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
			if c.out.Buckets != nil {
				if d := cmp.Diff(c.out, f.Agent.Output.Value); d != "" {
					t.Error(d)
				}
			}
		})
	}
}
