package node

import (
	"testing"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
)

func TestRefusesAccount(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		code, message string
		want          bool
	}{
		{"OptInRequired", "You are not subscribed to this service.", true},
		{"SubscriptionRequiredException", "The AWS Access Key Id needs a subscription for the service", true},
		{"AccessDeniedException", "The AWS Access Key Id needs a subscription for the service", true},
		{"PendingVerification", "Your account is currently being verified.", true},
		{"Blocked", "", true},
		{"UnauthorizedOperation", "Your account is currently suspended.", true},
		{"InvalidAccountStatusException", "", true},
		{"AccessDeniedException", "This account is currently blocked and not recognized as a valid account.", true},
		{"AccessDeniedException", "Systems Manager's instance management role is not configured for account: 111122223333", false},
		{"AccessDeniedException", "User: arn:aws:sts::111122223333:assumed-role/AccountSuspended/i-1 is not authorized to perform: ssm:GetDocument", false},
		{"ThrottlingException", "Your account is currently being verified.", false},
		{"RegionDisabledException", "STS is not activated in this region for account:111122223333.", false},
		{"UnrecognizedClientException", "The security token included in the request is invalid.", false},
		{"", "", false},
	} {
		if got := RefusesAccount(x.code, x.message); got != x.want {
			t.Errorf("%s %q: %v", x.code, x.message, got)
		}
	}
}

// TestAnsweredByReads: an answer about the call itself stays, whatever other calls are
// answered; one about who asks, how and when does not.
func TestAnsweredByReads(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		code string
		want bool
	}{
		{"", true}, {"AccessDeniedException", true}, {"UnrecognizedClientException", true}, {"ExpiredTokenException", true}, {"ThrottlingException", true}, {"InternalServerError", true},
		{"OptInRequired", true}, {"IncompleteSignature", true}, {"InvalidSignatureException", true}, {"EC2RoleRequestError", true}, {"EmptyEC2RoleList", true},
		{"InvalidInstanceId", false}, {"InvalidInstanceID.NotFound", false}, {"ValidationException", false}, {"InvalidInstanceInformationValue", false}, {"MachineFingerprintDoesNotMatch", false}, {"SomethingNew", false},
	} {
		r := facts.Refusal{Refusal: iam.ParseRefusal(x.code, "text")}
		if got := AnsweredByReads(r); got != x.want {
			t.Errorf("%q: %v", x.code, got)
		}
	}
}

func TestOptIn(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		region, partition string
		want              bool
	}{
		{"eu-central-1", "aws", false}, {"us-east-1", "aws", false}, {"af-south-1", "aws", true}, {"eu-south-2", "aws", true}, {"ap-southeast-7", "aws", true}, {"mx-central-1", "aws", true}, {"xx-new-9", "aws", true},
		{"cn-north-1", "aws-cn", false}, {"us-gov-west-1", "aws-us-gov", false}, {"us-iso-east-1", "aws-iso", false}, {"eusc-de-east-1", "aws-eusc", false}, {"", "aws", false}, {"af-south-1", "", false},
	} {
		n := &Node{Identity: Identity{Region: x.region, Partition: x.partition}}
		if got := n.OptIn(); got != x.want {
			t.Errorf("%s in %s: %v", x.region, x.partition, got)
		}
	}
}
