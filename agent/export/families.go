package export

import (
	"runtime"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/version"

	"ssm-doctor/agent/report"
)

// family is one metric family: a row of the reference, and how it is filled.
type family struct {
	name       string
	kind       prometheus.ValueType
	help       string
	labels     []string
	values     map[string][]string // closed lists of labels, for the reference
	group      string              // what --metrics.disable names
	lean       bool                // kept by --metrics.lean
	off        bool                // not exposed unless everything is
	needsRun   bool                // a run has ended
	needsFacts bool                // the last run brought facts
	needsStats bool                // a daemon
	absent     string              // when there is no series; empty: always there
	collect    func(*emitter)

	once    sync.Once
	theDesc *prometheus.Desc
}

const counter = prometheus.CounterValue

// valueType is a gauge unless the row says otherwise.
func (f *family) valueType() prometheus.ValueType {
	if f.kind == 0 {
		return prometheus.GaugeValue
	}
	return f.kind
}

func (f *family) desc() *prometheus.Desc {
	f.once.Do(func() { f.theDesc = prometheus.NewDesc(f.name, f.help, f.labels, nil) })
	return f.theDesc
}

// Groups lists the names that Options.Disable knows.
func Groups() []string {
	var out []string
	for _, f := range families {
		if !slices.Contains(out, f.group) {
			out = append(out, f.group)
		}
	}
	return out
}

func (o Options) families() []*family {
	var out []*family
	for _, f := range families {
		if o.Lean && !f.lean || f.off && !o.All || slices.Contains(o.Disable, f.group) {
			continue
		}
		out = append(out, f)
	}
	return out
}

// Closed lists of label values.
var (
	packages  = []string{"rpm", "deb", "snap", "msi", "pkg", "binary", "managed", "none"}
	endpoints = []string{"ssm", "ssmmessages", "ec2messages", "s3", "kms", "logs", "monitoring", "sts"}
	// nodeEndpoints are those that make a managed node.
	nodeEndpoints = []string{"ssm", "ssmmessages", "ec2messages"}
	routes        = []string{"public", "private", "mixed", "proxy"}
)

// families is every family, in the order of the reference.
var families = []*family{
	{name: "ssm_doctor_node_state", group: "node", lean: true, labels: []string{"state"}, values: map[string][]string{"state": report.States},
		help: "Whether this host is a managed node, as of the last run. Exactly one state is 1.",
		collect: func(e *emitter) {
			now := report.Unknown
			if r := e.snapshot.Report; r != nil && slices.Contains(report.States, r.State) {
				now = r.State
			}
			for _, s := range report.States {
				e.send(number(s == now), s)
			}
		}},
	{name: "ssm_doctor_node_state_since_timestamp_seconds", group: "node", lean: true, needsStats: true, absent: "before the first run; without a daemon",
		help:    "Unix time at which the state and root cause of the last run began.",
		collect: func(e *emitter) { e.time(e.snapshot.Stats.Since) }},
	{name: "ssm_doctor_root_cause_info", group: "node", lean: true, labels: []string{"cause", "group"},
		help:    "Most probable root cause as of the last run; healthy when nothing is wrong, undetermined when it cannot be determined.",
		collect: rootCause},
	{name: "ssm_doctor_findings", group: "node", lean: true, needsFacts: true, labels: []string{"severity"}, values: map[string][]string{"severity": report.Severities}, absent: "before the first run",
		help: "Findings of the last run.", collect: findings},
	{name: "ssm_doctor_check_success", group: "checks", needsFacts: true, labels: []string{"check"}, absent: "for checks that were skipped or could not tell",
		help: "1 when the check passed, 0 when it warns or fails, as of the last run; absent for checks that were skipped or are unknown.",
		collect: func(e *emitter) {
			for _, c := range e.snapshot.Report.Checks {
				switch c.Status {
				case "pass":
					e.send(1, c.ID)
				case "warn", "fail":
					e.send(0, c.ID)
				}
			}
		}},
	{name: "ssm_doctor_checks", group: "node", needsFacts: true, labels: []string{"status"}, values: map[string][]string{"status": report.Statuses}, absent: "before the first run",
		help: "Checks by outcome, as of the last run.",
		collect: func(e *emitter) {
			n := map[string]int{}
			for _, c := range e.snapshot.Report.Checks {
				n[c.Status]++
			}
			for _, s := range report.Statuses {
				e.send(float64(n[s]), s)
			}
		}},
	{name: "ssm_doctor_source_success", group: "sources", needsFacts: true, labels: []string{"source"}, absent: "before the first run",
		help: "Whether facts could be gathered from this source, as of the last run.",
		collect: func(e *emitter) {
			for _, s := range e.snapshot.Report.Sources {
				e.send(number(s.Success), s.Name)
			}
		}},
	{name: "ssm_doctor_source_duration_seconds", group: "source-durations", off: true, needsFacts: true, labels: []string{"source"}, absent: "before the first run",
		help: "Time taken to gather facts from this source, as of the last run.",
		collect: func(e *emitter) {
			for _, s := range e.snapshot.Report.Sources {
				e.send(s.Duration, s.Name)
			}
		}},
	{name: "ssm_doctor_node_info", group: "node", needsFacts: true, labels: []string{"node_id", "kind", "platform"}, values: map[string][]string{"kind": report.Kinds}, absent: "before the first run",
		help: "Identity of this node as of the last run.",
		collect: func(e *emitter) {
			r := e.snapshot.Report
			platform := ""
			if r.Measures != nil {
				platform = r.Measures.Platform
			}
			e.send(1, r.Node.ID, oneOf(r.Node.Kind, report.Kinds), platform)
		}},
	{name: "ssm_doctor_agent_info", group: "agent", lean: true, needsFacts: true, labels: []string{"version", "latest_version", "package"}, values: map[string][]string{"package": packages}, absent: "before the first run",
		help: "SSM Agent found here, as of the last run; empty labels are not known.",
		collect: func(e *emitter) {
			m := measures(e)
			e.send(1, e.snapshot.Report.AgentVersion, m.AgentLatest, oneOf(m.AgentPackage, packages))
		}},
	{name: "ssm_doctor_agent_running", group: "agent", needsFacts: true, absent: "when it cannot be told",
		help: "Whether the agent's process runs, as of the last run.", collect: func(e *emitter) { e.bool(measures(e).AgentRunning) }},
	{name: "ssm_doctor_agent_outdated", group: "agent", needsFacts: true, absent: "when the newest version or the installed one is not known",
		help: "Whether the agent is older than the version that metrics.agent_latest names, as of the last run; absent when either is not known.", collect: outdated},
	{name: "ssm_doctor_agent_start_time_seconds", group: "agent", needsFacts: true, absent: "when it does not run or that cannot be told",
		help: "Unix time at which the agent's process started, as of the last run.", collect: func(e *emitter) { e.time(measures(e).AgentStarted) }},
	{name: "ssm_doctor_agent_last_ping_timestamp_seconds", group: "agent", needsFacts: true, absent: "when none was seen",
		help: "Unix time of the last health ping the service accepted, from the agent's log as of the last run; absent when none was seen.", collect: func(e *emitter) { e.time(e.snapshot.Report.LastPing) }},
	{name: "ssm_doctor_agent_log_unexplained", group: "agent", needsFacts: true, absent: "when the log was not read",
		help: "Kinds of warnings and errors in the agent's log of the last day that ssm-doctor does not know, as of the last run. They do not change the state.",
		collect: func(e *emitter) {
			if r := e.snapshot.Report; r.UnexplainedMore != nil {
				e.send(float64(len(r.Unexplained) + *r.UnexplainedMore))
			}
		}},
	{name: "ssm_doctor_agent_managed_until_timestamp_seconds", group: "agent", needsFacts: true, absent: "when nothing will end it, or when is not known",
		help:    "Unix time at which a node that is accepted now will be lost, as of the last run: its credentials or its registration end then and cannot be renewed; absent when nothing ends it or the time is not known.",
		collect: func(e *emitter) { e.time(e.snapshot.Report.Until) }},
	{name: "ssm_doctor_registered", group: "registration", needsFacts: true, absent: "when the vault cannot be read",
		help: "Whether the local state holds a node identity, as of the last run.", collect: func(e *emitter) { e.bool(measures(e).Registered) }},
	{name: "ssm_doctor_registration_key_created_timestamp_seconds", group: "registration", needsFacts: true, absent: "where there is no key",
		help: "Unix time at which the registration's key pair was created, as of the last run; absent where there is none.", collect: func(e *emitter) { e.time(measures(e).KeyCreated) }},
	{name: "ssm_doctor_imds_reachable", group: "imds", needsFacts: true, absent: "when it was not asked",
		help: "Whether instance metadata answered a token request of IMDSv2, as of the last run; 0 also when the hop limit keeps the answer from this host.", collect: func(e *emitter) { e.bool(measures(e).IMDSReachable) }},
	{name: "ssm_doctor_imds_token_required", group: "imds", needsFacts: true, absent: "when instance metadata does not answer",
		help: "Whether instance metadata refuses requests without a token, as of the last run.", collect: func(e *emitter) { e.bool(measures(e).IMDSTokenRequired) }},
	{name: "ssm_doctor_imds_request_duration_seconds", group: "imds", needsFacts: true, labels: []string{"operation"}, values: map[string][]string{"operation": {"token", "identity", "credentials"}}, absent: "for requests that were not answered",
		help: "Duration of a request to instance metadata, as of the last run.",
		collect: func(e *emitter) {
			m := measures(e)
			e.float(m.IMDSTokenSeconds, "token")
			e.float(m.IMDSIdentitySeconds, "identity")
			e.float(m.IMDSCredentialsSeconds, "credentials")
		}},
	{name: "ssm_doctor_credentials_info", group: "credentials", needsFacts: true, labels: []string{"source"}, values: map[string][]string{"source": report.Sources}, absent: "before the first run",
		help: "Where the agent's credentials come from, as of the last run.",
		collect: func(e *emitter) {
			if s := oneOf(e.snapshot.Report.Credentials.Source, report.Sources); s != "" {
				e.send(1, s)
			}
		}},
	{name: "ssm_doctor_credentials_expiry_timestamp_seconds", group: "credentials", lean: true, needsFacts: true, absent: "when they do not expire or there are none",
		help: "Unix time at which the credentials in use expire, as of the last run; absent when they do not expire or there are none.", collect: func(e *emitter) { e.time(e.snapshot.Report.Credentials.ExpiresAt) }},
	{name: "ssm_doctor_permissions_read_timestamp_seconds", group: "permissions", needsFacts: true, absent: "when none was asked for",
		help: "Unix time at which AWS was last asked for a right of this node, as of the last run.", collect: func(e *emitter) { e.time(measures(e).PermissionsRead) }},
	{name: "ssm_doctor_feature_ready", group: "features", needsFacts: true, labels: []string{"feature"}, absent: "when it cannot be told",
		help: "Whether the node's rights suffice for the feature and no finding breaks it, as of the last run; absent when it is not known.",
		collect: func(e *emitter) {
			for _, f := range e.snapshot.Report.Features {
				if e.features(f.ID) && (f.Ready == "yes" || f.Ready == "no") {
					e.send(number(f.Ready == "yes"), f.ID)
				}
			}
		}},
	{name: "ssm_doctor_feature_permissions", group: "feature-permissions", off: true, needsFacts: true, labels: []string{"feature", "result"}, values: map[string][]string{"result": {"allowed", "denied", "unknown"}}, absent: "before the first run",
		help: "IAM actions the feature needs by result, as of the last run.",
		collect: func(e *emitter) {
			for _, f := range measures(e).Features {
				if e.features(f.ID) {
					e.send(float64(f.Allowed), f.ID, "allowed")
					e.send(float64(f.Denied), f.ID, "denied")
					e.send(float64(f.Unknown), f.ID, "unknown")
				}
			}
		}},
	{name: "ssm_doctor_endpoint_reachable", group: "endpoints", needsFacts: true, labels: []string{"endpoint"}, values: map[string][]string{"endpoint": endpoints}, absent: "for endpoints that were not tried to the end",
		help: "Whether DNS, TCP, TLS and an answer of AWS over HTTP all worked, as of the last run that used the network.", collect: reachable},
	{name: "ssm_doctor_endpoint_duration_seconds", group: "endpoint-durations", needsFacts: true, labels: []string{"endpoint", "phase"}, values: map[string][]string{"endpoint": endpoints, "phase": {"resolve", "connect", "tls", "http"}}, absent: "for phases that were not reached; without all metrics for other endpoints than ssm, ssmmessages and ec2messages",
		help: "Duration of a phase of the connection, as of the last run that used the network; phases that were not reached are absent.",
		collect: func(e *emitter) {
			for _, p := range measures(e).Endpoints {
				if s := oneOf(p.Service, endpoints); s != "" && (e.all || slices.Contains(nodeEndpoints, s)) {
					e.float(p.Resolve, s, "resolve")
					e.float(p.Connect, s, "connect")
					e.float(p.TLS, s, "tls")
					e.float(p.HTTP, s, "http")
				}
			}
		}},
	{name: "ssm_doctor_endpoint_tls_expiry_timestamp_seconds", group: "endpoints", needsFacts: true, labels: []string{"endpoint"}, values: map[string][]string{"endpoint": endpoints}, absent: "when no certificate was verified",
		help: "Unix time at which the first certificate of the verified chain expires, as of the last run that used the network.",
		collect: func(e *emitter) {
			for _, p := range measures(e).Endpoints {
				if s := oneOf(p.Service, endpoints); s != "" && !p.TLSExpires.IsZero() {
					e.send(float64(p.TLSExpires.Unix()), s)
				}
			}
		}},
	{name: "ssm_doctor_endpoint_info", group: "endpoints", needsFacts: true, labels: []string{"endpoint", "route"}, values: map[string][]string{"endpoint": endpoints, "route": routes}, absent: "when the name does not resolve",
		help: "How the endpoint is reached, as of the last run that used the network.",
		collect: func(e *emitter) {
			seen := map[string]bool{}
			for _, p := range e.snapshot.Report.Endpoints {
				s, r := oneOf(p.Service, endpoints), oneOf(p.Route, routes)
				if s != "" && r != "" && !seen[s] {
					seen[s] = true
					e.send(1, s, r)
				}
			}
		}},
	{name: "ssm_doctor_clock_skew_seconds", group: "clock", lean: true, needsFacts: true, absent: "when no AWS service answered",
		help: "Clock of this host minus the clock of an AWS service, as of the last run that used the network; positive is ahead.",
		collect: func(e *emitter) {
			if s := e.snapshot.Report.ClockSkew; s != nil {
				e.send(*s)
			}
		}},
	{name: "ssm_doctor_last_run_timestamp_seconds", group: "runs", lean: true, needsRun: true, absent: "before the first run",
		help: "Unix time at which the last run finished.", collect: func(e *emitter) { e.time(e.snapshot.At) }},
	{name: "ssm_doctor_last_run_duration_seconds", group: "runs", lean: true, needsRun: true, absent: "before the first run",
		help: "Duration of the last run.", collect: func(e *emitter) { e.send(e.snapshot.Report.Duration) }},
	{name: "ssm_doctor_last_run_success", group: "runs", lean: true, needsRun: true, absent: "before the first run",
		help: "Whether the last run completed without internal error or timeout; it says nothing about the node.", collect: func(e *emitter) { e.send(number(e.snapshot.Success)) }},
	{name: "ssm_doctor_run_interval_seconds", group: "runs", lean: true, needsStats: true, absent: "without a daemon",
		help: "Configured time between runs that use the network.", collect: func(e *emitter) { e.send(e.snapshot.Stats.Interval.Seconds()) }},
	{name: "ssm_doctor_runs_total", kind: counter, group: "runs", needsStats: true, labels: []string{"trigger"}, values: map[string][]string{"trigger": Triggers}, absent: "without a daemon",
		help: "Runs finished since start.",
		collect: func(e *emitter) {
			for _, t := range Triggers {
				e.send(float64(e.snapshot.Stats.Runs[t]), t)
			}
		}},
	{name: "ssm_doctor_aws_requests_total", kind: counter, group: "aws", needsStats: true, labels: []string{"operation"}, absent: "without a daemon",
		help: "Requests sent to AWS since start, as of the last run.",
		collect: func(e *emitter) {
			for _, op := range e.snapshot.Stats.Operations {
				e.send(float64(e.snapshot.Stats.Requests[op]), op)
			}
		}},
	{name: "ssm_doctor_aws_request_failures_total", kind: counter, group: "aws", needsStats: true, labels: []string{"operation", "reason"}, values: map[string][]string{"reason": report.FailureReasons}, absent: "without a daemon",
		help: "Requests to AWS that failed since start, as of the last run.",
		collect: func(e *emitter) {
			for _, op := range e.snapshot.Stats.Operations {
				for _, why := range report.FailureReasons {
					e.send(float64(e.snapshot.Stats.Failures[Failure{op, why}]), op, why)
				}
			}
		}},
	{name: "ssm_doctor_config_last_reload_success", group: "runs", needsStats: true, absent: "without a daemon",
		help: "Whether the last load of the configuration worked.", collect: func(e *emitter) { e.send(number(e.snapshot.Stats.ReloadOK)) }},
	{name: "ssm_doctor_history_write_success", group: "runs", needsStats: true, absent: "when no history is kept on disk",
		help: "Whether the history of states could be written to disk, as of the last run.", collect: func(e *emitter) { e.bool(e.snapshot.Stats.HistoryOK) }},
	{name: "ssm_doctor_build_info", group: "runs", lean: true, labels: []string{"version", "revision", "branch", "goversion", "goos", "goarch", "tags"},
		help: "Build of ssm-doctor. Always 1.",
		collect: func(e *emitter) {
			e.send(1, version.Version, version.GetRevision(), version.Branch, version.GoVersion, runtime.GOOS, runtime.GOARCH, version.GetTags())
		}},
}
