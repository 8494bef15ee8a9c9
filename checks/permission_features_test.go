package checks

import (
	"slices"
	"testing"
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
)

// permissionFeaturesSays is a refusal of an action to the role of the healthy
// instance with a profile, as AWS puts it.
func permissionFeaturesSays(action, why string) string {
	return "User: arn:aws:sts::111122223333:assumed-role/WebServerRole/i-0a1b2c3d4e5f60718 is not authorized to perform: " + action + why
}

// permissionFeaturesRefused puts a refusal of an action into the agent's log, so long
// before the run.
func permissionFeaturesRefused(action string, before time.Duration, why string) func(*facts.Facts) {
	return func(f *facts.Facts) {
		refuse(f, facts.SigAssociations, before, "AccessDeniedException", permissionFeaturesSays(action, why))
	}
}

// permissionFeaturesRead answers one of this run's reads, or adds one, with a refusal.
func permissionFeaturesRead(f *facts.Facts, action, why string) *facts.Permission {
	list := f.Permissions.Actions.Value
	i := slices.IndexFunc(list, func(p facts.Permission) bool { return p.Action == action })
	if i < 0 {
		i, list = len(list), append(list, facts.Permission{Action: action, Identity: facts.SourceProfile, From: action, At: f.CollectedAt})
		f.Permissions.Actions.Value = list
	}
	p := &list[i]
	p.Verdict, p.Rule, p.Refused = facts.DeniedProven, "", iam.ParseRefusal("AccessDeniedException", permissionFeaturesSays(action, why))
	p.Layer = p.Refused.Layer
	return p
}

func TestPermissionFeatures(t *testing.T) {
	t.Parallel()
	const (
		put   = "ssm:PutInventory"
		polls = "ssm:ListInstanceAssociations"
		scp   = " with an explicit deny in a service control policy"
		vpce  = " because no VPC endpoint policy allows the " + put + " action"
	)
	is := func(s Status, says string) want { return want{status: s, says: says} }
	named := func(cause string, c Confidence, says, saw, value string) want {
		return want{status: Warn, effect: Breaks, cause: cause, confidence: c, says: says, saw: saw, value: value}
	}
	missing := func(c Confidence, says, saw, value string) want {
		return named("iam-missing-feature-action", c, says, saw, value)
	}
	both := func(faults ...func(*facts.Facts)) func(*facts.Facts) {
		return func(f *facts.Facts) {
			for _, fault := range faults {
				fault(f)
			}
		}
	}
	download := func(text string) func(*facts.Facts) {
		return func(f *facts.Facts) { log(f, facts.SigDownload, time.Hour, text) }
	}
	read := func(action, why string) func(*facts.Facts) {
		return func(f *facts.Facts) { permissionFeaturesRead(f, action, why) }
	}
	all := both(read("ssm:GetDocument", ""), read("ssm:DescribeDocument", ""), read(polls, ""))
	asked := func(feature string) func(*facts.Facts) {
		return func(f *facts.Facts) { f.Asked = []string{feature} }
	}
	refused := permissionFeaturesRefused(put, time.Hour, "")
	const packaged = "ERROR [ssm-document-worker] [pluginName=aws:configurePackage] failed to download installation package: AccessDenied"
	table := []row{
		{name: "profile", want: is(Pass, "this run was allowed ssm:")},
		{name: "dhmc", kind: "dhmc", want: is(Pass, "this run was allowed ssm:")},
		{name: "hybrid", kind: "hybrid", want: is(Pass, "this run was allowed ssm:")},
		{name: "windows", kind: "windows", want: is(Pass, "this run was allowed ssm:")},
		{name: "refused", fault: refused, want: missing(Likely, "the role WebServerRole may not call "+put+": which policy refuses is not told", put+": denied: User:", "action="+put)},
		{name: "the role", fault: refused, want: missing(Likely, "", "", "role=WebServerRole")},
		{name: "explicit deny", fault: permissionFeaturesRefused(put, time.Hour, scp), want: named("iam-explicit-deny", Likely, "explicit deny in a service control policy (SCP)", "", "service=ssm")},
		{name: "endpoint policy", fault: permissionFeaturesRefused(put, time.Hour, vpce), want: named("vpce-policy-deny", Likely, "no VPC endpoint policy allows it", "", "")},
		{name: "two actions", fault: both(permissionFeaturesRefused("ssm:PutComplianceItems", 2*time.Hour, ""), refused), want: missing(Likely, "may not call "+put+": which policy refuses is not told; also ssm:PutComplianceItems", "ssm:PutComplianceItems: denied:", "action="+put)},
		{name: "two causes", fault: both(permissionFeaturesRefused("ssm:PutComplianceItems", 2*time.Hour, scp), refused), want: want{status: Warn, effect: Breaks, cause: "iam-missing-feature-action", more: "iam-explicit-deny"}},
		{name: "long ago", fault: permissionFeaturesRefused(put, 25*time.Hour, ""), want: is(Pass, "this run was allowed ssm:")},
		{name: "the heartbeat", fault: permissionFeaturesRefused("ssm:UpdateInstanceInformation", time.Hour, ""), want: is(Pass, "this run was allowed ssm:")},
		{name: "throttled", fault: func(f *facts.Facts) {
			refuse(f, facts.SigAssociations, time.Hour, "ThrottlingException", "Rate exceeded")
			f.Log.Refusals.Value[0].Action = put
		}, want: is(Pass, "this run was allowed ssm:")},
		{name: "an IAM user", fault: func(f *facts.Facts) {
			refuse(f, facts.SigAssociations, time.Hour, "AccessDeniedException", "User: arn:aws:iam::111122223333:user/deploy is not authorized to perform: "+put)
		}, want: is(Pass, "this run was allowed ssm:")},
		{name: "a setting of the bucket", fault: func(f *facts.Facts) {
			refuse(f, facts.SigDownload, time.Hour, "AccessDenied", permissionFeaturesSays("s3:PutObject", " because public ACLs are prevented by the BlockPublicAcls setting"))
			log(f, facts.SigDownload, time.Hour, "failed to upload")
		}, want: is(Pass, "this run was allowed ssm:")},
		{name: "package", fault: download(packaged), want: missing(Likely, "a download from S3 was refused: s3:GetObject on amazon-ssm-packages-eu-central-1 is not allowed", "agent log: "+packaged, "resource=arn:aws:s3:::amazon-ssm-packages-eu-central-1/*")},
		{name: "package, the action", fault: download(packaged), want: missing(Likely, "", "", "action=s3:GetObject")},
		{name: "session logs", fault: func(f *facts.Facts) {
			log(f, facts.SigSessionUpload, time.Hour, "ERROR Failed to upload x to s3://corp-logs/a err:AccessDenied: Access Denied")
		}, want: missing(Likely, "the upload of session logs to S3 was refused: s3:PutObject on corp-logs is not allowed", "", "resource=arn:aws:s3:::corp-logs/*")},
		{name: "session logs, and taken since", fault: func(f *facts.Facts) {
			log(f, facts.SigSessionUpload, time.Hour, "ERROR Failed to upload x to s3://corp-logs/a err:AccessDenied: Access Denied")
			log(f, facts.SigSessionUploaded, time.Minute, "INFO Successfully uploaded file to x")
		}, want: is(Pass, "this run was allowed ssm:")},
		{name: "encryption of session logs", fault: func(f *facts.Facts) {
			log(f, facts.SigLogsUnchecked, time.Hour, "ERROR Encountered an error while calling S3 API GetBucketEncryption AccessDenied: Access Denied")
		}, want: missing(Likely, "s3:GetEncryptionConfiguration on the bucket it names is not allowed", "", "action=s3:GetEncryptionConfiguration")},
		{name: "another download", fault: download("ERROR failed to download script: AccessDenied"), want: missing(Likely, "s3:GetObject on the bucket it names is not allowed", "", "role=WebServerRole")},
		{name: "another download, no bucket is known", fault: download("ERROR failed to download script: AccessDenied"), want: missing(Likely, "", "", "resource=")},
		{name: "a download that timed out", fault: download("ERROR failed to download script: i/o timeout"), want: is(Pass, "this run was allowed ssm:")},
		{name: "a download that is refused by name", fault: func(f *facts.Facts) {
			refuse(f, facts.SigDownload, time.Hour, "AccessDenied", permissionFeaturesSays("s3:GetObject", ""))
		}, want: missing(Likely, "the role WebServerRole may not call s3:GetObject: which policy refuses is not told", "s3:GetObject: denied:", "service=s3")},
		{name: "a download that was refused to another role", fault: func(f *facts.Facts) {
			refuse(f, facts.SigDownload, time.Hour, "AccessDenied", "User: arn:aws:sts::111122223333:assumed-role/FormerRole/i-0a1b2c3d4e5f60718 is not authorized to perform: s3:GetObject")
		}, want: is(Pass, "this run was allowed ssm:")},
		{name: "a read of a feature that left traces", fault: func(f *facts.Facts) {
			read("ssm:GetParameter", "")(f)
			f.Agent.Uses = facts.Known([]facts.Use{{Feature: "parameter-store", From: "file:/x"}}, "")
		}, want: missing(Proven, "Parameter Store read: the role WebServerRole may not call ssm:GetParameter", "", "")},
		{name: "a read of a feature whose traces were not read", fault: func(f *facts.Facts) {
			read("ssm:GetParameter", "")(f)
			f.Agent.Uses = facts.Unknown[[]facts.Use]("permission denied", "").Because(facts.NeedsRoot)
		}, want: is(Unknown, "which features are in use: permission denied")},
		{name: "traces not read, nothing refused", fault: func(f *facts.Facts) { f.Agent.Uses = facts.Unknown[[]facts.Use]("permission denied", "") }, want: is(Pass, "this run was allowed ssm:")},
		{name: "a polled read", fault: read(polls, ""), want: missing(Proven, "State Manager associations: the role WebServerRole may not call "+polls, polls+": denied:", "action="+polls)},
		{name: "a read that an SCP denies", fault: read(polls, scp), want: named("iam-explicit-deny", Proven, "explicit deny in a service control policy (SCP)", "", "")},
		{name: "a read of a feature not in use", fault: read("ssm:GetParameter", ""), want: is(Pass, "this run was allowed ssm:")},
		{name: "a read of a feature asked for", fault: both(asked("parameter-store"), read("ssm:GetParameter", "")), want: missing(Proven, "Parameter Store read: the role WebServerRole may not call ssm:GetParameter", "", "action=ssm:GetParameter")},
		{name: "a name that was made up", fault: func(f *facts.Facts) {
			asked("parameter-store")(f)
			permissionFeaturesRead(f, "ssm:GetParameter", "").Invented = true
		}, want: is(Pass, "this run was allowed ssm:")},
		{name: "a read with another identity", fault: func(f *facts.Facts) {
			permissionFeaturesRead(f, polls, "").Identity = facts.SourceShared
		}, want: is(Pass, "this run was allowed ssm:")},
		{name: "no read allowed", fault: all, want: is(Unknown, "this run was refused every read that a feature needs, such as ssm:GetDocument")},
		{name: "no read allowed, and one asked for", fault: both(all, asked("distributor")), want: missing(Proven, "Distributor packages: the role WebServerRole may not call ssm:GetDocument", "ssm:DescribeDocument: denied:", "action=ssm:GetDocument")},
		{name: "one action in the log and in a read", fault: both(permissionFeaturesRefused(polls, time.Hour, ""), read(polls, "")), want: missing(Likely, "the role WebServerRole may not call "+polls, "", "")},
		{name: "no source known", fault: both(neverAccepted, func(f *facts.Facts) {
			f.IMDS.Profile = facts.Unknown[facts.Profile]("timeout", "")
		}), want: is(Unknown, "what the agent signs with is not known")},
		{name: "refused, no source known", fault: both(refused, neverAccepted, func(f *facts.Facts) {
			f.IMDS.Profile = facts.Unknown[facts.Profile]("timeout", "")
		}), want: want{status: Unknown, effect: Breaks, says: "the agent was refused " + put}},
		{name: "a download refused, no source known", fault: both(download(packaged), neverAccepted, func(f *facts.Facts) {
			f.IMDS.Profile = facts.Unknown[facts.Profile]("timeout", "")
		}), want: want{status: Unknown, effect: Breaks, says: "a download from S3 was refused"}},
		{name: "log unread", fault: unreadLogOf, want: is(Unknown, "agent log: /var/log/amazon/ssm/amazon-ssm-agent.log: permission denied")},
		{name: "log unread, but a read was refused", fault: both(unreadLogOf, read(polls, "")), want: missing(Proven, "may not call "+polls, "", "")},
		{name: "refusals unread", fault: func(f *facts.Facts) {
			f.Log.Refusals = facts.Unknown[[]facts.Refusal]("errors.log: permission denied", "")
		}, want: is(Unknown, "agent log: errors.log")},
		{name: "nothing asked, and no log", fault: func(f *facts.Facts) {
			f.Agent.Processes = facts.Known(facts.Processes{}, "file:/proc")
			f.Log.Matches, f.Log.Refusals = facts.Absent[[]facts.Match]("no such directory", ""), facts.Absent[[]facts.Refusal]("no such directory", "")
			f.Permissions.Actions = facts.Known([]facts.Permission{}, "ssm")
		}, want: is(Unknown, "no right of a feature could be tried")},
		{name: "nothing asked", fault: func(f *facts.Facts) {
			f.Permissions.Actions = facts.Unknown[[]facts.Permission]("offline", "")
		}, want: is(Unknown, "no refusal in the log; this run's own reads: offline")},
	}
	judge(t, PermissionFeatures, table)
	judgeUnread(t, PermissionFeatures, table)
	// Not among those that are tried unread: only the reads speak against the refusal
	// that the log holds, and without them it is the last word.
	judge(t, PermissionFeatures, []row{
		{name: "allowed since", fault: permissionFeaturesRefused("ssm:GetDocument", time.Hour, ""), want: is(Pass, "this run was allowed ssm:")},
	})
}
