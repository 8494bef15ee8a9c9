package report

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/text"
)

// Samples have the form of the real thing; none of them ever worked.
var secretSamples = map[string]string{
	"secret access key":   "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
	"secret key, no hint": "t3Sx9Qk/0aBzVw1LmPq7RtYu+8HdEfGhJc2KoNiZ",
	"access key":          "AKIAIOSFODNN7EXAMPLE",
	"temporary key":       "ASIAJEXAMPLEXEG2JICE",
	"session token":       "IQoJb3JpZ2luX2VjEPT//////////wEaCXVzLWVhc3QtMSJHMEUCIQDw0",
	"old session token":   "FwoGZXIvYXdzEBYaDHqa0AP9iBEXAMPLE4xPZaq5",
	"metadata token":      "AQAEAK9xnq1l2Cz0rXhWmv3fTqYJbN8sDgUeOpRkZwLHtIaFcVBEXA==",
	"jwt":                 "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJzdWIiOiJzeXN0ZW06c2VydmljZSJ9.c2lnbmF0dXJlMTIz",
	"base64 key":          "MIIEowIBAAKCAQEAu1SU1LfVLPHCozMxH2Mo4lgOEePzNm0tRgeLezV6ffAt0gunVTLw7onLRnrq0",
}

// dressed are secrets that only their surroundings betray.
var dressed = []struct{ name, text, secret string }{
	{"url", "proxyconnect tcp: http://svc-proxy:Tr0ub4dor@proxy.corp.example.com:3128 refused", "Tr0ub4dor"},
	{"url with at", "https://user:p@ss@w0rd@proxy:8080/", "w0rd"},
	{"url user only", "https://svc-proxy@10.1.2.3/", "svc-proxy"},
	{"no scheme", "https_proxy=svc:Tr0ub4dor@proxy.corp:3128", "Tr0ub4dor"},
	{"json", `{"SecretAccessKey": "short-secret", "Expiration": "2026-01-01"}`, "short-secret"},
	{"ini", "aws_secret_access_key = short-secret", "short-secret"},
	{"ini token", "aws_session_token = abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrstuvwxyz"},
	{"password", "password=hunter2", "hunter2"},
	{"password json", `"Password":"hunter2"`, "hunter2"},
	{"basic", "Authorization: Basic c3ZjOlRyMHViNGRvcg==", "c3ZjOlRyMHViNGRvcg"},
	{"proxy header", "Proxy-Authorization: Bearer abcdef0123456789", "abcdef0123456789"},
	{"sigv4", "Authorization: AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-west-1/ssm/aws4_request, SignedHeaders=host, Signature=8f3b5c9d", "8f3b5c9d"},
	{"presigned", "GET /?X-Amz-Signature=0123456789abcdef0123&X-Amz-Date=x", "0123456789abcdef0123"},
	{"activation", "amazon-ssm-agent -register -code SXEbKJkPq3vT5uYzAb1d -id 9d5a", "SXEbKJkPq3vT5uYzAb1d"},
	{"activation json", `"ActivationCode":"SXEbKJkPq3vT5uYzAb1d"`, "SXEbKJkPq3vT5uYzAb1d"},
	{"basic alone", "proxy asks for Basic dXNlcjpIdW50ZXJDYW5hcnk3Nw== again", "dXNlcjpIdW50"},
	{"header map", "map[Proxy-Authorization:[Basic dXNlcjpIdW50ZXI=]]", "dXNlcjpIdW50"},
	{"json in json", `body {\"password\":\"hunter2\"}`, "hunter2"},
	{"quoted json", `{\"ActivationCode\":\"SXEbKJkPq3vT5uYzAb1d\"}`, "SXEbKJkPq3vT5uYzAb1d"},
	{"quoted token", `\"TokenValue\":\"abcdefghijklmnopqrstuvwxyz\"`, "abcdefghijklmnop"},
	{"slash in a password", `invalid proxy address "http://user:a/hunter2@proxy.corp:3128": parse`, "hunter2"},
	{"digits and slash", "http://user:12a/hunter2@proxy:3128/", "hunter2"},
	{"arguments", `["-register","-code","SXEbKJkPq3vT5uYzAb1d"]`, "SXEbKJkPq3vT5uYzAb1d"},
	{"in words", "activation code is SXEbKJkPq3vT5uYzAb1d", "SXEbKJkPq3vT5uYzAb1d"},
	{"xml", "<Password>hunter2</Password>", "hunter2"},
	{"passphrase in words", "passphrase is hunter2", "hunter2"},
	{"pwd", "pwd=hunter2;", "hunter2"},
	{"der", "private key MIIEvQIBADANBgkqhkiG9w0B", "MIIEvQIBADAN"},
	{"pem", "key -----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabc\n-----END RSA PRIVATE KEY----- end", "MIIEow"},
	{"cookie", "Cookie: sid=hunter2; lang=en", "hunter2"},
	{"cookie json", `{"Cookie": "sid=hunter2"}`, "hunter2"},
	{"cookie json, close", `{"Set-Cookie":"sid=hunter2; Secure","Date":"x"}`, "hunter2"},
	{"cookie json in json", `{\"cookie\":\"sid=hunter2\"}`, "hunter2"},
	{"cookie single quotes", `curl -H 'Cookie: sid=hunter2'`, "hunter2"},
	{"cookie value in single quotes", `{'Cookie': 'sid=hunter2'}`, "hunter2"},
	{"cookie of http.Header", "map[Accept:[*/*] Cookie:[sid=hunter2] Host:[x]]", "hunter2"},
	{"cookies of http.Header", "map[Set-Cookie:[a=1; Path=/ sid=hunter2; Secure]]", "hunter2"},
	{"cookie list", `"Cookie": ["sid=hunter2"]`, "hunter2"},
	{"cookie list, second", `"Set-Cookie": ["a=1", "sid=hunter2"], "Date": ["x"]`, "hunter2"},
	{"cookie list, lines", "\"Set-Cookie\": [\n  \"a=1\",\n  \"sid=hunter2\"\n]", "hunter2"},
	{"cookie list in json", `{\"Cookie\":[\"sid=hunter2\"]}`, "hunter2"},
	{"cookie list cut off", `"Cookie": ["a=1", "sid=hunter2`, "hunter2"},
	{"cookie in Go quotes", `http.Header{"Cookie":[]string{"sid=hunter2"}}`, "hunter2"},
	{"cookie after another secret", "Cookie: u:pw@proxy.corp:80; sid=hunter2", "hunter2"},
	{"key of http.Header", "map[X-Api-Key:[hunter2] X-Vault-Token:[s.1]]", "hunter2"},
	{"token of http.Header", "map[X-Vault-Token:[hunter2]]", "hunter2"},
	{"cookie with a bracket", "Cookie: a=x[hunter2", "hunter2"},
	{"cookie that is quoted", `Cookie: sid="hunter2"; x=y`, "hunter2"},
	{"client secret json", `"client_secret": "hunter2"`, "hunter2"},
	{"client secret json in json", `\"clientSecret\":\"hunter2\"`, "hunter2"},
	{"client secret yaml", "client_secret: hunter2", "hunter2"},
	{"client secret ini", "client-secret = hunter2", "hunter2"},
	{"client secret of http.Header", "map[Client-Secret:[hunter2]]", "hunter2"},
	{"pass", "pass=hunter2", "hunter2"},
	{"pass of a name", "DB_PASS=hunter2", "hunter2"},
	{"pass, hump", `"smtpPass": "two words"`, "words"},
	{"pass, no space", "pass:hunter2", "hunter2"},
	{"pw", "db_pw = hunter2", "hunter2"},
	{"variable", "MYSQL_PWD=hunter2 PGPASSWORD=x", "hunter2"},
	{"variable with a number", "ADMIN_PASSWORD_2=hunter2", "hunter2"},
	{"property", "spring.datasource.password=hunter2", "hunter2"},
	{"hash", "password_hash: $6$hunter2$x", "hunter2"},
	{"option", "setup --password hunter2 --verbose", "hunter2"},
	{"option with sign", "setup --db-password=hunter2", "hunter2"},
	{"option of one dash", "java -storepass hunter2", "hunter2"},
	{"option in quotes", `setup --password "two hunter2 words"`, "hunter2"},
	{"option in a list", `["--token","hunter2"]`, "hunter2"},
	{"option in a list of lists", `[\"--secret\", \"hunter2\"]`, "hunter2"},
	{"option of Windows", "setup.exe /password:hunter2 /quiet", "hunter2"},
	{"token option", "vault login --token hunter2", "hunter2"},
	{"code of a device", "aws sts get-session-token --token-code 712353", "712353"},
	{"short option", "docker login -u x -p hunter2", "hunter2"},
	{"short option without a program", "-p hunter2", "hunter2"},
	{"glued option", "mysqldump -uroot -phunter2 db", "hunter2"},
	{"sshpass", "sshpass -phunter2 ssh host", "hunter2"},
	{"ldap", "ldapsearch -D cn=x -w hunter2", "hunter2"},
	{"redis", "redis-cli -h cache -a hunter2", "hunter2"},
	{"samba", "smbclient //x/y -U jane%hunter2", "hunter2"},
	{"curl", "curl -u admin:hunter2 https://repo.corp/x", "hunter2"},
	{"curl, quoted", `curl --user "admin:hunter2"`, "hunter2"},
	{"curl, sign", "curl --user=admin:hunter2", "hunter2"},
	{"curl, glued", "curl -uadmin:hunter2 x", "hunter2"},
	{"curl, list", `["curl","-u","admin:hunter2"]`, "hunter2"},
	{"proxy of curl", "curl -U admin:hunter2 -x proxy", "hunter2"},
	{"proxy user", "curl --proxy-user admin:hunter2", "hunter2"},
	{"token, no space", "token:Zq00xK00wTr8", "Zq00xK00wTr8"},
	{"token, space", "token: Zq00xK00wTr8", "Zq00xK00wTr8"},
	{"token of a query", "https://proxy.corp:3128/?token=hunter2&x=y", "hunter2"},
	{"token, more of a query", "GET /?a=b&access_token=hunter2", "hunter2"},
	{"token in quotes", `"refresh_token":"hunter2"`, "hunter2"},
	{"token in single quotes", `'id-token': 'hunter2'`, "hunter2"},
	{"tokens", `"tokens": ["hunter2", "hunter3"]`, "hunter3"},
	{"auth", "auth=hunter2", "hunter2"},
	{"npm", "//registry.corp/:_authToken=hunter2", "hunter2"},
	{"docker", `"auth": "aHVudGVyMg=="`, "aHVudGVy"},
	{"credential", "credential=hunter2", "hunter2"},
	{"sas", "https://x.blob.core/y?sv=2&sig=hunter2%2Fx%3D", "hunter2"},
	{"connection string", "Server=db;User Id=sa;Password=hunter2;Timeout=3", "hunter2"},
	{"azure", "AccountName=x;AccountKey=hunter2==;EndpointSuffix=y", "hunter2"},
	{"password with signs", "password=a,hunter2;b&c", "hunter2"},
	{"password with brackets", "password=a)b]hunter2", "hunter2"},
	{"password with a bracket in front", "password=[hunter2", "hunter2"},
	{"password in a list", `"password": ["hunter2"]`, "hunter2"},
	{"secret of two words", `"secret": "two hunter2 words"`, "hunter2"},
	{"bare secret", "secret=hunter2", "hunter2"},
	{"SecretString", `"SecretString": "hunter2"`, "hunter2"},
	{"xml attribute", `<smtp password='hunter2'/>`, "hunter2"},
	{"xml with a name space", "<wsse:Password>hunter2</wsse:Password>", "hunter2"},
	{"xml, token", "<SessionToken>hunter2</SessionToken>", "hunter2"},
	{"encoded", "password%3Dhunter2%26x%3Dy", "hunter2"},
	{"encoded twice", "password%253Dhunter2", "hunter2"},
	{"encoded JSON", "%7B%22password%22%3A%22hunter2%22%7D", "hunter2"},
	{"page", "&quot;password&quot;:&quot;hunter2&quot;", "hunter2"},
	{"page, numbers", "password=&#34;hunter2&#34;", "hunter2"},
	{"escaped quotes", `\u0022password\u0022:\u0022hunter2\u0022`, "hunter2"},
	{"yaml", "password: 'two hunter2 words'", "hunter2"},
	{"ruby", `:password => "hunter2"`, "hunter2"},
	{"Go", `password := "hunter2"`, "hunter2"},
	{"words", "password was hunter2", "hunter2"},
	{"change", "changed password to hunter2", "hunter2"},
	{"token in words", "the token is hunter2", "hunter2"},
	{"url without scheme", "//user:hunter2@proxy.corp", "hunter2"},
	{"login without port", "user:hunter2@proxy.corp", "hunter2"},
	{"github", "ghp_Zq00xK00wTr8", "Zq00xK00wTr8"},
	{"gitlab", "glpat-Zq00xK00wTr8", "Zq00xK00wTr8"},
	{"slack", "xoxb-1234567890-abcdefghij", "abcdefghij"},
	{"vault", "hvs.CAESIJabcdefgh", "CAESIJ"},
	{"google", "AIzaSyA1234567890abcdefghij", "SyA1234567890"},
	{"cookie variable", "HTTP_COOKIE=sid=hunter2", "hunter2"},
	{"odd letters", "paſſword=hunter2", "hunter2"},
	{"fullwidth tab", "password\t=\thunter2", "hunter2"},
	{"below", "password:\n  hunter2", "hunter2"},
	{"below, in quotes", "password=\r\n\"hunter2 x\"", "hunter2"},
	{"below, xml", "<Password>\n  hunter2\n</Password>", "hunter2"},
	{"secret key of more", "SECRET_KEY_BASE: hunter2", "hunter2"},
	{"secret key of more, one word", "secretAccessKeyEncrypted=hunter2", "hunter2"},
	{"password like the id of a key", "password=AKIAhunter2hunter2hunter2", "hunter2"},
	{"password behind the id of a key", `"password": "AKIAIOSFODNN7EXAMPLE-hunter2"`, "hunter2"},
	{"password with a brace in front", "password={hunter2", "hunter2"},
	{"password in braces", "password:{hunter2}", "hunter2"},
	{"password with an angle in front", "password=<hunter2", "hunter2"},
	{"password with an angle", "password=ab<hunter2", "hunter2"},
	{"password with a quote, escaped", `{\"password\":\"a\\\"b hunter2\"}`, "hunter2"},
	{"password behind one that ends with a backslash", `{"password":"a\\","secret":"hunter2"}`, "hunter2"},
	{"password behind an ARN", "role=arn:aws:iam::111122223333:role/x,password:hunter2", "hunter2"},
	{"German", "Kennwort: hunter2", "hunter2"},
	{"German, variable", "DB_PASSWORT=hunter2", "hunter2"},
	{"French", "mot de passe : hunter2", "hunter2"},
	{"Spanish", "contraseña=hunter2", "hunter2"},
	{"blanks", "password = my dog hunter2", "hunter2"},
	{"blanks, a line in YAML", "password: >-\n    my dog\n    hunter2x", "dog"},
	{"blanks, and another name", "password=my dog hunter2 dbname=x", "hunter2"},
	{"a zero in the name", "pass\x00word=hunter2", "hunter2"},
	{"a zero in the name, escaped", `pass\x00word=hunter2`, "hunter2"},
	{"a space without width in the name", "pass\u200bword=hunter2", "hunter2"},
	{"a space without width in the name, escaped", `pass\u200bword=hunter2`, "hunter2"},
	{"colours", "\x1b[31mpassword\x1b[0m=\x1b[32mhunter2\x1b[0m", "hunter2"},
	{"colours, escaped", `\x1b[31mpassword\x1b[0m=\x1b[32mhunter2\x1b[0m`, "hunter2"},
	{"a split token", "gh\u200bp_Zq00xK00wTr8", "Zq00xK00wTr8"},
	{"full-width sign", "password：hunter2", "hunter2"},
	{"three quotes", `token = """hunter2"""`, "hunter2"},
	{"quotes of a shell", `secret=$'hunter2\n'`, "hunter2"},
	{"SecureString", `ConvertTo-SecureString "hunter2" -AsPlainText -Force`, "hunter2"},
	{"login of a database", "app:hunter2@tcp(db:3306)/x", "hunter2"},
	{"pem cut off", "key -----BEGIN PRIVATE KEY-----\nMIIEow", "MIIEow"},
}

func TestStripSecrets(t *testing.T) {
	t.Parallel()
	frames := []string{"%", "%.", `"%"`, "token=%", "found % in the log", "(%)", "a,%,b", "<%>", "\t%\n", "x: %; y", "path/%"}
	for name, secret := range secretSamples {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, f := range frames {
				text := strings.Replace(f, "%", secret, 1)
				got := stripSecrets(text)
				if strings.Contains(got, secret) || strings.Contains(got, secret[8:]) {
					t.Errorf("%q became %q", text, got)
				}
				if again := stripSecrets(got); again != got {
					t.Errorf("%q, again %q", got, again)
				}
			}
		})
	}
	for _, tt := range dressed {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := stripSecrets(tt.text)
			if strings.Contains(got, tt.secret) {
				t.Errorf("%q became %q", tt.text, got)
			}
			if again := stripSecrets(got); again != got {
				t.Errorf("%q, again %q", got, again)
			}
		})
	}
}

func TestStripSecretsKeepsTheRest(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"/var/lib/amazon/ssm/i-0123456789abcdef0/document/orchestration",
		"/snap/amazon-ssm-agent/current/usr/lib/systemd/system/amazon-ssm-agent.service",
		"sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"request id 0f8fad5b-d9cd-469f-a165-70867728950e",
		"imds PUT latest/api/token: 403 Forbidden", "token: timed out after 1s",
		"amazon-ssm-agent -register -code ACTIVATION_CODE -id ACTIVATION_ID -region eu-west-1",
		"-code <activation-code>", "-code $CODE",
		"exit code 15", "status code: 400, request id", "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore",
		"ssm:UpdateInstanceInformation", "mail someone@example", "AmazonSSMManagedInstanceCoreAmazonSSMManagedInstanceCore",
		"https://docs.aws.amazon.com/systems-manager/latest/userguide/fleet-manager-default-host-management-configuration.html",
		"the secret: a list", "client_secret: <secret>", "TopSecret: AccessDeniedException", "no cookie: ", `"Cookie": ""`,
		"password", "basic authentication", "PWD=/root", "https://host:8443/path",
		"ssm:GetParameters, sts:GetSessionToken: AccessDenied", "sts:GetSessionToken", "not authorized to perform: sts:GetSessionToken on resource: *",
		"/var/lib/amazon/ssm/token", "open /run/secrets/eks.amazonaws.com/serviceaccount/token: permission denied", "AWS_WEB_IDENTITY_TOKEN_FILE=/var/run/secrets/token",
		"HttpTokens=required", `"HttpTokens": "optional"`, "--http-tokens required", "--metadata-options HttpTokens=required,HttpPutResponseHopLimit=2",
		"X-aws-ec2-metadata-token-ttl-seconds: 21600", "X-aws-ec2-metadata-token: $TOKEN", `-H "X-aws-ec2-metadata-token: $TOKEN"`, "TOKEN=$(curl -X PUT http://169.254.169.254/latest/api/token)",
		"SecurityToken invalid", "The security token included in the request is invalid.", "The security token included in the request is expired",
		"ExpiredToken: The security token included in the request is expired", "InvalidClientTokenId: The security token included in the request is invalid", "ExpiredTokenException: expired",
		"UnrecognizedClientException: The security token included in the request is invalid", "error retrieving token: operation timed out", "token is expired",
		"InvalidSignatureException: Signature expired: 20260101T000000Z is now earlier than", "no valid credentials: EOF", "credentials: no such file or directory",
		"NoCredentialProviders: no valid providers in chain", "mkdir -p /var/lib/amazon/ssm", "journalctl -p err", "ps -p 1234", "docker run -p 8080:80/tcp", "ssh -p 2222 host", "iptables -p tcp",
		"docker run --user 1000:1000", "systemctl show -p MainPID amazon-ssm-agent", "chown -u root", "Authentication failed", "no_proxy bypass: 10.0.0.1", "ProxyBypass=corp.example",
		"pass: 30", "30 pass, 1 fail", `"status": "pass"`, "a secret", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db-AbCdEf", "arn:aws:sts::111122223333:assumed-role/Web/jane@corp.example",
		"getty@tty1.service: active", "password: ", "password=$PASSWORD", "--password <password>", "--activation-code ACTIVATION_CODE", "auth=none", "max_tokens=1000",
		"ConvertTo-SecureString $password -AsPlainText", "caf\u00e9\u200b bar", "host：port",
		"AccessKeyId: AKIA…", "access_key=AKIA…", "open /etc/passwd: permission denied", `{"password": {}}`, "token:\n  expired", "credentials:\n- AccessDenied", "credential_process = /usr/bin/broker", "source_profile = base", "tls: private key does not match public key", "key=value",
		"aws sts decode-authorization-message --encoded-message 6YTvPuXpQzFm0tRgeLezV6ffAt0gunVTLw7onLRnrq0bXhWmv3fTqYJbN8sDgUe_Op-RkZwLHtIaFcVB",
		"Encoded authorization failure message: 6YTvPuXpQzFm0tRgeLezV6ffAt0gunVTLw7onLRnrq0bXhWmv3fTqYJbN8sDgUe_Op-RkZwLHtIaFcVB and so on",
	} {
		if got := stripSecrets(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

// hostNames is what a redacted report must not tell.
var hostNames = []string{"123456789012", "210987654321", "Prod-Web-Node", "jane.doe", "web-17", "proxy.corp.example.com", "10.20.30.40", "172.16.5.9",
	"203.0.113.77", "fd12:3456::7", "ip-10-20-30-40", "acme-session-logs", "AROAEXAMPLEROLEID123", "/acme/prod/db"}

func namedReport() *Report {
	yes := true
	r := &Report{
		GeneratedAt: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC), Version: "1.2.3", AgentVersion: "3.3.40.0", State: NotManaged,
		Node:        Node{ID: "i-0123456789abcdef0", Kind: "ec2", Region: "eu-west-1", Account: "123456789012", Partition: "aws"},
		Credentials: Credentials{Source: "instance-profile", Role: "Prod-Web-Node"},
		Summary:     text.New("the role %s of %s is refused on %s", "Prod-Web-Node", "123456789012", "web-17"),
		RootCause: &Cause{ID: "iam-missing-registration-action", Severity: "critical", Title: "t", Summary: text.Plain("User: arn:aws:sts::123456789012:assumed-role/Prod-Web-Node/i-0123456789abcdef0 is not authorized"),
			Evidence: []Evidence{
				{What: "host named web-17", Seen: "arn:aws:iam::210987654321:user/people/jane.doe, AROAEXAMPLEROLEID123", From: "file:/home/jane.doe/.aws/credentials"},
				{What: "dial", Seen: "dial tcp 10.20.30.40:443: lookup proxy.corp.example.com on 172.16.5.9:53, then 203.0.113.77 and [fd12:3456::7]:443; 169.254.169.254 answered; ip-10-20-30-40.eu-west-1.compute.internal"},
				{What: "agent", Seen: "3.3.40.0, needs 3.2.582.0"},
				{What: "bucket", Seen: "arn:aws:s3:::acme-session-logs/x of arn:aws:ssm:eu-west-1:123456789012:parameter/acme/prod/db"},
			},
			Fix: []Step{{Text: text.Plain("Attach it"), Command: text.Plain("aws iam attach-role-policy --role-name Prod-Web-Node --policy-arn arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"), Where: "operator-cli"},
				{Text: text.Plain("Look"), Command: text.Plain("aws iam list-policies --account 123456789012 --cidr 10.20.30.40/32")}}},
		Endpoints: []Endpoint{{Service: "ssm", Host: "ssm.eu-west-1.amazonaws.com", Reachable: &yes}},
	}
	r.Normalize()
	return r
}

func TestRedact(t *testing.T) {
	t.Parallel()
	r := namedReport()
	before := encode(t, r)
	got := Redact(r)
	if after := encode(t, r); after != before {
		t.Error("Redact changed its argument")
	}
	text := encode(t, got)
	for _, n := range hostNames {
		if strings.Contains(strings.ToLower(text), strings.ToLower(n)) {
			t.Errorf("%q survived in %s", n, text)
		}
	}
	for _, keep := range []string{"i-0123456789abcdef0", "eu-west-1", "ssm.eu-west-1.amazonaws.com", "1234…9012", "2109…4321", "private-ip-1", "public-ip-1", "private-ipv6-1",
		"169.254.169.254", "3.3.40.0", "--role-name ROLE_NAME ", "--account ACCOUNT_ID", "ADDRESS/32", "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore",
		"assumed-role/role-", "/i-0123456789abcdef0 is not authorized", "user/user-", "/home/user-"} {
		if !strings.Contains(text, keep) {
			t.Errorf("%q is gone from %s", keep, text)
		}
	}
	if !standsIn(got.RootCause.Fix) || standsIn(r.RootCause.Fix) {
		t.Error("stand-ins are not recognised")
	}
	if again := Redact(got); encode(t, again) != text {
		t.Error(cmp.Diff(got, again))
	}
	if !strings.HasPrefix(got.Credentials.Role, "role-") || !strings.Contains(got.Summary.String(), got.Credentials.Role) {
		t.Errorf("role %q, summary %q", got.Credentials.Role, got.Summary)
	}
}

func TestRedactText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"arn:aws:ssm:eu-central-1::document/AWS-RunShellScript":                                         "arn:aws:ssm:eu-central-1::document/AWS-RunShellScript",
		"arn:aws:ssm:eu-central-1:111122223333:document/Acme-Doc.":                                      "arn:aws:ssm:eu-central-1:1111…3333:document/name-91bce7.",
		"arn:aws:s3:::aws-ssm-eu-west-1/*":                                                              "arn:aws:s3:::aws-ssm-eu-west-1/*",
		"arn:aws:iam::111122223333:role/service-role/X1":                                                "arn:aws:iam::1111…3333:role/service-role/role-4ce888",
		"arn:aws:iam::111122223333:role/AWSAcmeProd and role \"AmazonAcme\"":                            "arn:aws:iam::1111…3333:role/role-9f3744 and role \"role-0401bc\"",
		"arn:aws:iam::111122223333:role/service-role/AWSSystemsManagerDefaultEC2InstanceManagementRole": "arn:aws:iam::1111…3333:role/service-role/AWSSystemsManagerDefaultEC2InstanceManagementRole",
		"at 12:13:41, 2026-11-22T09:00:00Z":                                                             "at 12:13:41, 2026-11-22T09:00:00Z",
		"agent 3.3.40.0 needs 3.2.582.0":                                                                "agent 3.3.40.0 needs 3.2.582.0",
		"dial tcp 3.5.140.2:443: i/o timeout":                                                           "dial tcp public-ip-1:443: i/o timeout",
		"[fe80::1%eth0]:53 and ::1 and fd00:ec2::254":                                                   "[link-local-ipv6-1%eth0]:53 and ::1 and fd00:ec2::254",
		"10.0.0.7/16 via 10.0.0.1, 10.0.0.7":                                                            "private-ip-1/16 via private-ip-2, private-ip-1",
		"macs/02:42:ac:11:00:02/vpc-id":                                                                 "macs/mac-address/vpc-id",
		"Put \"http://169.254.169.254/latest/api/token\": context deadline exceeded":                    "Put \"http://169.254.169.254/latest/api/token\": context deadline exceeded",
		"/var/lib/amazon/ssm/runtimeconfig/identity_config.json.tmp, file.go:12":                        "/var/lib/amazon/ssm/runtimeconfig/identity_config.json.tmp, file.go:12",
		"vpce-0a1b2c3d4e5f60718-abcd.ssm.eu-west-1.vpce.amazonaws.com":                                  "vpce-0a1b2c3d4e5f60718-abcd.ssm.eu-west-1.vpce.amazonaws.com",
		"1234-5678-9012 and request id 65557385-1e34-0ba9-f929-53c2ac9e24eb":                            "1234…9012 and request id 65557385-1e34-0ba9-f929-53c2ac9e24eb",
		`C:\Users\jdoe\.aws\credentials`:                                                                `C:\Users\user-abaaaf\.aws\credentials`,
		"/home/ec2-user/x and /home/jdoe/x":                                                             "/home/ec2-user/x and /home/user-abaaaf/x",
	} {
		d := &redactor{address: numbered()}
		if got := d.text("", in, false); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

// Every string field of a report is redacted, whatever its name.
func TestRedactReachesEveryField(t *testing.T) {
	t.Parallel()
	const arn = "arn:aws:iam::123456789012:role/Prod-Web-Node"
	r := rewrite(*filled(t), everywhere(arn+" AKIAIOSFODNN7EXAMPLE"))
	r.Redacted = false
	text := encode(t, Redact(&r))
	for _, leak := range []string{"123456789012", "Prod-Web-Node", "IOSFODNN7"} {
		if strings.Contains(text, leak) {
			t.Errorf("%q survived in %s", leak, text)
		}
	}
}

// A role may be named like a word of ours: our sentences stay whole, and what is
// its name is taken out.
func TestRedactNamesThatAreOurWords(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"role", "node", "managed", "the agent", "Host", "registration", "is", "dev", "Prod-Web-Node"} {
		r := &Report{
			State: NotManaged, Node: Node{ID: "i-0123456789abcdef0", Kind: "ec2"}, Credentials: Credentials{Source: "instance-profile", Role: name},
			Summary: text.New("the role %s of this node is not managed by the agent of host %s", name, "web-17"),
			RootCause: &Cause{ID: "role-node-managed", Title: "the role of the managed node is the agent's", Summary: text.New("the host is not a managed node: ").Append(text.New("%q is refused", name)),
				Evidence: []Evidence{{What: "the role of the node", Seen: name}, {What: "the agent's log", Seen: "arn:aws:sts::111122223333:assumed-role/" + name + "/i-0123456789abcdef0 is not authorized: the managed node has no registration"}},
				Fix:      []Step{{Text: text.New("Give the role of this managed node what the agent needs: %s", name), Command: text.New("aws iam get-role --role-name %s --query 'is the node managed'", name)}}},
			Checks: []Check{{ID: "node-managed", Title: "The node is managed by the agent", Summary: text.New("the registration of this host is whole")}},
			Path:   []Hop{{Name: "host", Note: text.New("the agent is managed")}},
		}
		r.Normalize()
		got := Redact(r)
		token := got.Credentials.Role
		if !strings.HasPrefix(token, "role-") {
			t.Errorf("%s: the role is still %q", name, token)
		}
		c := got.RootCause
		for what, s := range map[string][2]string{
			"summary":  {got.Summary.String(), "the role " + token + " of this node is not managed by the agent of host web-17"},
			"cause":    {c.Summary.String(), "the host is not a managed node: \"" + token + "\" is refused"},
			"title":    {c.Title, r.RootCause.Title},
			"label":    {c.Evidence[0].What, "the role of the node"},
			"value":    {c.Evidence[0].Seen, token},
			"log":      {c.Evidence[1].Seen, "arn:aws:sts::1111…3333:assumed-role/" + token + "/i-0123456789abcdef0 is not authorized: the managed node has no registration"},
			"step":     {c.Fix[0].Text.String(), "Give the role of this managed node what the agent needs: " + token},
			"command":  {c.Fix[0].Command.String(), "aws iam get-role --role-name ROLE_NAME --query 'is the node managed'"},
			"check":    {got.Checks[0].Title + ": " + got.Checks[0].Summary.String(), "The node is managed by the agent: the registration of this host is whole"},
			"station":  {got.Path[0].Name + ": " + got.Path[0].Note.String(), "host: the agent is managed"},
			"identity": {got.Node.ID + got.Node.Kind + got.Credentials.Source + c.ID, r.Node.ID + r.Node.Kind + r.Credentials.Source + r.RootCause.ID},
		} {
			if what == "log" && strings.Contains(name, " ") {
				continue // no ARN holds a space
			}
			if s[0] != s[1] {
				t.Errorf("a role named %q: %s is\n%s\nwant\n%s", name, what, s[0], s[1])
			}
		}
	}
}

// What stands before a value in our sentence tells what the value is.
func TestRedactByTheWordsBefore(t *testing.T) {
	t.Parallel()
	for want, in := range map[string]text.Text{
		"arn of the role named role-": text.New("arn of the role named %s", "WebRole"),
		"--user-name user-":           text.New("--user-name %s", "jdoe"),
		"http://host-":                text.New("http://%s:%d", "squid", 3128),
		"/home/user-":                 text.New("/home/%s", "jdoe"),
		"of 1 file: /home/user-":      text.New("of %d file%s: %s", 1, "", []string{"/home/jdoe"}),
	} {
		r := &Report{Summary: in}
		want = strings.Replace(want, "of 1 file: /", "of 1 file: [/", 1)
		if got := Redact(r).Summary.String(); !strings.HasPrefix(got, want) {
			t.Errorf("%s became %s, want %s…", in, got, want)
		}
	}
}

func TestSecretsNeverPrinted(t *testing.T) {
	t.Parallel()
	for name, secret := range secretSamples {
		r := rewrite(*filled(t), everywhere("found "+secret+" there"))
		for _, format := range Formats {
			var b bytes.Buffer
			if err := Write(&b, format, &r, Style{Width: 100}); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(b.String(), secret) || strings.Contains(b.String(), secret[10:]) {
				t.Errorf("%s: the %s survived", format, name)
			}
		}
	}
}

func TestRedactFacts(t *testing.T) {
	t.Parallel()
	f := &facts.Facts{Schema: facts.Schema, Root: "/"}
	f.Host.Hostname = facts.Known("web-17", "")
	f.Host.Interfaces = facts.Known([]facts.Interface{{Name: "eth0", Addresses: []string{"10.20.30.40/20", "fe80::1/64"}}}, "")
	f.Agent.Installed = facts.Known("3.3.40.0", "")
	f.IMDS.Role = facts.Known(facts.Role{Name: "Prod-Web-Node", Message: "Prod-Web-Node in 123456789012"}, "")
	f.Network.Endpoints = facts.Known([]facts.Endpoint{{Service: "ssm", Host: "ssm.eu-west-1.amazonaws.com", TCP: []facts.Attempt{{Address: "10.20.31.7", Source: "10.20.30.40"}, {Address: "3.5.140.2"}}}}, "")
	f.Permissions.Identities = facts.Known([]facts.Identity{{Source: facts.SourceProfile, ARN: "arn:aws:sts::123456789012:assumed-role/Prod-Web-Node/i-0123456789abcdef0", Account: "123456789012", Role: "Prod-Web-Node", Session: "i-0123456789abcdef0"}}, "")
	f.Log.Matches = facts.Known([]facts.Match{{ID: "x", Text: "web-17 said aws_secret_access_key = short-secret"}}, "")
	got := RedactFacts(f)
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	for _, leak := range []string{"web-17", "Prod-Web-Node", "123456789012", "10.20.30.40", "10.20.31.7", "3.5.140.2", "short-secret"} {
		if bytes.Contains(b, []byte(leak)) {
			t.Errorf("%q survived in %s", leak, b)
		}
	}
	if v := got.Agent.Installed.Value; v != "3.3.40.0" {
		t.Errorf("version became %q", v)
	}
	// The endpoint still lies in the network of eth0 and is still private.
	e := got.Network.Endpoints.Value[0]
	if !inside(t, got.Host.Interfaces.Value[0].Addresses[0], e.TCP[0].Address) || !strings.HasPrefix(e.TCP[0].Address, "10.") {
		t.Errorf("%s is not in %s any more", e.TCP[0].Address, got.Host.Interfaces.Value[0].Addresses[0])
	}
	if e.TCP[0].Source+"/20" != got.Host.Interfaces.Value[0].Addresses[0] {
		t.Errorf("one address became two: %s, %s", e.TCP[0].Source, got.Host.Interfaces.Value[0].Addresses[0])
	}
	if again := RedactFacts(got); !cmp.Equal(got, again) {
		t.Error(cmp.Diff(got, again))
	}
	if raw, _ := json.Marshal(StripFacts(f)); bytes.Contains(raw, []byte("short-secret")) || !bytes.Contains(raw, []byte("web-17")) {
		t.Errorf("stripped facts: %s", raw)
	}
}

func FuzzRedact(f *testing.F) {
	for _, tt := range dressed {
		f.Add(tt.text, "Prod-Web-Node")
	}
	for _, s := range secretSamples {
		f.Add("text "+s+" text", "web")
	}
	for _, n := range hostNames {
		f.Add("arn:aws:iam::123456789012:role/"+n+" at "+n, n)
	}
	names := slices.Sorted(maps.Keys(secretSamples))
	f.Fuzz(func(t *testing.T, said, role string) {
		said, role = said[:min(len(said), 200)], role[:min(len(role), 60)]
		one := text.New("seen: %s", said)
		name := names[(31*len(said)+len(role))%len(names)] // one at a time: there are many
		if got := stripSecrets(said + " " + secretSamples[name] + " " + role); strings.Contains(got, secretSamples[name]) {
			t.Errorf("the %s survived in %q", name, got)
		}
		d := &redactor{address: numbered()}
		steps := []Step{{Text: one.Add(" of the role %s", role), Command: one}} // a whole report takes long
		d.learn(steps)
		d.name("role", role)
		once := rewrite(steps, d.editor())
		if twice := rewrite(once, again); !reflect.DeepEqual(once, twice) && !cmp.Equal(once, twice) { // the first is fast
			t.Error(cmp.Diff(once, twice))
		}
		if n := len(once[0].Command.String()); n > 40*len(said)+60 {
			t.Errorf("%d bytes became %d", len(said), n)
		}
	})
}

// Buckets and log groups of documents are names of the owner's.
func TestRedactOutput(t *testing.T) {
	t.Parallel()
	f := &facts.Facts{}
	f.Agent.Output = facts.Known(facts.Output{Buckets: []string{"acme-prod-logs"}, LogGroups: []string{"/acme/prod", "/aws/ssm/AWS-RunShellScript"}}, "x")
	f.Permissions.Actions = facts.Known([]facts.Permission{{Action: "s3:PutObject", Resource: "arn:aws:s3:::acme-prod-logs/ssm-doctor/none"}}, "")
	got := RedactFacts(f)
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "acme") || strings.Contains(string(b), "/prod") {
		t.Errorf("a name survived in %+v and %+v", got.Agent.Output, got.Permissions)
	}
	if g := got.Agent.Output.Value.LogGroups; len(g) != 2 || g[1] != "/aws/ssm/AWS-RunShellScript" {
		t.Errorf("groups %v", g)
	}
	if f.Agent.Output.Value.Buckets[0] != "acme-prod-logs" {
		t.Error("the facts themselves were changed")
	}
}

// Users and buckets of sessions are names of the owner's.
func TestRedactSessions(t *testing.T) {
	t.Parallel()
	f := &facts.Facts{}
	f.Work.Users = facts.Known(facts.Users{Named: []string{"ssm-user", "janedoe"}}, "file:/etc/passwd")
	f.Log.Matches = facts.Known([]facts.Match{{ID: facts.SigRunAsMissing, Text: "Unable to start command: failed to start pty since RunAs user kimdoe does not exist"},
		{ID: facts.SigSessionUpload, Text: "Failed to upload /var/x to s3://acme-sessions/a err: NoSuchBucket"}}, "")
	b, err := json.Marshal(RedactFacts(f))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"janedoe", "kimdoe", "acme"} {
		if strings.Contains(string(b), name) {
			t.Errorf("%s survived: %s", name, b)
		}
	}
	if !strings.Contains(string(b), `"ssm-user"`) {
		t.Error("the user that every host has is gone")
	}
}

// TestHostsByPlace: a proxy or resolver is named by no list of domains.
func TestHostsByPlace(t *testing.T) {
	t.Parallel()
	r := &Report{Summary: text.Plain("proxy canproxy01:3128 refuses"), Checks: []Check{
		{ID: "proxy", Summary: text.Plain("proxyconnect tcp: dial tcp: lookup squid on 10.0.0.2:53: no such host")},
		{ID: "proxy", Summary: text.Plain("https_proxy=http://canproxy01:3128 and http://web.acmecan.xyz:8080/x, docs https://docs.aws.amazon.com/x, http://PROXY:PORT, http://localhost:1")},
		{ID: "proxy", Summary: text.Plain("acct_918273645546_logs, 918273645546_111122223333")},
	}}
	r.Normalize()
	got := Redact(r)
	all := got.Summary.String()
	for _, c := range got.Checks {
		all += "\n" + c.Summary.String()
	}
	for _, name := range []string{"canproxy01", "squid", "acmecan", "918273645546", "111122223333"} {
		if strings.Contains(all, name) {
			t.Errorf("%s is in it:\n%s", name, all)
		}
	}
	for _, word := range []string{"docs.aws.amazon.com", "http://PROXY:PORT", "http://localhost:1", "no such host"} {
		if !strings.Contains(all, word) {
			t.Errorf("%s is not in it:\n%s", word, all)
		}
	}
}
