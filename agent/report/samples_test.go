package report

import (
	"time"

	"ssm-doctor/checks/text"
)

var sampleTime = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

func at(d time.Duration) string { return sampleTime.Add(d).Format(time.RFC3339) }

// samples are the reports behind the golden files.
func samples() map[string]*Report {
	out := map[string]*Report{
		"managed": managedReport(), "degraded": degradedReport(), "not-managed": notManagedReport(),
		"unknown": unknownReport(), "image": imageReport(), "interrupted": interruptedReport(), "hostile": hostileReport(),
	}
	for _, r := range out {
		r.Normalize()
	}
	return out
}

func sampleBase(state string) *Report {
	yes, skew := true, 0.2
	return &Report{
		Schema: Schema, GeneratedAt: sampleTime, Version: "1.2.3", Duration: 0.084, State: state, AgentVersion: "3.3.3050.0", ClockSkew: &skew,
		Node:        Node{ID: "i-0123456789abcdef0", Kind: "ec2", Region: "us-east-1", Account: "111122223333", Partition: "aws", OS: "Amazon Linux 2023", GOOS: "linux", Arch: "amd64"},
		Credentials: Credentials{Source: "instance-profile", Role: "WebNode", ExpiresAt: sampleTime.Add(5 * time.Hour), Next: "default-host-management", Why: "an instance profile is attached and the agent tries it first"},
		LastPing:    sampleTime.Add(-38 * time.Second),
		Checks: []Check{
			{ID: "disk-space", Group: "host", Title: "Disk has room", Status: "pass", Summary: text.Plain("enough free space on 6 file systems")},
			{ID: "agent-installed", Group: "agent", Title: "Agent is installed", Status: "pass", Summary: text.Plain("rpm 3.3.3050.0 in /usr/bin")},
			{ID: "imds-reachable", Group: "imds", Title: "Metadata answers", Status: "pass", Summary: text.Plain("IMDSv2 answers in 2 ms"), Evidence: []Evidence{{What: "imds PUT token", Seen: "200", From: "imds:PUT /latest/api/token"}}},
			{ID: "hybrid-role", Group: "credentials", Title: "Hybrid role works", Status: "skip", Summary: text.Plain("no hybrid registration in use")},
		},
		Features: []Feature{
			{ID: "core", Title: "Core: registration and heartbeat", Ready: "yes", InUse: true},
			{ID: "patch-manager", Title: "Patch Manager", Ready: "unknown", Unknown: []string{"ssm:DescribeDocument", "ssm:GetDeployablePatchSnapshotForInstance", "ssm:GetDocument", "ssm:PutComplianceItems", "ssm:PutInventory"}, Limited: []string{"s3:GetObject"}, Via: "ec2messages"},
			{ID: "dhmc", Title: "Default Host Management Configuration eligibility", Ready: "no", Forbidden: []string{"ssm:UpdateInstanceInformation"}},
		},
		Permissions: []Permission{{Action: "ssm:UpdateInstanceInformation", Identity: "instance-profile", Verdict: "allowed-observed", Evidence: "a heartbeat without an error after it"}},
		Endpoints:   []Endpoint{{Service: "ssm", Host: "ssm.us-east-1.amazonaws.com", Reachable: &yes, Route: "public", Phase: "ok", Seconds: 0.012, Need: "core"}},
		Sources:     []Source{{Name: "host", Success: true, Duration: 0.004}, {Name: "network", Success: true, Duration: 0.031}},
		Calls:       []Call{{Action: "ssm:GetDocument", Count: 1}},
		NotLookedAt: []NotLooked{
			{What: "policies of VPC endpoints", Why: "they lie outside the host", Command: text.Plain("aws ec2 describe-vpc-endpoints --region us-east-1")},
			{What: "service control policies", Why: "they are visible only in the management account", Command: text.Plain("aws organizations list-policies-for-target --target-id ACCOUNT_ID --filter SERVICE_CONTROL_POLICY")},
		},
	}
}

func hops(status ...string) []Hop {
	var out []Hop
	for i, n := range []string{"host", "agent", "metadata", "credentials", "dns", "tcp", "tls", "permissions", "channel"} {
		out = append(out, Hop{Name: n, Status: status[min(i, len(status)-1)]})
	}
	return out
}

func managedReport() *Report {
	r := sampleBase(Managed)
	r.Summary = text.Plain("managed; the service accepted a heartbeat 38 s ago")
	r.Checks = append(r.Checks, Check{ID: "agent-version", Group: "agent", Title: "Agent is new enough", Status: "warn", Cause: "agent-version-too-old", Summary: text.Plain("3.3.40.0, current is 3.3.3050.0")})
	r.AgentVersion = "3.3.40.0"
	r.Path = hops("pass")
	r.Also = []Cause{{ID: "agent-version-too-old", Group: "agent", Severity: "info", Title: "agent is old", Summary: text.Plain("3.3.40.0 lacks dual-stack endpoints"), Confidence: "proven",
		Evidence: []Evidence{{What: "rpm -q", Seen: "3.3.40.0"}}, Fix: []Step{{Text: text.Plain("Update the agent"), Command: text.Plain("dnf update amazon-ssm-agent"), Where: "this-host", Root: true}}}}
	r.History = []Transition{{sampleTime.Add(-48 * time.Hour), NotManaged, "no-credential-source"}, {sampleTime.Add(-30 * time.Hour), Managed, ""}}
	return r
}

func degradedReport() *Report {
	r := sampleBase(Degraded)
	r.Summary = text.Plain("managed, but sessions cannot work")
	more := 1
	r.UnexplainedMore, r.Unexplained = &more, []Unexplained{
		{Shape: "[ssm-agent-worker] [MessageService] listen reply in * panicked: runtime error: index out of range * with length *", Level: "error", Count: 3, Last: sampleTime.Add(-20 * time.Minute)},
		{Shape: "[ssm-agent-worker] [MessageService] [MGSInteractor] dropping message * because of error code *", Level: "warn", Count: 41, Last: sampleTime.Add(-2 * time.Hour)},
	}
	r.RootCause = &Cause{ID: "websocket-blocked", Group: "network", Severity: "warning", Title: "the websocket to ssmmessages is cut", Summary: text.Plain("Session Manager cannot work: the websocket to ssmmessages is refused by the proxy"), Confidence: "proven",
		Evidence: []Evidence{{What: "websocket upgrade to ssmmessages.us-east-1.amazonaws.com", Seen: "HTTP 403 from squid/6.6", From: "probe", At: at(0)}},
		Fix:      []Step{{Text: text.Plain("Let the proxy pass Upgrade: websocket to ssmmessages.us-east-1.amazonaws.com"), Command: text.Plain("curl -sv -x http://10.0.3.7:3128 https://ssmmessages.us-east-1.amazonaws.com/"), Where: "this-host"}},
		Docs:     []string{"causes/websocket-blocked.md", "https://docs.aws.amazon.com/systems-manager/latest/userguide/configure-proxy-ssm-agent.html"}}
	r.Checks = append(r.Checks, Check{ID: "websocket", Group: "network", Title: "Websocket works", Status: "fail", Cause: "websocket-blocked", Summary: text.Plain("refused by the proxy"), Evidence: r.RootCause.Evidence})
	r.Features = append(r.Features, Feature{ID: "session-manager", Title: "Session Manager", Ready: "no", InUse: true, Denied: []string{"ssmmessages:OpenDataChannel"}})
	r.Path = hops("pass", "pass", "pass", "pass", "pass", "pass", "pass", "pass", "fail")
	r.Path[8].Note = text.Plain("refused by the proxy")
	r.History = []Transition{{sampleTime.Add(-90 * time.Minute), Managed, ""}, {sampleTime.Add(-20 * time.Minute), Degraded, "websocket-blocked"}}
	return r
}

func notManagedReport() *Report {
	r := sampleBase(NotManaged)
	r.LastPing = time.Time{}
	r.Credentials = Credentials{Source: "none", Why: "no instance profile and Default Host Management is off"}
	r.Summary = text.Plain("no credentials")
	r.RootCause = &Cause{ID: "no-credential-source", Group: "credentials", Severity: "critical", Title: "no source of credentials", Confidence: "proven",
		Summary: text.Plain("no instance profile is attached and Default Host Management is off for account 111122223333 and this Region"),
		Evidence: []Evidence{
			{What: "imds GET iam/info", Seen: "404, no profile attached", From: "imds:GET /latest/meta-data/iam/info", At: at(0)},
			{What: "ssm:RequestManagedInstanceRoleToken", Seen: "AccessDeniedException: Systems Manager's instance management role is not configured for account: 111122223333", From: "file:/var/log/amazon/ssm/amazon-ssm-agent.log", At: at(-11 * time.Minute)},
			{What: "agent log", Seen: "sleeping 27m12s before retrying", From: "file:/var/log/amazon/ssm/amazon-ssm-agent.log", At: at(-26 * time.Hour)},
		},
		Fix: []Step{
			{Text: text.Plain("Attach a profile with AmazonSSMManagedInstanceCore"), Command: text.Plain("aws ec2 associate-iam-instance-profile --region us-east-1 --instance-id i-0123456789abcdef0 --iam-instance-profile Name=PROFILE_NAME"), Where: "operator-cli"},
			{Alternative: true, Text: text.Plain("Or turn on Default Host Management for the account and Region"), Command: text.Plain("aws ssm update-service-setting --setting-id arn:aws:ssm:us-east-1:111122223333:servicesetting/ssm/managed-instance/default-ec2-instance-management-role --setting-value service-role/AWSSystemsManagerDefaultEC2InstanceManagementRole"), Where: "operator-cli"},
			{Text: text.Plain("Restart the agent, or wait up to 27 min"), Command: text.Plain("systemctl restart amazon-ssm-agent"), Where: "this-host", Root: true},
			{Text: text.Plain("In Terraform"), Command: text.New("resource \"aws_iam_role_policy_attachment\" \"ssm\" {\n  role = aws_iam_role.node.name\n}"), Where: "terraform"},
		},
		Docs: []string{"https://docs.aws.amazon.com/systems-manager/latest/userguide/setup-instance-permissions.html"}}
	r.Also = []Cause{{ID: "clock-skew", Group: "tls-proxy-clock", Severity: "warning", Title: "the clock is wrong", Summary: text.Plain("the host is 4 minutes behind AWS"), Confidence: "proven",
		Evidence: []Evidence{{What: "Date of ssm", Seen: "+240 s"}}, Fix: []Step{{Text: text.Plain("Let chrony correct it"), Command: text.Plain("chronyc makestep"), Where: "this-host", Root: true}}}}
	r.Checks = append(r.Checks,
		Check{ID: "credential-source", Group: "credentials", Title: "There are credentials", Status: "fail", Cause: "no-credential-source", Summary: text.Plain("nothing to sign requests with"), Evidence: r.RootCause.Evidence[:1]},
		Check{ID: "agent-worker", Group: "agent", Title: "Worker runs", Status: "fail", Summary: text.Plain("the core runs without its worker"), FollowsFrom: "credential-source"},
		Check{ID: "clock", Group: "tls-proxy-clock", Title: "Clock is right", Status: "warn", Cause: "clock-skew", Summary: text.Plain("4 minutes behind AWS")},
		Check{ID: "permission-registration", Group: "permissions", Title: "May register", Status: "unknown", Summary: text.Plain("no credentials to ask with"),
			Evidence: []Evidence{{What: "ssmmessages:CreateControlChannel", Seen: "not asked", From: "file:/var/log/amazon/ssm/amazon-ssm-agent.log", At: at(0)}}},
	)
	r.Features[0].Ready, r.Features[0].Denied = "no", []string{"ssm:UpdateInstanceInformation"}
	r.Permissions[0] = Permission{Action: "ssm:UpdateInstanceInformation", Identity: "none", Verdict: "unknown-not-probed", Evidence: "no credentials"}
	r.Path = hops("pass", "pass", "pass", "fail", "pass", "pass", "warn", "unknown", "unknown")
	r.Path[3].Note = text.Plain("nothing to sign requests with")
	r.History = []Transition{
		{sampleTime.Add(-50 * time.Hour), Managed, ""}, {sampleTime.Add(-20 * time.Hour), Degraded, "websocket-blocked"},
		{sampleTime.Add(-12 * time.Hour), Unknown, ""}, {sampleTime.Add(-7 * time.Hour), NotManaged, "no-credential-source"},
	}
	return r
}

func unknownReport() *Report {
	r := sampleBase(Unknown)
	r.Summary = text.Plain("nothing that could be read says whether the service accepted this node")
	r.LastPing, r.ClockSkew, r.NeedRoot = time.Time{}, nil, 4
	r.Node.ID, r.AgentVersion = "", ""
	r.Credentials = Credentials{}
	r.Checks = append(r.Checks, Check{ID: "node-managed", Group: "none", Title: "The node is managed", Status: "unknown", Summary: text.Plain("the agent's log: permission denied")})
	r.Path = hops("pass", "unknown")
	r.CannotTell = &Doubt{
		Tried:   []text.Text{text.Plain("the agent's log: not read, or not whole"), text.Plain("the agent's process: it runs")},
		Missing: []text.Text{text.Plain("agent log: permission denied")},
		Fix: []Step{{Text: text.Plain("Look again as root, who sees what this run could not"), Command: text.Plain("sudo ssm-doctor check"), Where: "this-host"},
			{Text: text.Plain("Restart the agent: it tries everything again, and its log says what fails"), Command: text.Plain("systemctl restart amazon-ssm-agent"), Where: "this-host", Root: true},
			{Text: text.Plain("Look again, and wait for what the agent does"), Command: text.Plain("ssm-doctor check --wait 5m"), Where: "this-host"}},
		AgainAt: sampleTime.Add(20 * time.Minute), AgainWhy: text.Plain("an agent that works sends a heartbeat every 5 min; two of them are due by then"),
	}
	return r
}

func imageReport() *Report {
	r := sampleBase(NotManaged)
	r.Profile, r.CheckedFrom = "image", "/mnt/image"
	r.Node = Node{Kind: "none", OS: "Ubuntu 24.04.1 LTS", GOOS: "linux", Arch: "arm64"}
	r.Credentials, r.LastPing, r.ClockSkew, r.Endpoints, r.Calls = Credentials{}, time.Time{}, nil, nil, nil
	r.Summary = text.Plain("a registration would travel with the image")
	r.RootCause = &Cause{ID: "registration-cloned-image", Group: "identity", Severity: "critical", Title: "the image holds a registration", Summary: text.Plain("the registration of mi-0123456789abcdef0 is still in the image"), Confidence: "proven",
		Evidence: []Evidence{{What: "/var/lib/amazon/ssm/Vault/Store/RegistrationKey", Seen: "mi-0123456789abcdef0", From: "file:/var/lib/amazon/ssm/Vault/Store/RegistrationKey"}},
		Fix:      []Step{{Text: text.Plain("Remove the registration before the image is made"), Command: text.Plain("amazon-ssm-agent -register -clear -y"), Where: "this-host", Root: true}}}
	r.Checks = append(r.Checks, Check{ID: "image-registration", Group: "identity", Title: "No registration", Status: "fail", Cause: "registration-cloned-image", Summary: text.Plain("mi-0123456789abcdef0")})
	r.Features, r.Permissions = nil, nil
	return r
}

func interruptedReport() *Report {
	r := sampleBase(Unknown)
	r.Interrupted, r.Duration = true, 1.3
	r.Summary = text.Plain("the run ended before the network was looked at")
	r.LastPing = time.Time{}
	r.Endpoints = []Endpoint{{Service: "ssm", Host: "ssm.us-east-1.amazonaws.com"}}
	r.Sources = append(r.Sources, Source{Name: "permissions", Error: "context canceled"})
	r.Checks = append(r.Checks, Check{ID: "network-egress", Group: "network", Title: "Endpoints answer", Status: "unknown", Summary: text.Plain("interrupted")})
	return r
}

// hostileReport holds what a log or a network may send to hurt a reader.
func hostileReport() *Report {
	r := notManagedReport()
	evil := hostileTexts()
	r.Summary = text.Plain(evil[0])
	r.RootCause.Summary = text.Plain(evil[1] + " " + evil[2])
	r.RootCause.Evidence[0].What, r.RootCause.Evidence[0].Seen = evil[6], evil[3]
	r.RootCause.Evidence[1].What, r.RootCause.Evidence[2].From = evil[4], evil[5]
	r.RootCause.Fix[0].Command = text.Plain("echo '" + evil[0] + "'\n\x1b[2Jrm " + evil[2])
	r.RootCause.Docs = append(r.RootCause.Docs, `https://example.com/"><script>alert(5)</script>`, "javascript:alert(6)")
	r.Checks[0].Summary, r.Checks[0].ID, r.Checks[5].Summary = text.Plain(evil[6]), evil[1], text.Plain(evil[4])
	r.Node.OS = evil[2]
	r.Endpoints[0].Error, r.Sources[0].Error = evil[0], evil[3]
	r.NotLookedAt[0].What, r.History[0].Cause, r.Path[3].Note = evil[0], evil[1], text.Plain(evil[0])
	return r
}

func hostileTexts() []string {
	word := make([]byte, 10_000)
	for i := range word {
		word[i] = 'a' + byte(i%26)
	}
	return []string{
		`<script>alert(1)</script>`, `"' onmouseover="alert(2)" x='`, "\x1b[31mred\x1b]0;title\x07", "line\r\nline\ttab\x00nul \xff\xfe",
		"abc\u202etxt.exe\u2066 \u200b zero", `</style><img src=https://evil.example/x onerror=alert(3)>`, string(word),
	}
}
