package imds

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

func FuzzMetadata(f *testing.F) {
	gathertest.AddSeeds(f, `{"instanceId":"i-0abc","region":"us-east-1","accountId":"111122223333","availabilityZone":"us-east-1a"}`,
		`{"Code":"Success","AccessKeyId":"ASIAIOSFODNN7EXAMPLE","SecretAccessKey":"secretsecretsecret","Token":"tokentokentoken","Expiration":"2026-11-22T10:00:00Z"}`,
		`{"Code":"AssumeRoleUnauthorizedAccess","Message":"\u001b[31m"}`, `{"Code":"Success","InstanceProfileArn":"arn:aws:iam::1:instance-profile/x"}`,
		"<html>", "AQAEAHdtoken==", "[]", "")
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, err := parseIdentityDocument(b); err == nil {
			gathertest.Sound(t, []facts.Seen[string]{knownText(d.InstanceID, ""), knownText(d.Region, ""), knownText(d.Account, "")})
		}
		if r, _, err := parseRole(b); err == nil {
			gathertest.Sound(t, r)
		}
		gathertest.Sound(t, parseProfile(facts.Known(string(b), "imds:")))
		tokenLike(b)
	})
}

// FuzzExchange answers a request to the metadata service.
func FuzzExchange(f *testing.F) {
	gathertest.AddSeeds(f, gathertest.HTTPAnswers...)
	f.Fuzz(func(t *testing.T, b []byte) {
		env := gathertest.InMemory(nil)
		env.UserAgent = "ssm-doctor/test"
		env.Dial = func(context.Context, string, string, netip.Addr) (net.Conn, error) { return gathertest.Play(b), nil }
		c := metadataClient(env.Begin())
		defer c.CloseIdleConnections()
		e, _ := request(t.Context(), env, c, "PUT", "http://192.0.2.1/latest/api/token", nil)
		gathertest.Sound(t, e)
		if e.Outcome == "" && e.Status == 0 {
			t.Errorf("neither an answer nor an outcome: %+v", e)
		}
	})
}
