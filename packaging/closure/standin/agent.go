//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
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
