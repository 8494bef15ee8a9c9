package agentsvc

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/checks/facts"
)

func TestMetadataSettings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		vars map[string]string
		want facts.MetadataSettings
	}{
		{"none", map[string]string{"AWS_REGION": "eu-west-1"}, facts.MetadataSettings{}},
		{"not disabled", map[string]string{"AWS_EC2_METADATA_DISABLED": "1"}, facts.MetadataSettings{}},
		{"disabled", map[string]string{"AWS_EC2_METADATA_DISABLED": "True"}, facts.MetadataSettings{Disabled: true}},
		{"another endpoint", map[string]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://u:hunter2hunter2@[fd00:ec2::254]", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv6", "AWS_EC2_METADATA_V1_DISABLED": "true"},
			facts.MetadataSettings{Endpoint: "http://[fd00:ec2::254]", Mode: "IPv6", V1Disabled: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := metadataSettings(Environment{Vars: c.vars})
			if d := cmp.Diff(c.want, s.Value); d != "" || s.Absent() != (c.want == facts.MetadataSettings{}) {
				t.Errorf("%s\n%s", s.State, d)
			}
		})
	}
}
