package install

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

// agentConfig has the keys and types of amazon-ssm-agent.json, so that a wrong
// type is refused exactly where the agent refuses it.
type agentConfig struct {
	Profile struct {
		ShareCreds        *bool
		ShareProfile      string
		ForceUpdateCreds  bool
		KeyAutoRotateDays int
	}
	Mds struct {
		Endpoint                                                         string
		CommandWorkersLimit, CommandWorkerBufferLimit, CommandRetryLimit int
		StopTimeoutMillis                                                int64
	}
	Ssm struct {
		Endpoint                                                                                                       string
		HealthFrequencyMinutes, AssociationFrequencyMinutes                                                            int
		CustomInventoryDefaultLocation                                                                                 string
		AssociationLogsRetentionDurationHours, RunCommandLogsRetentionDurationHours, SessionLogsRetentionDurationHours int
		PluginLocalOutputCleanup, OrchestrationDirectoryCleanup, SessionLogsDestination                                string
	}
	Mgs struct {
		Region, Endpoint                              string
		StopTimeoutMillis                             int64
		SessionWorkersLimit, SessionWorkerBufferLimit int
		DeniedPortForwardingRemoteIPs                 []string
	}
	Agent struct {
		Name, Version, Region, OrchestrationRootDir, DownloadRootDir, ServiceDomain string
		ContainerMode, SelfUpdate, TelemetryMetricsToCloudWatch                     bool
		TelemetryMetricsToSSM, ShouldPurgeInstanceProfileRoleCreds, ForceFileIPC    bool
		UseDualStackEndpoint                                                        bool
		SelfUpdateScheduleDay, AuditExpirationDay, GoMaxProcForAgentWorker          int
		LongRunningWorkerMonitorIntervalSeconds                                     int
	}
	Os  struct{ Lang, Name, Version string }
	S3  struct{ Endpoint, Region, LogBucket, LogKey string }
	Kms struct {
		Endpoint                    string
		RequireKMSChallengeResponse bool
	}
	Birdwatcher struct{ ForceEnable bool }
	Identity    struct {
		ConsumptionOrder               []string
		CustomIdentities               []struct{ InstanceID, Region, AvailabilityZone, AvailabilityZoneId, InstanceType, CredentialsProvider string }
		Ec2SystemInfoDetectionResponse string
	}
}

// identityNames are the values of ConsumptionOrder that the agent knows.
var identityNames = []string{"OnPrem", "EC2", "ECS", "CustomIdentity"}

// ParseConfig reads amazon-ssm-agent.json as the agent does: keys in any case,
// wrong types refused, numbers out of range replaced, unknown keys ignored.
func ParseConfig(b []byte) facts.Config {
	var in agentConfig
	if err := json.Unmarshal(b, &in); err != nil {
		return facts.Config{ParseError: configError(b, err)}
	}
	c := facts.Config{
		Region: gather.ShownRegion(in.Agent.Region), ServiceDomain: gather.ShownHost(in.Agent.ServiceDomain), ContainerMode: in.Agent.ContainerMode,
		SSMEndpoint: gather.ShownHost(in.Ssm.Endpoint), MgsEndpoint: gather.ShownHost(in.Mgs.Endpoint), MgsRegion: gather.ShownRegion(in.Mgs.Region), MdsEndpoint: gather.ShownHost(in.Mds.Endpoint),
		S3Endpoint: gather.ShownHost(in.S3.Endpoint), KmsEndpoint: gather.ShownHost(in.Kms.Endpoint),
		ShareProfile:  text(in.Profile.ShareProfile),
		HealthMinutes: in.Ssm.HealthFrequencyMinutes, DualStack: in.Agent.UseDualStackEndpoint, TelemetryToCW: in.Agent.TelemetryMetricsToCloudWatch,
		ConsumptionOrder: []string{}, UnknownKeys: []string{},
	}
	if c.HealthMinutes < 5 || c.HealthMinutes > 60 {
		c.HealthMinutes = 5
	}
	for _, o := range in.Identity.ConsumptionOrder {
		if slices.Contains(identityNames, o) && !slices.Contains(c.ConsumptionOrder, o) {
			c.ConsumptionOrder = append(c.ConsumptionOrder, o)
		}
	}
	for _, id := range in.Identity.CustomIdentities {
		c.CustomIdentity = c.CustomIdentity || id.InstanceID != "" && id.Region != ""
	}
	unknownKeys(reflect.TypeFor[agentConfig](), b, "", &c.UnknownKeys)
	slices.Sort(c.UnknownKeys)
	return c
}

// text makes a value of the configuration fit for a fact.
func text(s string) string { return gather.OneLine(s, 300) }

// configError describes why the agent refuses the file, with the line of a
// syntax error; decoding errors quote at most one character of the file.
func configError(b []byte, err error) string {
	line := func(off int64) int {
		n := 1
		for _, c := range b[:min(max(off, 0), int64(len(b)))] {
			if c == '\n' {
				n++
			}
		}
		return n
	}
	if se, ok := errors.AsType[*json.SyntaxError](err); ok {
		if len(b) >= 3 && string(b[:3]) == "\xef\xbb\xbf" {
			return "the file begins with a byte order mark: " + gather.OneLine(se.Error(), 200)
		}
		return fmt.Sprintf("%s (line %d)", gather.OneLine(se.Error(), 200), line(se.Offset))
	}
	if te, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Sprintf("%s must be a %s, not a %s (line %d)", gather.OneLine(te.Field, 100), te.Type.Kind(), strings.Fields(te.Value + " ?")[0], line(te.Offset))
	}
	return gather.OneLine(err.Error(), 200)
}

const maxUnknownKeys = 20

// unknownKeys adds the keys of an object, and of those in it, that the agent does not know.
func unknownKeys(t reflect.Type, b []byte, prefix string, out *[]string) {
	var object map[string]json.RawMessage // values are taken apart where they can hold known keys only
	if json.Unmarshal(b, &object) != nil {
		return
	}
	for _, k := range slices.Sorted(maps.Keys(object)) {
		v := object[k]
		var ft reflect.Type
		for i := range t.NumField() {
			if strings.EqualFold(t.Field(i).Name, k) {
				ft = t.Field(i).Type
			}
		}
		if ft == nil {
			if len(*out) < maxUnknownKeys {
				*out = append(*out, text(prefix+k))
			}
			continue
		}
		if ft.Kind() == reflect.Struct {
			unknownKeys(ft, v, prefix+k+".", out)
		}
	}
}
