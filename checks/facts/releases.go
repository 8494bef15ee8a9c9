package facts

import (
	"maps"
	"slices"
	"strings"
)

// ranges are the releases of the rows of Signatures whose words came, went or changed,
// by Words.
// Source: the source of the agent's public releases 2.3.13.0 to 3.3.1142.0; for
// ec2messages the notes of 3.3.4268.0, from which on the agent writes the refusal at
// debug.
var ranges = map[string]Releases{
	"[EC2Identity] … failed to get identity instance id":                          {"3.2.183.0", ""},
	"Agent failed to assume any identity":                                         {"3.0.732.0", ""},
	"Agent service crashed with message":                                          {"3.0.854.0", ""},
	"Agent Worker crashed with message":                                           {"3.0.151.0", ""},
	"app config could not be loaded":                                              {"3.0.151.0", ""},
	"changed more than the allowed threshold":                                     {"3.0.413.0", ""},
	"Core Agent crashed with message":                                             {"3.0.151.0", ""},
	"Could not fetch instance Id":                                                 {"3.2.532.0", ""},
	"CreateControlChannel failed":                                                 {"2.3.50.0", ""},
	"due to unspecified region":                                                   {"3.0.1031.0", ""},
	"ec2 instance not yet registered with Systems Manager":                        {"3.2.183.0", ""},
	"error occurred in RequestManagedInstanceRoleToken":                           {"", "3.1.459.0"},
	"error occurred when starting ssm-agent-worker":                               {"3.0.151.0", ""},
	"Error setting up control channel":                                            {"3.1.821.0", ""},
	"failed to connect controlchannel":                                            {"2.3.50.0", ""},
	"Failed to connect to Systems Manager with instance profile role credentials": {"3.2.183.0", ""},
	"Failed to connect to Systems Manager with SSM role credentials":              {"3.2.183.0", ""},
	"failed to create IPC folder":                                                 {"3.0.151.0", ""},
	"Failed to fetch region":                                                      {"", "3.0.284.0"},
	"failed to find identity, retrying":                                           {"3.0.732.0", ""},
	"Failed to get controlchannel token":                                          {"2.3.50.0", ""},
	"failed to get identity":                                                      {"3.0.732.0", ""},
	"Failed to get instance info from IMDS":                                       {"3.2.1297.0", ""},
	"failed to initialize websocket channel for controlchannel":                   {"2.3.50.0", ""},
	"Failed to save new expiration":                                               {"3.1.501.0", ""},
	"Failed to save runtime config":                                               {"3.1.501.0", ""},
	"Failed to setup control channel":                                             {"2.3.50.0", "3.1.804.0"},
	"failed to start message bus":                                                 {"3.0.151.0", ""},
	"failed to start worker":                                                      {"3.0.151.0", ""},
	"Failed to write credentials to disk":                                         {"3.1.501.0", ""},
	"GetMessages Error":                                                           {"", "3.3.4177.0"},
	"has invalid characters":                                                      {"3.1.1004.0", ""},
	"Instance appears to already be registered":                                   {"3.2.286.0", ""},
	"Next credential rotation will be in":                                         {"3.2.286.0", ""},
	"Retrieve credentials produced":                                               {"3.1.501.0", ""},
	"saved machine configuration could not be loaded":                             {"3.0.413.0", ""},
	"Set up control channel successfully":                                         {"3.1.821.0", ""},
	"shared credentials are already expired":                                      {"3.1.501.0", ""},
	"Skipping default host management fallback":                                   {"3.2.1297.0", ""},
	"Sleeping for … before retrying retrieve credentials":                         {"3.1.501.0", ""},
	"Successfully connected with instance profile role credentials":               {"3.2.419.0", ""},
	"Successfully connected with Systems Manager role credentials":                {"3.2.419.0", ""},
	"System not ready, not starting agent":                                        {"3.0.1181.0", ""},
	"The hardware ID (":                                                           {"3.0.413.0", ""},
	"unable to load shared credentials":                                           {"3.2.1297.0", ""},
	"Waiting for system state":                                                    {"3.0.1181.0", ""},
}

// Words are the fragments of a row as one text.
func (s Signature) Words() string { return strings.Join(s.Fragments, " … ") }

// Releases are the releases that write the row's words.
func (s Signature) Releases() Releases { return ranges[s.Words()] }

// RangedWords are the rows, by Words, that not all releases write.
func RangedWords() []string { return slices.Sorted(maps.Keys(ranges)) }

// LastRelease is the last release that writes an entry with a signature; empty: they
// still do.
func LastRelease(id string) string {
	last := ""
	for _, s := range Signatures {
		if s.ID != id {
			continue
		}
		until := s.Releases().Until
		if until == "" {
			return ""
		}
		last = until
	}
	return last
}
