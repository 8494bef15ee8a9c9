package symptoms

import (
	"slices"
	"strings"
	"testing"

	"ssm-doctor/checks"
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
)

// TestEveryRowOfTheTableIsRead: a row in another form would be passed over.
func TestEveryRowOfTheTableIsRead(t *testing.T) {
	t.Parallel()
	rows := 0
	for row := range strings.Lines(tableText) {
		row = strings.TrimSuffix(row, "\n")
		place, rest, _ := strings.Cut(row, " | ")
		switch {
		case strings.HasPrefix(row, "\t"):
			rows++
		case row == "" || row[0] == '#':
		case placeOf[place] == "" || strings.Count(rest, " | ") != 1 || strings.TrimSpace(row) != row:
			t.Errorf("%q is neither a group nor a row of one", row)
		}
	}
	if n := len(table().words) + len(table().signature) + len(table().rows) + len(table().parts); n != rows || n < 350 {
		t.Errorf("%d of %d rows were read", n, rows)
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	for _, y := range Table() {
		if len(y.Words) == 0 || y.Means == "" || slices.Contains(y.Words, "") {
			t.Errorf("%v lacks something", y)
		}
		a, err := Read(strings.NewReader(strings.Join(y.Words, " ")))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(a.Found, func(f Found) bool { return f.name() == y.name() }) {
			t.Errorf("%q is hidden by %v", y.Words, a.Found)
		}
		for _, c := range y.Causes {
			if causes.Get(c) == nil {
				t.Errorf("%q: no cause %s", y.Words, c)
			}
			if !slices.Contains(a.Causes, c) {
				t.Errorf("%q does not lead to %s", y.Words, c)
			}
		}
	}
}

// mute are signatures of failures that say nothing of a cause by themselves.
var mute = []string{facts.SigAlreadyRegistered, facts.SigMDSStopped, facts.SigSessionClient}

func TestEverySignatureLeadsSomewhere(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, s := range facts.Signatures {
		switch s.Kind {
		case facts.KindNode, facts.KindFailure, facts.KindFeature, facts.KindBackoff:
		default:
			seen[s.ID] = s.Kind == facts.KindInfo
			continue
		}
		seen[s.ID] = true
		if len(ofSignature(s.ID)) == 0 && !slices.Contains(mute, s.ID) {
			t.Errorf("%s leads to no cause", s.ID)
		}
	}
	for id, list := range table().signature {
		if !seen[id] {
			t.Errorf("no signature %s that tells of a fault", id)
		}
		for _, c := range list {
			if causes.Get(c) == nil {
				t.Errorf("%s: no cause %s", id, c)
			}
		}
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	const (
		refused = "2026-11-22 10:00:00 ERROR [CredentialRefresher] Retrieve credentials produced error: InvalidInstanceId: Not existing InstanceId mi-0123456789abcdef0\n"
		expired = "2026-11-22 10:00:00 ERROR [HealthCheck] error when calling AWS APIs. error details - InvalidSignatureException: Signature expired: 20261122T100000Z is now earlier than 20261122T101500Z\n"
		well    = "2026-11-22 10:10:00 INFO [HealthCheck] HealthCheck reporting agent health\n"
		noise   = "2026-11-22 10:10:00 INFO something else\n"
	)
	for _, c := range []struct {
		name, in string
		first    string // cause
		well     int
	}{
		{"a line", refused, "registration-orphaned", 0},
		{"in capitals", strings.ToUpper(refused), "registration-orphaned", 0},
		{"a log", noise + refused + noise, "registration-orphaned", 0},
		{"accepted since", refused + well + noise + well, "", 2},
		{"accepted as told by its credentials", refused + "INFO Successfully connected with Systems Manager role credentials\n", "", 2},
		{"one heartbeat proves nothing, it is written before its answer", refused + well, "registration-orphaned", 0},
		{"a heartbeat that failed", refused + well + refused + well, "registration-orphaned", 0},
		{"accepted, and another since", refused + well + well + expired, "clock-skew", 2},
		{"a feature stays", "ERROR [ssm-session-worker] kms: AccessDeniedException\n" + well + well, "kms-access-denied", 2},
		{"a long line before it", strings.Repeat("x", 3*maxLine) + "\n" + refused, "registration-orphaned", 0},
		{"the later of two", refused + expired, "clock-skew", 0},
		{"an error of the CLI", "An error occurred (TargetNotConnected) when calling the StartSession operation: i-0123456789abcdef0 is not connected.", "agent-service-stopped", 0},
		{"an error of the CLI stands", "An error occurred (TargetNotConnected)\n" + well + well, "agent-service-stopped", 2},
		{"the caller may not", "An error occurred (AccessDeniedException) when calling the StartSession operation: User: arn:aws:iam::111122223333:user/x is not authorized to perform: ssm:StartSession", "client-side-problem", 0},
		{"a default of Default Host Management", "AccessDeniedException: Systems Manager's instance management role is not configured for account: 123456789012", "no-credential-source", 0},
		{"a service that may not start", "Failed to start amazon-ssm-agent.service: Unit amazon-ssm-agent.service is masked.", "agent-service-stopped", 0},
		{"the user of a service", "amazon-ssm-agent.service: Main process exited, code=exited, status=217/USER", "agent-crash-loop", 0},
		{"killed", "amazon-ssm-agent.service: Main process exited, code=killed, status=9/KILL", "out-of-memory", 0},
		{"a service of Windows", "Error 1053: The service did not respond to the start or control request in a timely fashion.", "agent-service-stopped", 0},
		{"metadata", "EC2MetadataError: failed to get IMDSv2 token and fallback to IMDSv1 is disabled", "imds-disabled", 0},
		{"a role that EC2 may not assume", "AssumeRoleUnauthorizedAccess: EC2 cannot assume the role DbRole", "instance-profile-trust-broken", 0},
		{"an activation", "ActivationExpired: ", "activation-rejected", 0},
		{"plain HTTP where TLS is expected", "proxyconnect tcp: tls: first record does not look like a TLS handshake", "proxy-scheme-mismatch", 0},
		{"nothing", noise, "", 0},
		{"no text", "", "", 0},
		{"no text of this program", "\x00\xff\xfe\n", "", 0},
	} {
		a, err := Read(strings.NewReader(c.in))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		first := ""
		if len(a.Causes) > 0 {
			first = a.Causes[0]
		}
		if first != c.first || a.Well != c.well {
			t.Errorf("%s: %v, well in line %d, want %q and %d", c.name, a.Causes, a.Well, c.first, c.well)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("An error occurred (TargetNotConnected)\nSignature expired:\nHealthCheck reporting agent health")
	f.Fuzz(func(t *testing.T, in string) {
		a, err := Read(strings.NewReader(in))
		if err == nil && a.Lines == 0 && len(a.Found) > 0 {
			t.Error("found in no line")
		}
		for _, x := range a.Found {
			if x.Line <= a.Well && x.ofNode || x.Times < 1 {
				t.Errorf("%+v stands, and line %d tells of a success", x, a.Well)
			}
		}
	})
}

// TestPasted: what people paste leads to what it says first, whichever program wrote it.
func TestPasted(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		`Could not connect to the endpoint URL: "https://ssm.eu-central-1.amazonaws.com/"`:                                                                                                                       "network-no-egress",
		`botocore.exceptions.ConnectTimeoutError: Connect timeout on endpoint URL: "https://ssm.eu-central-1.amazonaws.com/"`:                                                                                    "network-no-egress",
		`SSL validation failed for https://ssm.eu-central-1.amazonaws.com/ [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self signed`:                                                              "tls-untrusted-ca",
		`javax.net.ssl.SSLHandshakeException: PKIX path building failed: unable to find valid certification path to requested target`:                                                                            "tls-untrusted-ca",
		`x509: certificate has expired or is not yet valid: current time 2026-11-22T09:00:00Z is before 2027-01-01T00:00:00Z`:                                                                                    "clock-skew",
		`botocore.exceptions.NoCredentialsError: Unable to locate credentials`:                                                                                                                                   "client-side-problem",
		`NoCredentialProviders: no valid providers in chain. Deprecated.`:                                                                                                                                        "no-credential-source",
		`EC2MetadataError: failed to make EC2Metadata request status code: 404`:                                                                                                                                  "no-credential-source",
		`operation error SSM: SendCommand, https response error StatusCode: 400, RequestID: 0a, InvalidInstanceId: `:                                                                                             "client-side-problem",
		`Amazon.SimpleSystemsManagement.Model.InvalidInstanceIdException: the id`:                                                                                                                                "client-side-problem",
		`Error: creating SSM Association: InvalidInstanceId: The following instance id is not valid: i-0a1b`:                                                                                                     "client-side-problem",
		`Encountered error while initiating handshake. KMSEncryption failed on client with status 2 error: Failed to process action KMSEncryption: Error calling KMS GenerateDataKey API: AccessDeniedException`: "client-side-problem",
		`Setting up data channel with id bob-0a failed: failed to create websocket for datachannel with error: CreateDataChannel failed with no output or error: createDataChannel request failed: unexpected response from the service <AccessDeniedException></AccessDeniedException>`: "iam-missing-channel-action",
		`Error: creating SSM Activation: ValidationException: Nonexistent role or missing ssm service principal in trust policy: arn:aws:iam::111122223333:role/ssm`:                                                                                                                     "hybrid-role-broken",
		`fatal: [i-0a1b]: UNREACHABLE! => {"msg": "Failed to connect to the host via aws_ssm: SSM connection timeout"}`:                                                                                                                                                                  "agent-service-stopped",
		`ssh: connect to host i-0a1b2c3d4e5f60718 port 22: Connection timed out`:                                                                                                                                                                                                         "client-side-problem",
		`{"eventName":"UpdateInstanceInformation","errorCode":"AccessDenied","errorMessage":"User: x is not authorized to perform: ssm:UpdateInstanceInformation on resource: y with an explicit deny in a service control policy"}`:                                                     "iam-explicit-deny",
		`AccessDeniedException: User: x is not authorized to perform: ssm:UpdateInstanceInformation on resource: y because no permissions boundary allows the ssm:UpdateInstanceInformation action`:                                                                                      "iam-explicit-deny",
		`AccessDeniedException: User: x is not authorized to perform: ssmmessages:CreateControlChannel on resource: y with an explicit deny in a VPC endpoint policy`:                                                                                                                    "vpce-policy-deny",
		`AccessDeniedException: User: x is not authorized to perform: ssmmessages:CreateControlChannel on resource: y because no identity-based policy allows the ssmmessages:CreateControlChannel action`:                                                                               "iam-missing-channel-action",
		`error: snap "amazon-ssm-agent" not found`: "agent-not-installed",
		`"note": "No credentials available"`:       "no-credential-source",
		`but the instance is not configured for use with AWS Systems Manager. Verify that the IAM instance profile attached to the instance includes the required permissions.`: "no-credential-source",
		`2026-11-22 09:00:00 ERROR [HealthCheck] error when calling AWS APIs. InvalidInstanceId: Not existing InstanceId`:                                                       "registration-orphaned",
	} {
		a, err := Read(strings.NewReader(line))
		if err != nil || len(a.Causes) == 0 || a.Causes[0] != want {
			t.Errorf("%s\n%v, want %s first", line, a.Causes, want)
		}
	}
}

// TestParts: each module of facts.Lines is a part of the agent.
func TestParts(t *testing.T) {
	t.Parallel()
	for _, l := range facts.Lines() {
		if l.Kind == facts.KindFollows && len(ofModule(l.Module).Causes) == 0 {
			t.Errorf("%s leads nowhere", l.Module)
		}
	}
	for _, p := range table().parts {
		for id := range strings.FieldsSeq(p.Words[1]) {
			if checks.Get(id) == nil {
				t.Errorf("%s: no check %s", p.Words[0], id)
			}
		}
	}
	for _, y := range slices.Concat(table().parts, table().rows) {
		for _, c := range y.Causes {
			if causes.Get(c) == nil {
				t.Errorf("%q: no cause %s", y.Words, c)
			}
		}
	}
}

// TestKinds: what each program prints leads somewhere, in the forms in which it is printed,
// and what tells of no fault names no cause.
func TestKinds(t *testing.T) {
	t.Parallel()
	const (
		connectivity = "│ Connectivity to ssm endpoint     │ Failed  │ connection timed out for\n│                                  │         │ ssm.eu-central-1.amazonaws.com\n"
		asJSON       = "  {\n   \"Check\": \"Connectivity to s3 endpoint\",\n   \"Status\": \"Failed\",\n   \"Note\": \"s3.eu-central-1.amazonaws.com is not reachable: dial tcp: i/o timeout\"\n  },\n"
	)
	for _, c := range []struct {
		in       string
		first    string // cause; empty: none
		found    bool
		harmless int
	}{
		// ssm-cli get-diagnostics.
		{connectivity, "network-no-egress", true, 0},
		{asJSON, "optional-endpoint-unreachable", true, 0},
		{strings.ReplaceAll(asJSON, "Failed", "Success"), "", false, 1},
		{"│ EC2 IMDS                         │ Success │ IMDS is accessible and has instance id i-0 in region eu-central-1 │", "", false, 1},
		{"│ EC2 IMDS │ Failed  │ Failed to query IMDS: EC2MetadataError: failed to get IMDSv2 token │", "imds-disabled", true, 0},
		{"│ AWS Credentials                  │ Skipped │ No credentials available                           │", "no-credential-source", true, 0},
		{"│ Agent service │ Failed │ Agent is installed as a systemctl service but is not running │", "agent-service-stopped", true, 0},
		{"│ Proxy configuration              │ Skipped │ No proxy configuration detected                    │", "", false, 1},
		{"│ Hybrid instance registration     │ Skipped │ Instance does not have hybrid registration         │", "", true, 0},
		{"│ Windows sysprep image state │ Failed │ Windows image state should be A but it is B │", "sysprep-incomplete", true, 0},
		{"\"Check\": \"Something else\",\n\"Status\": \"Failed\",\n\"Note\": \"x\"", "", false, 0},
		{"| a | failed | b |", "", false, 0},
		// The agent's own lines: harmless, consequences, and such as nobody knows.
		{"2026-11-22 10:00:00 WARN [amazon-ssm-agent] Failed to read system certificate pool: open /etc/ssl/cert.pem: no such file", "", false, 1},
		// What the agent goes on without may fail for a reason that is a fault.
		{"2026-11-22 10:00:00 ERROR [ssm-session-worker] unexpected error while sending message to MGS: AccessDeniedException: not authorized to perform: ssmmessages:OpenDataChannel", "iam-missing-channel-action", true, 0},
		{"error: failed to remove directory x; TargetNotConnected", "agent-service-stopped", true, 0},
		{"2026-11-22 10:00:00.0000 WARN [ssm-agent-worker] [MessageService] [MGSInteractor] Failed to close websocket: connection reset by peer", "", false, 1},
		{"2026-11-22 10:00:00 ERROR [CredentialRefresher] Credentials are not available when they should be available", "no-credential-source", true, 0},
		{"2026-11-22 10:00:00 ERROR [ssm-document-worker] [0a1b] something nobody has seen", "", true, 0},
		{"2026-11-22 10:00:00 INFO [ssm-document-worker] [0a1b] something nobody has seen", "", false, 0},
		{"ERROR: interactive session", "", false, 0}, // another program's
		{"WARN [ssm-agent-worker] [MessageService] [MGSInteractor] Reach the retry limit 5 for receive messages. Error: websocket: close 1006 (abnormal closure): unexpected EOF", "channel-stale-connection", true, 0},
		// Systems.
		{"The Amazon SSM Agent service terminated unexpectedly. It has done this 1 time(s).", "agent-crash-loop", true, 0},
		{"A timeout was reached (30000 milliseconds) while waiting for the AmazonSSMAgent service to connect.", "agent-service-stopped", true, 0},
		{"Condition check resulted in amazon-ssm-agent being skipped.", "agent-service-stopped", true, 0},
		{"amazon-ssm-agent.service - amazon-ssm-agent was skipped because of an unmet condition check (ConditionPathExists=/x).", "agent-service-stopped", true, 0},
		{"E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 1234 (apt-get)", "agent-update-blocked", true, 0},
		{"error: cannot refresh \"amazon-ssm-agent\": snap \"amazon-ssm-agent\" has running apps (amazon-ssm-agent)", "agent-update-blocked", true, 0},
		{"/usr/bin/amazon-ssm-agent: error while loading shared libraries: libc.so.6: cannot open shared object file", "agent-packaging-conflict", true, 0},
		{"fork/exec /usr/bin/ssm-document-worker: no such file or directory", "agent-packaging-conflict", true, 0},
		{"ImageState    REG_SZ    IMAGE_STATE_GENERALIZE_RESEAL_TO_OOBE", "sysprep-incomplete", true, 0},
		{"ImageState    REG_SZ    IMAGE_STATE_COMPLETE", "", false, 0},
		{"error: cannot communicate with server: Post \"http://localhost/v2/snaps\": dial unix /run/snapd.socket: connect: no such file or directory", "agent-service-stopped", true, 0},
		{"systemd[1]: snapd.socket: Deactivated successfully.", "", false, 0},
		{"useradd: cannot create directory /home/ssm-user", "session-failing", true, 0},
		// Callers and consoles, however they are written.
		{"The instance isn't connected", "agent-service-stopped", true, 0},
		{"The instance isn’t connected", "agent-service-stopped", true, 0},
		{"Default Host Management Configuration isn't enabled", "no-credential-source", true, 0},
		{"An error occurred (IncorrectState) when calling the AssociateIamInstanceProfile operation: There is an existing association for instance i-0", "iam-missing-registration-action", true, 0},
		{"Connection to destination port failed, check SSM Agent logs.", "", true, 0},
		{"An error occurred (InvalidDocument) when calling the SendCommand operation: document doesn't exist", "client-side-problem", true, 0},
	} {
		a, err := Read(strings.NewReader(c.in))
		if err != nil {
			t.Fatal(err)
		}
		first := ""
		if len(a.Causes) > 0 {
			first = a.Causes[0]
		}
		if first != c.first || (len(a.Found) > 0) != c.found || a.Harmless != c.harmless {
			t.Errorf("%s\n%v %+v, %d harmless; want %q", c.in, a.Causes, a.Found, a.Harmless, c.first)
		}
	}
}
