package logline

import (
	"strings"
	"testing"
)

// What checks and remedies take out of a line is still in what is shown of it.
func TestShownKeepsWhatChecksAskFor(t *testing.T) {
	t.Parallel()
	for line, keeps := range map[string]string{
		"ERROR [ssm-session-worker] Failed to start pty: open /dev/ptmx: no such file or directory":                                                                                                 "/dev/ptmx",
		"ERROR calling S3 API GetBucketEncryption: ServerSideEncryptionConfigurationNotFoundError":                                                                                                  "ServerSideEncryptionConfigurationNotFound",
		"ERROR fork/exec C:\\Windows\\x.exe: The paging file is too small for this operation to complete":                                                                                           "paging file is too small",
		"ERROR inappropriate ioctl for device":                                                                                                                                                      "inappropriate ioctl for device",
		"ERROR Failed to upload x to s3://corp-logs/a err:AccessDenied":                                                                                                                             "s3://corp-logs/",
		`ERROR Post "https://ssm.%E2%80%9Ceu-central-1%E2%80%9D.amazonaws.com/": dial tcp: lookup failed`:                                                                                           "%E2%80%9Ceu-central-1%E2%80%9D",
		"AccessDeniedException: User: arn:aws:sts::111122223333:assumed-role/App-InstanceRole3CCE2F1D-1A2B3C4D5E6F/i-0123456789abcdef0 is not authorized to perform: ssm:UpdateInstanceInformation": "assumed-role/App-InstanceRole3CCE2F1D-1A2B3C4D5E6F",
	} {
		if got := Shown(line); !strings.Contains(got, keeps) {
			t.Errorf("%q is not in %q", keeps, got)
		}
	}
	for _, line := range []string{"see https://svc:hunter2@ssm.%E2%80%9Cx%E2%80%9D.amazonaws.com/"} {
		if got := Shown(line); strings.Contains(got, "hunter2") {
			t.Errorf("%q", got)
		}
	}
}
