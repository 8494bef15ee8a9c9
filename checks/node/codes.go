package node

import (
	"slices"
	"strings"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/pattern"
)

// serviceErrors are the codes by which a service says that it could not answer now, which
// says nothing of who asks.
// Source: AWS General Reference, "Common errors"; Systems Manager API reference.
var serviceErrors = []string{"ThrottlingException", "Throttling", "ThrottledException", "TooManyRequestsException", "RequestLimitExceeded", "RequestThrottled", "SlowDown",
	"InternalServerError", "InternalServerException", "InternalFailure", "InternalError", "ServiceUnavailable", "ServiceUnavailableException", "ServiceException"}

// IsServiceError reports whether an error code says that the service could not answer now.
func IsServiceError(code string) bool { return slices.Contains(serviceErrors, code) }

// refusesKeys are the codes with which AWS refuses credentials, whatever the call.
// Source: AWS General Reference, "Common errors".
var refusesKeys = []string{"UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId", "ExpiredToken", "ExpiredTokenException", "SignatureDoesNotMatch"}

// RefusesKey reports whether AWS says by this code that it does not take an access key or
// its token, which neither a clock nor a proxy on the way explains.
func RefusesKey(code string) bool {
	return code != "SignatureDoesNotMatch" && slices.Contains(refusesKeys, code)
}

// refusesAccount are the codes with which AWS refuses an account, or all of it in a Region,
// whatever the call and whoever asks.
// Source: AWS General Reference, "Common errors"; Amazon EC2 API reference, "Error codes";
// Amazon S3 API reference, "Error responses".
var refusesAccount = []string{"OptInRequired", "SubscriptionRequired", "SubscriptionRequiredException", "PendingVerification", "Blocked", "AccountProblem", "NotSignedUp",
	"InvalidAccountStatusException", "AccountSuspended", "AccountSuspendedException", "AccountNotActiveException"}

var saysAccount = pattern.New(`(?i)needs a subscription for the service|\baccount\b[^.]{0,40}\b(suspended|blocked|closed|inactive|not active|not signed up|being verified|pending verification)\b`)

// RefusesAccount reports whether an error is about the account as such: no policy allows
// what it refuses, and no other credentials of the account get further.
func RefusesAccount(code, message string) bool {
	return slices.Contains(refusesAccount, code) || !IsServiceError(code) && saysAccount.MatchString(message)
}

// refusesRequest are the codes, beside those of keys and accounts, that depend on how a
// request was signed, on when, and on what carried it, and not on what it asks for.
// Source: AWS General Reference, "Common errors".
var refusesRequest = []string{"InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature", "IncompleteSignatureException", "MissingAuthenticationToken", "MissingAuthenticationTokenException",
	"RequestExpired", "RequestTimeTooSkewed", "UnknownOperationException"}

// ofMetadata are the codes of the agent for a metadata service that gave no credentials.
var ofMetadata = []string{"EC2RoleRequestError", "EC2MetadataError", EmptyRoleList, "AssumeRoleUnauthorizedAccess"}

// EmptyRoleList is the code of the agent for a metadata service that names no role: other
// than without a profile, it does not try Default Host Management then.
// Source: amazon-ssm-agent 3.3, common/identity/credentialproviders/ec2roleprovider.
const EmptyRoleList = "EmptyEC2RoleList"

// AnsweredByReads reports whether reads of this run that AWS answered, with credentials that
// it took, show what an error says of an earlier call to be over. Of an error about the call
// itself, such as of an id that is not known, they say nothing.
func AnsweredByReads(r facts.Refusal) bool {
	// What is all capitals is no code, but a word before a colon.
	return r.Code == strings.ToUpper(r.Code) || r.Denied || IsServiceError(r.Code) || slices.Contains(refusesKeys, r.Code) || slices.Contains(refusesRequest, r.Code) ||
		slices.Contains(ofMetadata, r.Code) || RefusesAccount(r.Code, r.Text)
}

// QuotedBy is the error of AWS that the latest of an entry quotes; false: none was seen.
func (n *Node) QuotedBy(m facts.Match) (facts.Refusal, bool) {
	for _, r := range n.Facts.Log.Refusals.Some() {
		if r.Match == m.ID && r.At.Equal(m.Last) {
			return r, true
		}
	}
	return facts.Refusal{}, false
}

// CodeOf is the error code of AWS that the latest of an entry quotes; empty: none was seen.
func (n *Node) CodeOf(m facts.Match) string {
	r, _ := n.QuotedBy(m)
	return r.Code
}

// ReadsCode is the error code of this run's reads with the identity in use, when all of
// them ended in one that says nothing of rights; empty otherwise.
func (n *Node) ReadsCode() string {
	code := ""
	for _, p := range n.Facts.Permissions.Actions.Some() {
		if p.Identity != n.Credentials.Source {
			continue
		}
		if p.Verdict != facts.Inconclusive || p.Code == "" {
			return ""
		}
		code = p.Code
	}
	return code
}

// AccountRefused is the error with which AWS refuses the account of this node: to this
// run's own reads, else to the agent's last try; false: it does not, or that is not known.
func (n *Node) AccountRefused() (out Refusal, refused bool) {
	for _, p := range n.reads() {
		switch {
		case p.Verdict == facts.AllowedProven, p.Verdict == facts.DeniedProven:
			return Refusal{}, false
		case RefusesAccount(p.Code, p.Message):
			out.Code, out.Text, out.At, out.From, out.Live, refused = p.Code, p.Message, p.At, p.From, true, true
		}
	}
	if refused || len(n.reads()) > 0 {
		return out, refused
	}
	r, ok := n.QuotedBy(n.Acceptance.Failed)
	if !ok || !RefusesAccount(r.Code, r.Text) || n.Acceptance.Last.At.After(r.At) {
		return Refusal{}, false
	}
	return Refusal{Refusal: r.Refusal, At: r.At, From: "file:" + r.File, Match: r.Match}, true
}

// everywhere are the Regions that every account may use: those from before 20 March 2019.
// Source: AWS Account Management reference guide, "Enable or disable AWS Regions in your account".
var everywhere = strings.Fields("us-east-1 us-east-2 us-west-1 us-west-2 ap-south-1 ap-northeast-1 ap-northeast-2 ap-northeast-3 " +
	"ap-southeast-1 ap-southeast-2 ca-central-1 eu-central-1 eu-west-1 eu-west-2 eu-west-3 eu-north-1 sa-east-1")

// OptIn reports whether the Region is one that an account has to enable before it can be used.
func (n *Node) OptIn() bool {
	return n.Identity.Region != "" && n.Identity.Partition == "aws" && !slices.Contains(everywhere, n.Identity.Region)
}
