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
// type is refused exactly where the agent refuses it. Those that came later stand in
// node.ConfigKeysSince with the release they came with.
// Source: amazon-ssm-agent, README.md and agent/appconfig/contracts.go.
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
		HealthFrequencyMinutes, AssociationFrequencyMinutes, AssociationRetryLimit                                     int
		HibernationMaxBackoffIntervalMinutes, SessionHandshakeTimeoutSeconds, CredentialRetryMaxSleepSeconds           int
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
		UseDualStackEndpoint, GlobalEnhancedTelemetryEnabled                        bool
		EnforceWorkspaceRootOwnership                                               *bool
		TelemetryMetricsNamespace                                                   string
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

// retiredKeys are those that templates of the agent had and no release reads any more:
// they are left over, and no typing errors. A name that ends in a point stands for all
// below it.
// Source: amazon-ssm-agent, amazon-ssm-agent.json.template of 2.0 to 3.0.
var retiredKeys = []string{"Plugins.", "Profile.ProfilePath", "Profile.ProfileName", "Profile.Path", "Profile.Name", "Ssm.InsecureSkipVerify", "S3.CrossRegion"}

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
		ConsumptionOrder: []string{}, UnknownKeys: []string{}, Keys: []string{},
		SelfUpdate: in.Agent.SelfUpdate, OwnershipOff: in.Agent.EnforceWorkspaceRootOwnership != nil && !*in.Agent.EnforceWorkspaceRootOwnership,
		CredentialRetrySeconds: in.Ssm.CredentialRetryMaxSleepSeconds, HibernationMinutes: in.Ssm.HibernationMaxBackoffIntervalMinutes,
	}
	if c.CredentialRetrySeconds < 60 || c.CredentialRetrySeconds > 1800 {
		c.CredentialRetrySeconds = 0
	}
	if c.HibernationMinutes < 5 || c.HibernationMinutes > 1440 {
		c.HibernationMinutes = 0
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
	sortKeys(reflect.TypeFor[agentConfig](), b, "", &c)
	slices.Sort(c.UnknownKeys)
	slices.Sort(c.Keys)
	return c
}

// readConfig reads the agent's configuration. A folder in its place ends the agent, as a
// file does that it cannot parse.
func readConfig(fsys gather.FileSystem, name string) facts.Seen[facts.Config] {
	b, err := gather.ReadFile(fsys, name, gather.MaxSmall)
	switch {
	case err == nil:
		return facts.Known(ParseConfig(b), gather.FileURL(name))
	case gather.IsFolder(fsys, name, err):
		return facts.Known(facts.Config{ParseError: "it is a folder, not a file", Folder: true}, gather.FileURL(name))
	}
	return gather.Unseen[facts.Config](err, name)
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

// Bounds of what is kept of the keys of a file; the agent knows fewer than 80.
const (
	maxUnknownKeys = 20
	maxKeys        = 100
)

// sortKeys parts the keys of an object, and of those in it, into those that the agent
// knows, in its own spelling, and those that it ignores.
func sortKeys(t reflect.Type, b []byte, prefix string, c *facts.Config) {
	var object map[string]json.RawMessage // values are taken apart where they can hold known keys only
	if json.Unmarshal(b, &object) != nil {
		return
	}
	for _, k := range slices.Sorted(maps.Keys(object)) {
		field, ok := fieldOf(t, k)
		switch group := strings.HasPrefix(strings.TrimSpace(string(object[k])), "{"); {
		case !ok && isRetired(prefix+k):
		case !ok:
			if len(c.UnknownKeys) < maxUnknownKeys {
				c.UnknownKeys = append(c.UnknownKeys, text(prefix+k))
			}
		case group && field.Type.Kind() == reflect.Struct:
			sortKeys(field.Type, object[k], prefix+field.Name+".", c)
		case len(c.Keys) < maxKeys:
			c.Keys = append(c.Keys, prefix+field.Name)
		}
	}
}

func fieldOf(t reflect.Type, key string) (reflect.StructField, bool) {
	return t.FieldByNameFunc(func(name string) bool { return strings.EqualFold(name, key) })
}

func isRetired(key string) bool {
	return slices.ContainsFunc(retiredKeys, func(r string) bool {
		stem, group := strings.CutSuffix(r, ".")
		return strings.EqualFold(key, stem) || group && len(key) > len(r) && strings.EqualFold(key[:len(r)], r)
	})
}
