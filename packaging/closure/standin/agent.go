//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const (
	data    = "/var/lib/amazon/ssm"
	logFile = "/var/log/amazon/ssm/amazon-ssm-agent.log"
	// since is how long ago the start is told to have been: what an agent does at a start
	// takes minutes, and all of it is done by now.
	since = 12 * time.Minute
)

func exists(path string) bool { _, err := os.Lstat(path); return err == nil }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// agent is one start of the agent.
type agent struct {
	version string
	config  struct {
		Agent    struct{ Region string }
		Identity struct{ ConsumptionOrder []string }
		Ssm      struct{ Endpoint string }
		Mgs      struct{ Endpoint string }
	}
	client   *http.Client
	metadata *http.Client
	region   string
	node     string
	lines    []string // of the log
}

func newAgent() *agent {
	dial := (&net.Dialer{Timeout: 1500 * time.Millisecond}).DialContext
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: dial, TLSHandshakeTimeout: 1500 * time.Millisecond, DisableKeepAlives: true}
	return &agent{version: version(), client: &http.Client{Transport: transport, Timeout: 3 * time.Second}, metadata: &http.Client{Transport: transport, Timeout: time.Second}}
}

func (a *agent) log(ago time.Duration, lines ...string) {
	for _, l := range lines {
		a.lines = append(a.lines, time.Now().Add(-ago).UTC().Format("2006-01-02 15:04:05.0000")+" "+l)
	}
}

// flush adds what was logged to the log, whose older lines move into the past.
func (a *agent) flush() {
	old, _ := os.ReadFile(logFile)
	var out []string
	for l := range strings.Lines(string(old)) {
		l = strings.TrimSuffix(l, "\n")
		if len(l) > 19 {
			if t, err := time.Parse(time.DateTime, l[:19]); err == nil {
				l = t.Add(-since-time.Minute).Format(time.DateTime) + l[19:]
			}
		}
		out = append(out, l)
	}
	slices.SortStableFunc(a.lines, func(x, y string) int { return strings.Compare(x[:24], y[:24]) })
	_ = os.MkdirAll(filepath.Dir(logFile), 0o755)
	_ = os.WriteFile(logFile, []byte(strings.Join(append(out, a.lines...), "\n")+"\n"), 0o600)
	start := time.Now().Add(-since).UTC()
	audit := filepath.Dir(logFile) + "/audits/amazon-ssm-agent-audit-" + start.Format(time.DateOnly)
	told, err := os.ReadFile(audit)
	if err != nil {
		told = []byte("SchemaVersion=1\n")
	}
	_ = os.MkdirAll(filepath.Dir(audit), 0o700)
	_ = os.WriteFile(audit, fmt.Appendf(told, "agent_telemetry amazon-ssm-agent.start %s %s\n", a.version, start.Format(time.TimeOnly)), 0o600)
}

// age moves what the agent kept of its credentials into the past, as its log.
func age() {
	const name = data + "/runtimeconfig/identity_config.json"
	raw, err := os.ReadFile(name)
	if err != nil {
		return
	}
	moved := reTimes.ReplaceAllFunc(raw, func(m []byte) []byte {
		x := strings.Split(string(m), `"`)
		at, err := time.Parse(time.RFC3339Nano, x[3])
		if err != nil || at.Year() <= 1 {
			return m
		}
		return []byte(`"` + x[1] + `":"` + at.Add(-since-time.Minute).UTC().Format(time.RFC3339Nano) + `"`)
	})
	_ = os.WriteFile(name, moved, 0o600)
}

var reTimes = regexp.MustCompile(`"(CredentialsRetrievedAt|CredentialsExpiresAt)":"([^"]+)"`)

// began logs a start.
func (a *agent) began() {
	a.log(since, "INFO Proxy environment variables:", "INFO https_proxy: "+os.Getenv("https_proxy"), "INFO http_proxy: "+os.Getenv("http_proxy"), "INFO no_proxy: "+os.Getenv("no_proxy"),
		"INFO Checking if agent identity type OnPrem can be assumed", "INFO [amazon-ssm-agent] amazon-ssm-agent - v"+a.version, "INFO [amazon-ssm-agent] OS: linux, Arch: amd64",
		"INFO [amazon-ssm-agent] Starting Core Agent", "INFO [CredentialRefresher] credentialRefresher has started", "INFO [CredentialRefresher] Starting credentials refresher loop")
}

// gaveUp is an agent that knows no identity: it ends, and is started again and again.
func (a *agent) gaveUp(reason string) error {
	for t := since; t > 0; t -= 2 * time.Minute {
		a.log(t-30*time.Second, "INFO Checking if agent identity type OnPrem can be assumed", "INFO Checking if agent identity type EC2 can be assumed",
			"ERROR [EC2Identity] Failed to get instance info from IMDS. Err: "+reason, "ERROR Agent failed to assume any identity", "ERROR failed to get identity: failed to find agent identity",
			"ERROR Error occurred when starting amazon-ssm-agent: failed to get identity: failed to find agent identity")
	}
	a.flush()
	return errors.New("failed to find agent identity")
}

// sleeps is an agent that got no credentials.
func (a *agent) sleeps(lines ...string) error {
	a.began()
	a.log(since-time.Second, append(lines, "INFO [CredentialRefresher] Sleeping for 27m12s before retrying retrieve credentials")...)
	a.flush()
	return a.workers(false)
}

func (a *agent) workers(run bool) error {
	return os.WriteFile("/usr/lib/lab/standin.json", fmt.Appendf(nil, `{"worker":%t}`, run), 0o644)
}

// play does what an agent does from its start on.
func (a *agent) play() error {
	age()
	for _, name := range []string{"/etc/amazon/ssm/amazon-ssm-agent.json", "/etc/amazon/ssm/amazon-ssm-agent.json.template"} {
		raw, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := json.Unmarshal(raw, &a.config); err != nil && !strings.HasSuffix(name, ".template") {
			a.log(since, "ERROR Failed to load instance info from vault. Error: "+err.Error(), "ERROR Error occurred when starting amazon-ssm-agent: "+err.Error())
			a.flush()
			return err
		}
		break
	}
	if me := os.Geteuid(); me != 0 {
		return errors.New("permission denied")
	}
	order := a.config.Identity.ConsumptionOrder
	may := func(kind string) bool { return len(order) == 0 || slices.Contains(order, kind) }
	var key struct{ InstanceID, Region string }
	if raw, err := os.ReadFile(data + "/Vault/Store/RegistrationKey"); err == nil && may("OnPrem") && json.Unmarshal(raw, &key) == nil && key.InstanceID != "" && exists(data+"/Vault/Manifest") {
		a.node, a.region = key.InstanceID, key.Region
		return a.hybrid()
	}
	if !may("EC2") {
		return a.gaveUp("EC2 is not in the order of identities")
	}
	return a.ec2()
}

// get asks the metadata service.
func (a *agent) get(token, path string) (string, int, error) {
	method := "GET"
	if path == "/latest/api/token" {
		method = "PUT"
	}
	req, err := http.NewRequest(method, "http://169.254.169.254"+path, nil)
	if err != nil {
		return "", 0, err
	}
	if method == "PUT" {
		req.Header.Set("X-aws-ec2-metadata-token-ttl-seconds", "21600")
	} else if token != "" {
		req.Header.Set("X-aws-ec2-metadata-token", token)
	}
	resp, err := a.metadata.Do(req)
	if err != nil {
		return "", 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return string(body), resp.StatusCode, err
}

// keys are credentials.
type keys struct {
	Code, Message, AccessKeyID, SecretAccessKey, Token string
	Expiration                                         time.Time
}

func (a *agent) ec2() error {
	token, status, err := a.get("", "/latest/api/token")
	if err != nil || status != http.StatusOK {
		why := fmt.Sprintf("failed to get identity instance id. Error: EC2MetadataError: failed to get IMDSv2 token and fallback to IMDSv1 is disabled\ncaused by: : \n\tstatus code: %d, request id: ", status)
		if err != nil {
			why += "\ncaused by: RequestError: send request failed\ncaused by: " + err.Error()
		}
		return a.gaveUp(why)
	}
	a.node, status, err = a.get(token, "/latest/meta-data/instance-id")
	if err != nil || status != http.StatusOK || !strings.HasPrefix(a.node, "i-") {
		return a.gaveUp("failed to get identity instance id. Error: EC2MetadataError: failed to make EC2Metadata request")
	}
	if a.region, _, err = a.get(token, "/latest/meta-data/placement/region"); err != nil {
		return a.gaveUp(err.Error())
	}
	if r := a.config.Agent.Region; r != "" {
		a.region = r
	}
	const profileFailed = "WARN EC2RoleProvider Failed to connect to Systems Manager with instance profile role credentials. Err: retrieved credentials failed to report to ssm. Error: "
	const refused = "ERROR [CredentialRefresher] Retrieve credentials produced error: "
	var first string
	var k keys
	role, status, err := a.get(token, "/latest/meta-data/iam/security-credentials/")
	switch {
	case err != nil || status != http.StatusOK:
		first = profileFailed + "EC2RoleRequestError: no EC2 instance role found"
	default:
		body, _, _ := a.get(token, "/latest/meta-data/iam/security-credentials/"+strings.TrimSpace(role))
		_ = json.Unmarshal([]byte(body), &k)
		if k.Code != "Success" {
			first = profileFailed + k.Code + ": " + k.Message
			break
		}
		unreachable, why := a.heartbeat(k)
		switch {
		case why == "":
			return a.accepted(k, "EC2", "INFO EC2RoleProvider Successfully connected with instance profile role credentials")
		case unreachable:
			return a.sleeps(refused + "unexpected error getting instance profile role credentials or calling UpdateInstanceInformation. Skipping default host management fallback: retrieved credentials failed to report to ssm. Error: " + why)
		}
		first = profileFailed + why
	}
	if older(a.version, "3.2.582.0") {
		return a.sleeps("INFO Entering SSM Agent hibernate - " + strings.TrimPrefix(first, profileFailed))
	}
	// Default Host Management.
	const none = "no valid credentials could be retrieved for ec2 identity. Default Host Management Err: "
	var identity keys
	body, _, _ := a.get(token, "/latest/meta-data/identity-credentials/ec2/security-credentials/ec2-instance")
	_ = json.Unmarshal([]byte(body), &identity)
	if !exists(data + "/Vault/Store/EC2RegistrationKey") {
		if _, _, why := a.call(identity, "ssm", "AmazonSSM.RegisterManagedInstance", map[string]any{"PublicKey": "stand-in", "PublicKeyType": "Rsa", "Fingerprint": "stand-in"}); why != "" {
			return a.sleeps(first, "ERROR [EC2Identity] Registration failed due to error registering the instance with AWS SSM. "+why, refused+none+"registration failed: "+why)
		}
		a.vault("EC2Manifest", "EC2RegistrationKey", a.node, true)
	}
	managed, unreachable, why := a.roleToken(identity)
	_ = unreachable
	if why != "" {
		why = "error calling RequestManagedInstanceRoleToken: " + why
		return a.sleeps(first, "ERROR EC2RoleProvider Failed to connect to Systems Manager with SSM role credentials. "+why, refused+none+why)
	}
	if _, why := a.heartbeat(managed); why != "" {
		return a.sleeps(first, "ERROR EC2RoleProvider Failed to connect to Systems Manager with SSM role credentials. "+why, refused+none+why)
	}
	a.share(data+"/credentials", managed)
	return a.accepted(managed, "SSM", first, "INFO EC2RoleProvider Successfully connected with Systems Manager role credentials")
}

func (a *agent) hybrid() error {
	managed, _, why := a.roleToken(keys{AccessKeyID: a.node, SecretAccessKey: "none"})
	if why != "" {
		return a.sleeps("ERROR [CredentialRefresher] Retrieve credentials produced error: " + why)
	}
	a.share("/root/.aws/credentials", managed)
	if _, why := a.heartbeat(managed); why != "" {
		a.log(2*time.Minute, "ERROR [ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - "+why)
		return a.accepted(managed, "SSM")
	}
	return a.accepted(managed, "SSM")
}

func (a *agent) roleToken(k keys) (keys, bool, string) {
	body, unreachable, why := a.call(k, "ssm", "AmazonSSM.RequestManagedInstanceRoleToken", map[string]any{"Fingerprint": "stand-in"})
	var w struct{ AccessKeyID, SecretAccessKey, SessionToken string }
	_ = json.Unmarshal(body, &w)
	return keys{AccessKeyID: w.AccessKeyID, SecretAccessKey: w.SecretAccessKey, Token: w.SessionToken, Expiration: time.Now().Add(time.Hour)}, unreachable, why
}

func (a *agent) heartbeat(k keys) (unreachable bool, why string) {
	_, unreachable, why = a.call(k, "ssm", "AmazonSSM.UpdateInstanceInformation", map[string]any{"InstanceId": a.node, "AgentVersion": a.version, "AgentStatus": "Active", "AgentName": "amazon-ssm-agent"})
	return unreachable, why
}

// host is the name of a service's endpoint.
func (a *agent) host(service string) string {
	given := map[string]string{"ssm": a.config.Ssm.Endpoint, "ssmmessages": a.config.Mgs.Endpoint}[service]
	if given != "" {
		return strings.TrimPrefix(given, "https://")
	}
	suffix := "amazonaws.com"
	if strings.HasPrefix(a.region, "cn-") {
		suffix += ".cn"
	}
	return service + "." + a.region + "." + suffix
}

// sign signs a request.
func (a *agent) sign(req *http.Request, body []byte, k keys, service string) error {
	sum := sha256.Sum256(body)
	return v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: k.AccessKeyID, SecretAccessKey: k.SecretAccessKey, SessionToken: k.Token}, req, hex.EncodeToString(sum[:]), service, a.region, time.Now())
}

// call makes a call of a service of JSON 1.1. why is as the agent's SDK words it; empty: done.
func (a *agent) call(k keys, service, target string, input any) (body []byte, unreachable bool, why string) {
	in, err := json.Marshal(input)
	if err != nil {
		return nil, false, err.Error()
	}
	req, err := http.NewRequest("POST", "https://"+a.host(service)+"/", bytes.NewReader(in))
	if err != nil {
		return nil, true, "RequestError: send request failed\ncaused by: " + err.Error()
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", target)
	if k.AccessKeyID != "" {
		if err := a.sign(req, in, k, service); err != nil {
			return nil, false, err.Error()
		}
	}
	resp, err := a.client.Do(req)
	if err != nil {
		if service == "ec2messages" && strings.Contains(err.Error(), "awaiting headers") {
			return nil, false, "" // it waits for a command
		}
		return nil, true, "RequestError: send request failed\ncaused by: " + err.Error()
	}
	defer resp.Body.Close()
	body, _ = io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if resp.StatusCode/100 == 2 {
		return body, false, ""
	}
	var e struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
		Upper   string `json:"Message"`
	}
	if json.Unmarshal(body, &e) != nil {
		return nil, true, fmt.Sprintf("SerializationError: failed to unmarshal response error\n\tstatus code: %d, request id: ", resp.StatusCode)
	}
	_, code, found := strings.Cut(e.Type, "#")
	if !found {
		code = e.Type
	}
	return nil, false, fmt.Sprintf("%s: %s\n\tstatus code: %d, request id: 65557385-1e34-0ba9-f929-53c2ac9e24eb", code, e.Message+e.Upper, resp.StatusCode)
}

// channel opens the message channel. denied: the rights are wanting.
func (a *agent) channel(k keys) (denied bool, why string) {
	way := "https://" + a.host("ssmmessages") + "/v1/control-channel/" + a.node
	body := []byte(`{"MessageSchemaVersion":"1.0","RequestId":"0b9e2a51-98f4-4f0e-9d3a-0a1b2c3d4e5f"}`)
	req, err := http.NewRequest("POST", way, bytes.NewReader(body))
	if err != nil {
		return false, err.Error()
	}
	if err := a.sign(req, body, k, "ssmmessages"); err != nil {
		return false, err.Error()
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return false, "createControlChannel request failed: failed to make http client call: " + err.Error()
	}
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return xml.Unmarshal(answer, new(struct{ Message string })) == nil && resp.StatusCode == http.StatusForbidden || strings.Contains(string(answer), "AccessDenied"),
			"createControlChannel request failed: unexpected response from the service " + string(answer)
	}
	if req, err = http.NewRequest("GET", way+"?role=subscribe&stream=input", nil); err != nil {
		return false, err.Error()
	}
	if err := a.sign(req, nil, k, "ssmmessages"); err != nil {
		return false, err.Error()
	}
	for h, v := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "c3RhbmQtaW4gb2YgdGVzdA=="} {
		req.Header.Set(h, v)
	}
	if resp, err = a.client.Do(req); err != nil {
		return false, err.Error()
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return false, "failed to connect controlchannel with error: websocket: bad handshake"
	}
	return false, ""
}

// accepted is an agent that has credentials and reported.
func (a *agent) accepted(k keys, source string, connected ...string) error {
	const cannotWrite = "ERROR [CredentialRefresher] Failed to write credentials to disk: "
	if err := a.remember(k, source); err != nil {
		return a.sleeps(append(connected, cannotWrite+err.Error())...)
	}
	a.began()
	a.log(since-time.Second, connected...)
	a.log(since-2*time.Second, "INFO [CredentialRefresher] Credentials ready", "INFO [CredentialRefresher] Next credential rotation will be in 29.9999915605 minutes",
		"INFO [amazon-ssm-agent] [LongRunningWorkerContainer] [WorkerProvider] Worker ssm-agent-worker is not running, starting worker process")
	const mgs = "[ssm-agent-worker] [MessageService] [MGSInteractor] "
	denied, why := a.channel(k)
	if why == "" {
		a.log(since-2*time.Second, "INFO "+mgs+"Successfully opened websocket connection to: 52.119.181.21:443", "INFO "+mgs+"Set up control channel successfully", "INFO "+mgs+"SSM Connection channel status is set to ssmmessages")
	} else {
		a.log(4*time.Minute, "ERROR "+mgs+"Failed to get controlchannel token, error: CreateControlChannel failed with error: "+why)
	}
	if denied {
		_, _, why := a.call(k, "ec2messages", "EC2WindowsMessageDeliveryService.GetMessages", map[string]any{"Destination": a.node, "MessagesRequestId": "0b9e2a51-98f4-4f0e-9d3a-0a1b2c3d4e5f", "VisibilityTimeoutInSeconds": 10})
		if why == "" {
			a.log(10*time.Minute, "INFO "+mgs+"SSM Connection channel status is set to ec2messages")
		} else {
			a.log(9*time.Minute, "ERROR [ssm-agent-worker] [MessageService] [MDSInteractor] error when calling AWS APIs. error details - GetMessages Error: "+why)
		}
	}
	for _, t := range []time.Duration{7 * time.Minute, 2 * time.Minute} {
		a.log(t, "INFO [ssm-agent-worker] [HealthCheck] HealthCheck reporting agent health.")
	}
	if err := os.MkdirAll(filepath.Join(data, a.node, "document"), 0o700); err != nil {
		return err
	}
	_ = os.MkdirAll(data+"/ipc", 0o750)
	a.flush()
	return a.workers(true)
}

// remember writes what the agent keeps of its credentials.
func (a *agent) remember(k keys, source string) error {
	kind, share := "EC2", ""
	if strings.HasPrefix(a.node, "mi-") {
		kind, share = "OnPrem", "/root/.aws/credentials"
	} else if source == "SSM" {
		share = data + "/credentials"
	}
	if err := os.MkdirAll(data+"/runtimeconfig", 0o700); err != nil {
		return err
	}
	raw, err := json.Marshal(map[string]any{"SchemaVersion": "1.1", "InstanceId": a.node, "IdentityType": kind, "ShareFile": share, "ShareProfile": "",
		"CredentialsExpiresAt": k.Expiration.UTC().Format(time.RFC3339), "CredentialsRetrievedAt": time.Now().Add(-since).UTC().Format(time.RFC3339Nano), "CredentialSource": source})
	if err != nil {
		return err
	}
	return os.WriteFile(data+"/runtimeconfig/identity_config.json", raw, 0o600)
}

// share writes credentials for others on this host.
func (a *agent) share(file string, k keys) {
	_ = os.MkdirAll(filepath.Dir(file), 0o700)
	_ = os.WriteFile(file, fmt.Appendf(nil, "[default]\naws_access_key_id     = %s\naws_secret_access_key = %s\naws_session_token     = %s\n", k.AccessKeyID, k.SecretAccessKey, k.Token), 0o600)
}

// vault stores a registration.
func (a *agent) vault(manifest, name, node string, public bool) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return
	}
	pub := ""
	if public {
		der, _ := x509.MarshalPKIXPublicKey(&private.PublicKey)
		pub = base64.StdEncoding.EncodeToString(der)
	}
	store := data + "/Vault/Store/"
	_ = os.MkdirAll(store, 0o700)
	key, _ := json.Marshal(map[string]string{"instanceID": node, "region": a.region, "instanceType": "", "availabilityZone": "", "privateKey": base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PrivateKey(private)),
		"publicKey": pub, "privateKeyType": "Rsa", "privateKeyCreatedDate": time.Now().UTC().Format("2006-01-02 15:04:05.999999999") + " +0000 UTC"})
	index := map[string]string{}
	if raw, err := os.ReadFile(data + "/Vault/" + manifest); err == nil {
		_ = json.Unmarshal(raw, &index)
	}
	index[name] = store + name
	list, _ := json.Marshal(index)
	_ = os.WriteFile(store+name, key, 0o600)
	_ = os.WriteFile(data+"/Vault/"+manifest, list, 0o600)
}

// register is amazon-ssm-agent -register.
func (a *agent) register(args []string) error {
	given := map[string]string{}
	for i := 0; i < len(args); i++ {
		name := strings.TrimLeft(args[i], "-")
		switch name {
		case "clear", "y":
			given[name] = "yes"
		case "id", "code", "region":
			if i++; i == len(args) {
				return fmt.Errorf("flag needs an argument: -%s", name)
			}
			given[name] = args[i]
		default:
			return fmt.Errorf("flag provided but not defined: -%s", name)
		}
	}
	vault := data + "/Vault/"
	if given["clear"] != "" {
		for _, f := range []string{"Store/RegistrationKey", "Manifest", "Store/InstanceFingerprint"} {
			if err := os.Remove(vault + f); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		_ = os.Remove(data + "/registration")
		if given["id"] == "" {
			return nil
		}
	}
	if given["id"] == "" || given["code"] == "" || given["region"] == "" {
		return errors.New("registration needs -id, -code and -region")
	}
	var had struct{ InstanceID string }
	if raw, err := os.ReadFile(vault + "Store/RegistrationKey"); err == nil && given["y"] == "" {
		_ = json.Unmarshal(raw, &had)
		if had.InstanceID != "" {
			return fmt.Errorf("Instance already registered. Would you like to override existing with new registration information? [Yes/No]: no answer")
		}
	}
	a.region = given["region"]
	body, _, why := a.call(keys{}, "ssm", "AmazonSSM.RegisterManagedInstance", map[string]any{"ActivationId": given["id"], "ActivationCode": given["code"], "PublicKey": "stand-in", "PublicKeyType": "Rsa", "Fingerprint": "stand-in"})
	if why != "" {
		return errors.New("Registration failed due to error registering the instance with AWS SSM. " + why)
	}
	var w struct{ InstanceID string }
	if err := json.Unmarshal(body, &w); err != nil || w.InstanceID == "" {
		return fmt.Errorf("registered without an id: %s", body)
	}
	a.vault("Manifest", "RegistrationKey", w.InstanceID, false)
	// The fingerprint of this machine.
	machine, _ := os.ReadFile("/etc/machine-id")
	name, _ := os.Hostname()
	fingerprint, _ := json.Marshal(map[string]any{"fingerprint": "368c560c-9969-421f-8818-6ac85f659e66", "similarityThreshold": 40, "hardwareHash": map[string]string{"machine-id": string(machine), "hostname-info": name}})
	_ = os.WriteFile(vault+"Store/InstanceFingerprint", fingerprint, 0o600)
	list, _ := json.Marshal(map[string]string{"RegistrationKey": vault + "Store/RegistrationKey", "InstanceFingerprint": vault + "Store/InstanceFingerprint"})
	_ = os.WriteFile(vault+"Manifest", list, 0o600)
	informational, _ := json.Marshal(map[string]string{"ManagedInstanceID": w.InstanceID, "Region": a.region})
	_ = os.WriteFile(data+"/registration", informational, 0o600)
	fmt.Printf("Successfully registered the instance with AWS SSM using Managed instance-id: %s\n", w.InstanceID)
	return nil
}
