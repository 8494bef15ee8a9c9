package sim_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// observed is one situation of testdata/scenarios.json: what can be seen on a
// host, and the answer it should get.
type observed struct {
	ID         string     `json:"id"`
	Platform   string     `json:"platform"`
	Observable observable `json:"observable"`
	Expected   expected   `json:"expected"`
}

type observable struct {
	OS            string                       `json:"os"`
	Version       string                       `json:"agent_version"`
	Previous      string                       `json:"previous_agent_version"`
	Firewall      string                       `json:"host_firewall"`
	Sockets       []string                     `json:"sockets"`
	Service       serviceState                 `json:"service_state"`
	IMDS          map[string]imdsAnswer        `json:"imds"`
	Files         map[string]fileState         `json:"files"`
	Log           []string                     `json:"agent_log"`
	API           map[string]json.RawMessage   `json:"api"`
	Network       map[string]netState          `json:"network"`
	ClockSkew     float64                      `json:"clock_skew_s"`
	Env           map[string]map[string]string `json:"env"`
	Host          map[string]json.RawMessage   `json:"host"`
	Packages      map[string]string            `json:"packages"`
	HostAddresses map[string]bool              `json:"host_addresses"`
	Audit         []string                     `json:"audit"`
	DMI           map[string]string            `json:"dmi"`
	InContainer   bool                         `json:"in_container"`
	NTP           map[string]bool              `json:"ntp"`
	Now           string                       `json:"now"`
	Boot          string                       `json:"boot_time"`
	Routes        []string                     `json:"routes"`
	Task          *taskState                   `json:"task"`
}

type serviceState struct {
	Manager   string   `json:"manager"`
	Unit      string   `json:"unit"`
	Active    string   `json:"active"`
	Sub       string   `json:"sub"`
	Enabled   string   `json:"enabled"`
	Since     string   `json:"since"`
	Exit      any      `json:"exit_status"`
	Restarts  int      `json:"restarts"`
	User      string   `json:"user"`
	Processes []string `json:"processes"`
	Others    []struct {
		Unit   string `json:"unit"`
		Active string `json:"active"`
	} `json:"others"`
}

type taskState struct {
	Exec     bool `json:"enableExecuteCommand"`
	ReadOnly bool `json:"readonlyRootFilesystem"`
}

type imdsAnswer struct {
	Status int             `json:"status"`
	Body   json.RawMessage `json:"body"`
	Error  string          `json:"error"`
}

func (a imdsAnswer) text() string {
	var s string
	_ = json.Unmarshal(a.Body, &s) // an object has no text
	return s
}

func (a imdsAnswer) object() map[string]string {
	m := map[string]string{}
	_ = json.Unmarshal(a.Body, &m) // a text has no members
	return m
}

type fileState struct {
	Exists     bool            `json:"exists"`
	Content    json.RawMessage `json:"content"`
	Mode       string          `json:"mode"`
	Dir        bool            `json:"dir"`
	Keys       []string        `json:"keys"`
	InstanceID string          `json:"instanceID"`
	ParseError string          `json:"parse_error"`
}

type netState struct {
	DNS       []string            `json:"dns"`
	AAAA      []string            `json:"dns_aaaa"`
	DNSError  string              `json:"dns_error"`
	Scope     string              `json:"scope"`
	TCP443    string              `json:"tcp443"`
	TLS       string              `json:"tls"`
	Issuer    string              `json:"peer_issuer"`
	WebSocket string              `json:"websocket"`
	Connect   string              `json:"http_connect"`
	Resolver  string              `json:"resolver"`
	Resolvers map[string][]string `json:"resolvers"`
}

type outcome struct {
	Outcome  string `json:"outcome"`
	HTTP     int    `json:"http"`
	Code     string `json:"code"`
	Message  string `json:"message"`
	Resource string `json:"resource"`
	ARN      string `json:"arn"`
}

func (o *observable) call(action string) (out outcome, ok bool) {
	raw, ok := o.API[action]
	return out, ok && json.Unmarshal(raw, &out) == nil && out.Outcome != ""
}

type expected struct {
	Root      string   `json:"root_cause_id"`
	Severity  string   `json:"severity"`
	State     string   `json:"state"`
	Mention   []string `json:"must_mention"`
	NotBlame  []string `json:"must_not_blame"`
	Remedy    []string `json:"remedy_contains"`
	AlsoOK    []string `json:"also_accept"`
	Secondary []string `json:"secondary_root_cause_ids"`
}

func catalogue(t testing.TB) []observed {
	t.Helper()
	b, err := os.ReadFile("testdata/scenarios.json")
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Scenarios []observed `json:"scenarios"`
	}
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	return c.Scenarios
}

// says reports whether a text holds one of the alternatives a|b, in any case.
func says(text, alternatives string) bool {
	text = strings.ToLower(text)
	for a := range strings.SplitSeq(alternatives, "|") {
		if strings.Contains(text, strings.ToLower(a)) {
			return true
		}
	}
	return false
}
