package logline

import (
	"strings"
	"testing"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
)

func TestShown(t *testing.T) {
	t.Parallel()
	const denied = `AccessDeniedException: User: arn:aws:sts::111122223333:assumed-role/Web-Role/i-0a1b2c3d4e5f60718 is not authorized to perform: ssm:UpdateInstanceInformation on resource: arn:aws:ec2:eu-central-1:111122223333:instance/i-0a1b2c3d4e5f60718 because no identity-based policy allows the ssm:UpdateInstanceInformation action`
	for in, want := range map[string]string{
		// Kept as they are: "".
		"": "",
		"ERROR [ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - " + denied:                                                                          "",
		"ERROR [HandleAwsError @ awserr.go.50] [MessageService] GetMessages Error: " + denied:                                                                                    "",
		`Post "https://ssm.eu-central-1.amazonaws.com/": dial tcp: lookup ssm.eu-central-1.amazonaws.com on 10.0.0.2:53: no such host`:                                           "",
		`proxyconnect tcp: dial tcp: lookup proxy.corp on 10.0.0.2:53: no such host`:                                                                                             "",
		"read tcp 10.0.0.5:41122->52.94.1.1:443: read: connection reset by peer":                                                                                                 "",
		"x509: certificate is valid for *.corp.example, proxy.corp, not ssm.eu-central-1.amazonaws.com":                                                                          "",
		"open /var/lib/amazon/ssm/Vault/Store/RegistrationKey: permission denied":                                                                                                "",
		"Next credential rotation will be in 29.999990222416667 minutes":                                                                                                         "",
		"Sleeping for 27m12s before retrying retrieve credentials":                                                                                                               "",
		"Signature expired: 20261126T222145Z is now earlier than 20261126T223345Z (20261126T223845Z - 5 min.)":                                                                   "",
		"RequestId: eefbffae-424b-95eb-57c8-e1439ca34632 Error: status code: 400":                                                                                                "",
		"the instance management role is not configured for account: 111122223333":                                                                                               "",
		"error details - SubscriptionRequiredException: You are not subscribed to this service status code: 400":                                                                 "",
		"PendingVerification: Your account is currently being verified":                                                                                                          "",
		"RunAs user jane.doe does not exist":                                                                                                                                     "",
		`Encoded authorization failure message: 4GIOHlTkIaWHQD0Q0m6XSnuMMCm-abcdefghijkl0123456789ABCDEFGHIJ`:                                                                    "",
		"failed to listen on the channel: ipc:///var/lib/amazon/ssm/ipc/health, address in use":                                                                                  "",
		"<AccessDeniedException> <Message>User: arn:aws:sts::111122223333:assumed-role/R/i-0abc is not authorized to perform: ssmmessages:CreateControlChannel</Message>":        "",
		"Out of memory: Killed process 1234 (amazon-ssm-agen) total-vm:123456kB, anon-rss:4567kB":                                                                                "",
		"Please see documentation at https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#x.":                                                                      "Please see documentation at https://docs.aws.amazon.com/[…].",
		"open /home/jane/hunter2/file: permission denied":                                                                                                                        "open /home/[…]/[…]/file: permission denied",
		"failed to run hunter2 with  the\tagent":                                                                                                                                 "failed to run […] with the agent",
		"request failed: xyzzy plugh, retrying":                                                                                                                                  "request failed: […], retrying",
		`Put "http://169.254.169.254/latest/api/token": dial tcp 169.254.169.254:80: i/o timeout`:                                                                                "",
		"ERROR [MGSInteractor] Successfully opened websocket connection to: wss://ssmmessages.us-east-1.amazonaws.com/v1/control-channel/mi-0123456789abcdef0?role=x&token=zzz1": "ERROR [MGSInteractor] Successfully opened websocket connection to: wss://ssmmessages.us-east-1.amazonaws.com/[…]",
	} {
		if want == "" {
			want = in
		}
		got := Shown(in)
		if got != want {
			t.Errorf("%q\n got  %q\n want %q", in, got, want)
		}
		if again := Shown(got); again != got {
			t.Errorf("%q becomes %q", got, again)
		}
	}
}

// TestSecretsAreNotShown: a secret in any form, in any place of a refusal.
func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	const secret = "S3cr3tPw"
	for _, form := range []string{
		"password=%", "pass=%", "PASSWORD: %", "--password %", "-p %", "curl -u admin:%", "client_secret=%", "api_key=%", "X-Api-Key: %", "Cookie: session=%; path=/", "Set-Cookie: a=%",
		"http://user:%@proxy.corp:3128", "http://user:%%40proxy.corp:3128", "http://%@proxy.corp", "user:%@proxy.corp:3128", "https://proxy.corp/%", "https://proxy.corp/?token=%", `{"password":"%"}`, `{\"password\":\"%\"}`,
		"'%'", "(%)", "<%>", "<Password>%</Password>", "a,%,b", "a;%;b", "a&%", "token %", "Bearer %", "Authorization: Basic %", "the password is %", "%", "key %/x", "ssm:%", "lookup://%", "x=%,y", "arn:%", "ipc://%", "/opt/%", `C:\%\x`, "[%]", "%:443", "Machine configuration %.",
	} {
		line := "ERROR [HealthCheck] error when calling AWS APIs. " + strings.ReplaceAll(form, "%", secret) + " status code: 400"
		if strings.HasPrefix(form, "http://user:%%40") {
			line = strings.ReplaceAll(line, secret+secret+"40", secret+"%40")
		}
		got := Shown(line)
		if strings.Contains(got, secret) {
			t.Errorf("%s: %s", form, got)
		}
		if !strings.HasPrefix(got, "ERROR [HealthCheck] error when calling AWS APIs. ") || !strings.HasSuffix(got, " status code: 400") {
			t.Errorf("%s: %s", form, got)
		}
	}
	for _, line := range []string{"password=WelcomeHome", "password: access", "--password access", "Password = access denied", `"password":"access"`, "--secret=token"} {
		if got := Shown(line); strings.Contains(strings.ToLower(got), "access") || strings.Contains(got, "token") || strings.Contains(got, "Welcome") {
			if got != "Password = access denied" { // words of ours
				t.Errorf("%s: %s", line, got)
			}
		}
	}
	for _, word := range []string{"subscription", "subscribed", "recognized", "your", "being", "records", "YourRecords"} { // in the place of a secret a word is one
		for _, form := range []string{"password=%", "password: %", "--password %", `{"secret":"%"}`, "api_key=%", "https://%@proxy.corp:3128", "https://user:%@proxy.corp"} {
			if got := Shown(strings.ReplaceAll(form, "%", word)); strings.Contains(got, word) {
				t.Errorf("%s: %s", form, got)
			}
		}
	}
}

func TestShownFacts(t *testing.T) {
	t.Parallel()
	f := &facts.Facts{}
	f.Log.Matches = facts.Known([]facts.Match{{Text: "error hunter2"}}, "")
	f.Log.Refusals = facts.Known([]facts.Refusal{{Refusal: iam.Refusal{Text: "error hunter2", Principal: "arn:aws:sts::111122223333:assumed-role/R/i-0a1b2c3d4e5f60718", Resource: `x"hunter2"`}}}, "")
	f.Agent.Notes = facts.Known([]facts.SystemNote{{Text: "error hunter2"}}, "")
	ShownFacts(f)
	r := f.Log.Refusals.Value[0]
	for _, got := range []string{f.Log.Matches.Value[0].Text, r.Text, f.Agent.Notes.Value[0].Text} {
		if got != "error "+Gap {
			t.Error(got)
		}
	}
	if r.Resource != Gap || !strings.HasSuffix(r.Principal, "i-0a1b2c3d4e5f60718") {
		t.Errorf("%+v", r)
	}
}

// FuzzShown: what is shown of what is shown is the same, and nothing is added to a line
// but gaps.
func FuzzShown(f *testing.F) {
	for _, s := range []string{"ERROR http://user:pw@proxy.corp:3128: refused", "a/b\\c=d:e,f", "\xff\xfe […] /x/[…]/y", "lookup x valid for a, b, not c", strings.Repeat("a=", 300), "arn:aws:iam::1:role/x, " + strings.Repeat("(", 50)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = s[:min(len(s), 80)] // what finds something is made smaller, by the square of its length
		got := Shown(s)
		if again := Shown(got); again != got {
			t.Errorf("%q\nbecomes %q\nbecomes %q", s, got, again)
		}
		for part := range strings.FieldsSeq(strings.NewReplacer(Gap, " ").Replace(got)) {
			if !strings.Contains(s, part) && strings.Trim(part, ":,;./\\") != "" {
				t.Errorf("%q is not in %q", part, s)
			}
		}
	})
}

// TestNamedValues: every expression can be made, and has the hint in what it finds.
func TestNamedValues(t *testing.T) {
	t.Parallel()
	for _, v := range namedValues {
		if v.re.Regexp().NumSubexp() == 0 || v.hint != strings.ToLower(v.hint) {
			t.Errorf("%s: %s", v.hint, v.re.Regexp())
		}
	}
}
