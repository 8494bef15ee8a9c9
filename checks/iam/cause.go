package iam

import "strings"

// causeOfCode is the first cause to report for a code, whatever its text says.
var causeOfCode = map[string]string{
	"UnrecognizedClientException":         "credentials-stale",
	"InvalidClientTokenId":                "credentials-stale",
	"InvalidAccessKeyId":                  "credentials-stale",
	"ExpiredTokenException":               "credentials-stale",
	"ExpiredToken":                        "credentials-stale",
	"RequestExpired":                      "credentials-stale",
	"AuthFailure":                         "credentials-stale",
	"RequestTimeTooSkewed":                "clock-skew",
	"IncompleteSignature":                 "proxy-refuses",
	"IncompleteSignatureException":        "proxy-refuses",
	"MissingAuthenticationToken":          "proxy-refuses",
	"MissingAuthenticationTokenException": "proxy-refuses",
	"OptInRequired":                       "region-mismatch",
	"SubscriptionRequired":                "region-mismatch",
	"SubscriptionRequiredException":       "region-mismatch",
	"EC2RoleRequestError":                 "no-credential-source",
	"AssumeRoleUnauthorizedAccess":        "instance-profile-trust-broken",
	"InvalidInstanceId":                   "registration-orphaned",
	"MachineFingerprintDoesNotMatch":      "fingerprint-mismatch",
	"InstanceAlreadyRegistered":           "registration-store-damaged",
	"InvalidActivation":                   "activation-rejected",
	"InvalidActivationId":                 "activation-rejected",
	"AuthorizationFailureException":       "shared-credentials-shadow",
	"UnknownOperationException":           "dns-override-stale",
	"KMS.DisabledException":               "kms-access-denied",
	"KMSInvalidStateException":            "kms-access-denied",
	"DisabledException":                   "kms-access-denied",
}

// CauseOf names the root cause to look at first for an error of AWS; empty
// where the code alone points nowhere (throttling, a server error, a signature
// that does not match for an unknown reason).
func CauseOf(code, message string) string {
	r := ParseRefusal(code, message)
	low := strings.ToLower(r.Text)
	switch r.Code {
	case "InvalidSignatureException", "SignatureDoesNotMatch":
		switch {
		case strings.Contains(low, "signature expired"), strings.Contains(low, "not yet current"), strings.Contains(low, "date in credential scope"):
			return "clock-skew"
		case strings.Contains(low, "scoped to a valid region"):
			return "region-mismatch"
		case strings.Contains(low, "correct service"):
			return "dns-override-stale"
		}
		return ""
	case "NotFoundException":
		if strings.Contains(low, "key") && strings.Contains(low, "kms") {
			return "kms-access-denied"
		}
		return ""
	}
	if c, ok := causeOfCode[strings.TrimSuffix(r.Code, "Fault")]; ok {
		return c
	}
	if strings.Contains(low, "activationid not found") || strings.Contains(low, "activation id not found") {
		return "activation-rejected"
	}
	return r.Cause()
}

// Cause is the root cause a refusal points to; empty when it is no refusal.
func (r Refusal) Cause() string {
	action := strings.ToLower(r.Action)
	switch {
	case r.Pattern == "dhmc-not-configured":
		return "no-credential-source"
	case r.Pattern == "kms-key-opaque":
		return "kms-access-denied"
	case !r.Denied || r.NotIAM || r.Action == "":
		return ""
	case r.Layer == LayerEndpoint:
		return "vpce-policy-deny"
	case r.Layer == LayerTrust:
		return "instance-profile-trust-broken"
	case strings.HasPrefix(action, "kms:"):
		return "kms-access-denied"
	case r.Explicit:
		return "iam-explicit-deny"
	case action == "ssm:updateinstanceinformation", action == "ssm:registermanagedinstance":
		return "iam-missing-registration-action"
	case action == "ssm:requestmanagedinstanceroletoken":
		return "dhmc-role-broken"
	case strings.HasPrefix(action, "ssmmessages:"), strings.HasPrefix(action, "ec2messages:"):
		return "iam-missing-channel-action"
	}
	return "iam-missing-feature-action"
}
