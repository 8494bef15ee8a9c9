package agentlog

import (
	"testing"

	"ssm-doctor/checks/facts"
)

// parseRefusal reads an entry as of a full log the latest is read.
func parseRefusal(text string) (r facts.Refusal, ok bool) {
	q, ok := quotedIn([]byte(text))
	if !ok {
		return r, false
	}
	return quote{code: string(q.code), action: string(q.action), text: []byte(text)}.parse(), true
}

// TestRefusal: the same refusal in the words of both SDKs.
func TestRefusal(t *testing.T) {
	t.Parallel()
	const message = "User: arn:aws:sts::111122223333:assumed-role/R/i-0abc is not authorized to perform: ssm:UpdateInstanceInformation on resource: arn:aws:ec2:eu-west-1:111122223333:instance/i-0abc"
	for _, c := range []struct{ name, text, code, action string }{
		{"first SDK", "[HealthCheck] error when calling AWS APIs. error details - AccessDeniedException: " + message + "\n\tstatus code: 400, request id: 0f8f", "AccessDeniedException", "ssm:UpdateInstanceInformation"},
		{"second SDK", "[HealthCheck] error when calling AWS APIs. error details - operation error SSM: UpdateInstanceInformation, https response error StatusCode: 400, RequestID: 0f8f, api error AccessDeniedException: " + message, "AccessDeniedException", "ssm:UpdateInstanceInformation"},
		{"second SDK, no action", "[HealthCheck] error when calling AWS APIs. error details - operation error SSM: UpdateInstanceInformation, https response error StatusCode: 400, RequestID: 0f8f, api error ExpiredTokenException: The security token included in the request is expired", "ExpiredTokenException", ""},
		{"second SDK, no exception", "operation error SSM: UpdateInstanceInformation, https response error StatusCode: 400, RequestID: 0f8f, InvalidInstanceId: x", "InvalidInstanceId", ""},
		{"error of the service", "[HealthCheck] error when calling AWS APIs. error details - InternalServerError: \n\tstatus code: 500, request id: 0f8f", "InternalServerError", ""},
		{"error of the service, second SDK", "[HealthCheck] error when calling AWS APIs. error details - operation error SSM: UpdateInstanceInformation, https response error StatusCode: 500, RequestID: 0f8f, InternalServerError: An error occurred", "InternalServerError", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var h hits
			table := signatureTable()
			table.scan([]byte(c.text), &h)
			found := false
			for _, n := range table.refusal {
				found = found || h.has(n)
			}
			if r, ok := parseRefusal(c.text); !found || !ok || r.Code != c.code || r.Action != c.action {
				t.Errorf("found %v, %+v", found, r)
			}
		})
	}
}
