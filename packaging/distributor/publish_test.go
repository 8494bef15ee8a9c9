package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// awsStub answers for the AWS CLI; $STATUS is what describe-document says first,
// versions are in the file of that name. Associations are $RINGS: number 1 installs
// version 0.99, the others something else. Every call goes to calls.
const awsStub = `#!/bin/sh
echo "${AWS_REGION:+$AWS_REGION: }$*" >>"$STUB/calls"
[ "$AWS_REGION" != xx-north-1 ] || exit 254
case "$1 $2" in
"ssm describe-document")
    case "$*" in *--version-name*) echo "${AFTER:-Active}"; exit 0 ;; esac
    case $STATUS in
    absent) echo "An error occurred (InvalidDocument) when calling DescribeDocument" >&2; exit 254 ;;
    denied) echo "An error occurred (AccessDeniedException)" >&2; exit 254 ;;
    esac
    echo "$STATUS" ;;
"ssm list-document-versions") cat "$STUB/versions" ;;
"ssm list-associations") [ "$RINGS" != denied ] || exit 254; echo "$RINGS" ;;
"ssm describe-association")
    case $* in *"--association-id 1 "*) printf '%s\t%s\n' arn:aws:ssm:eu-central-1:111122223333:document/ssm-doctor 0.99 ;; *) printf 'other\t0.999\n' ;; esac ;;
"ssm update-document") echo 26 ;;
esac
`

func TestPublish(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no sh on this system")
	}
	twentyFive := "1\t0.1\tTrue\n"
	for i := 2; i <= 25; i++ {
		twentyFive += strings.Replace("N\t0.N\tFalse\n", "N", strings.Repeat("9", i), 2)
	}
	rings := map[string]string{"25 versions, one in a ring": "1\t2", "25 versions, rings unknown": "denied"}
	for _, tt := range []struct {
		name, status, versions, after string
		args                          []string
		ok                            bool
		want, never                   []string
	}{
		{"first", "absent", "", "", nil, true, []string{"ssm create-document --name ssm-doctor --document-type Package", "--version-name 1.2.3 --attachments Key=SourceUrl,Values=s3://bucket/ssm-doctor/1.2.3", "s3 rm s3://bucket/ssm-doctor/1.2.3/"}, []string{"update-document"}},
		{"next", "Active", "1\t1.2.2\tTrue\n", "", []string{"--set-default", "--share", "111122223333"}, true, []string{"ssm update-document --name ssm-doctor --document-version $LATEST --version-name 1.2.3", "update-document-default-version --name ssm-doctor --document-version 26", "--account-ids-to-add 111122223333"}, []string{"create-document", "delete-document"}},
		{"the same again", "Active", "1\t1.2.3\tTrue\n", "", nil, false, nil, []string{"update-document"}},
		{"a longer version is another", "Active", "1\t1.2.33\tTrue\n", "", nil, true, []string{"update-document"}, nil},
		{"25 versions", "Active", twentyFive, "", nil, true, []string{"delete-document --name ssm-doctor --document-version 99\n", "update-document"}, []string{"--document-version 1\n"}},
		{"25 versions, one in a ring", "Active", twentyFive, "", nil, true, []string{"delete-document --name ssm-doctor --document-version 999\n", "update-document"}, nil},
		{"25 versions, rings unknown", "Active", twentyFive, "", nil, false, nil, []string{"delete-document", "update-document"}},
		{"not allowed", "denied", "", "", nil, false, nil, []string{"create-document", "update-document"}},
		{"refused by the service", "absent", "", "Failed bad checksum", []string{"--set-default"}, false, nil, []string{"default-version"}},
		{"dry run", "absent", "", "", []string{"--dry-run"}, true, nil, []string{"s3 cp", "create-document", "s3 rm"}},
		{"three Regions", "absent", "", "", []string{"--region", "eu-central-1", "--region", "us-east-1", "--bucket", "b-{region}", "--share", "111122223333"}, true,
			[]string{"eu-central-1: s3 cp", "us-east-1: s3 rm s3://b-us-east-1/ssm-doctor/1.2.3/", "us-east-1: ssm create-document", "eu-central-1: ssm modify-document-permission --name ssm-doctor --permission-type Share --account-ids-to-add 111122223333"}, nil},
		{"one of the Regions fails", "absent", "", "", []string{"--region", "eu-central-1", "--region", "xx-north-1", "--region", "us-east-1"}, false, []string{"eu-central-1: ssm create-document"}, []string{"us-east-1: ssm"}},
		{"Region is none", "absent", "", "", []string{"--region", "$(id)"}, false, nil, []string{"ssm"}},
		{"account is none", "absent", "", "", []string{"--share", "all"}, false, nil, []string{"ssm"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			stub := t.TempDir()
			writeProgram(t, filepath.Join(stub, "aws"), awsStub, 0o755)
			writeProgram(t, filepath.Join(stub, "go"), "#!/bin/sh\nexit 0\n", 0o755)
			writeProgram(t, filepath.Join(stub, "versions"), tt.versions, 0o644)
			cmd := exec.CommandContext(t.Context(), "sh", append([]string{"publish.sh", "--bucket", "bucket", "--dir", built(t)}, tt.args...)...)
			cmd.Env = []string{"PATH=" + stub + ":/usr/bin:/bin", "STUB=" + stub, "STATUS=" + tt.status, "AFTER=" + tt.after, "RINGS=" + rings[tt.name], "PUBLISH_POLL_SECONDS=0"}
			out, err := cmd.CombinedOutput()
			if (err == nil) != tt.ok {
				t.Errorf("got %v, want success %v\n%s", err, tt.ok, out)
			}
			b, _ := os.ReadFile(filepath.Join(stub, "calls"))
			for _, w := range tt.want {
				if !strings.Contains(string(b), w) {
					t.Errorf("no call with %q in\n%s", w, b)
				}
			}
			for _, w := range tt.never {
				if strings.Contains(string(b), w) {
					t.Errorf("a call with %q in\n%s", w, b)
				}
			}
		})
	}
}
