package iam

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestClean(t *testing.T) {
	t.Parallel()
	good := Target{Partition: "aws-us-gov", Region: "us-gov-west-1", Account: "111122223333", Buckets: []string{"my.bucket", "b-1/a/b_c/"}, LogGroups: []string{"/aws/ssm/*", "g"},
		Parameters: []string{"/app/prod", "x"}, Keys: []string{"0f1e2d3c-aaaa", "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/mrk-0f1e"}, Directory: "d-0123456789"}
	got, dropped := good.Clean()
	if d := cmp.Diff(good, got); d != "" || dropped != nil {
		t.Error(d, dropped)
	}
	bad := Target{Partition: "aws:*", Region: `eu-west-1","x":"`, Account: "*", Buckets: []string{"*", "b*", "ok-bucket", "b/\"}"}, LogGroups: []string{"*", "a*b", "\n"}, Parameters: []string{"*", "/a/*", "../${x}"},
		Keys: []string{"*", "arn:aws:kms:*:*:key/*"}, Directory: "d-*"}
	got, dropped = bad.Clean()
	want := Target{Buckets: []string{"ok-bucket"}, LogGroups: []string{}, Parameters: []string{}, Keys: []string{}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if len(dropped) != 15 {
		t.Errorf("dropped %q", dropped)
	}
}
