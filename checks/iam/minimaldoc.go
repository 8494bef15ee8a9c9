package iam

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"ssm-doctor/checks/pattern"
)

// managedBuckets is the kind of resource for the buckets that AWS keeps.
const managedBuckets = "managed-buckets"

// grantResources are the statements for each kind of resource that a grant
// names. Kinds with the same Sid share the statement of the one that comes first.
var grantResources = map[string]func(t Target) DraftStatement{
	"any": func(Target) DraftStatement { return DraftStatement{Sid: "Node", Resource: []string{"*"}} },
	managedBuckets: func(t Target) DraftStatement {
		return DraftStatement{Sid: "ManagedBuckets", Resource: t.managedBuckets()}
	},
	"baseline-overrides": func(t Target) DraftStatement {
		return DraftStatement{Sid: "PatchBaselineOverrides", Resource: t.s3([]string{"aws-quicksetup-patchpolicy-" + cmp.Or(t.Account, "ACCOUNT_ID") + "-*"}, "/*")}
	},
	"output-buckets": func(t Target) DraftStatement {
		return DraftStatement{Sid: "OutputBuckets", Resource: t.s3(t.bucketNames(), "")}
	},
	"output-objects": func(t Target) DraftStatement {
		return DraftStatement{Sid: "OutputObjects", Resource: t.s3(t.bucketPaths(), "/*")}
	},
	"output-logs": func(t Target) DraftStatement {
		return DraftStatement{Sid: "OutputLogs", Resource: t.logGroups("LOG_GROUP")}
	},
	// Where commands write when the operator names no group.
	"command-logs": func(t Target) DraftStatement {
		return DraftStatement{Sid: "OutputLogs", Resource: t.logGroups("/aws/ssm/*")}
	},
	"agent-configuration": func(t Target) DraftStatement {
		return DraftStatement{Sid: "AgentConfiguration", Resource: []string{t.arn("ssm", "parameter/AmazonCloudWatch-*")}}
	},
	"parameters": func(t Target) DraftStatement { return DraftStatement{Sid: "Parameters", Resource: t.parameters()} },
	"parameter-keys": func(t Target) DraftStatement {
		via := "ssm." + cmp.Or(t.Region, "REGION") + "." + t.suffix()
		return DraftStatement{Sid: "ParameterKeys", Resource: t.keys("PARAMETER_KEY_ID"), Condition: map[string]map[string]string{"StringEquals": {"kms:ViaService": via}}}
	},
	"session-keys": func(t Target) DraftStatement {
		return DraftStatement{Sid: "SessionKeys", Resource: t.keys("SESSION_KEY_ID")}
	},
	"bucket-keys": func(t Target) DraftStatement {
		return DraftStatement{Sid: "BucketKeys", Resource: t.keys("BUCKET_KEY_ID")}
	},
	"join-secret": func(t Target) DraftStatement {
		return DraftStatement{Sid: "JoinSecret", Resource: []string{t.arn("secretsmanager", "secret:aws/directory-services/"+cmp.Or(t.Directory, "DIRECTORY_ID")+"/seamless-domain-join-*")}}
	},
}

// usualResource is the kind of resource of an action where the feature names none.
func usualResource(action string) string {
	service, op, _ := strings.Cut(action, ":")
	switch {
	case service == "s3" && isBucketAction(action):
		return "output-buckets"
	case service == "s3":
		return "output-objects"
	case service == "ssm" && strings.HasPrefix(op, "GetParameter"):
		return "parameters"
	case service == "logs" && op != "DescribeLogGroups":
		return "output-logs"
	case service == "kms":
		return "bucket-keys"
	case service == "secretsmanager":
		return "join-secret"
	}
	return "any"
}

// document writes statements for actions.
func (t Target) document(actions wanted) *Draft {
	d := &Draft{Version: "2012-10-17"}
	for _, a := range slices.Sorted(maps.Keys(actions)) {
		for _, f := range slices.Sorted(maps.Keys(actions[a])) {
			s := grantResources[actions[a][f]](t)
			i := slices.IndexFunc(d.Statement, func(x DraftStatement) bool { return x.Sid == s.Sid })
			if i < 0 {
				i = len(d.Statement)
				s.Effect = "Allow"
				d.Statement = append(d.Statement, s)
			}
			if !slices.Contains(d.Statement[i].Action, a) {
				d.Statement[i].Action = append(d.Statement[i].Action, a)
			}
		}
	}
	return d
}

func (t Target) partition() string { return cmp.Or(t.Partition, "aws") }

// suffix is the DNS suffix of the services.
func (t Target) suffix() string {
	if t.Partition == "aws-cn" {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}

func (t Target) arn(service, resource string) string {
	return "arn:" + t.partition() + ":" + service + ":" + cmp.Or(t.Region, "REGION") + ":" + cmp.Or(t.Account, "ACCOUNT_ID") + ":" + resource
}

// isBucketAction reports whether an S3 action is on the bucket and not on objects.
func isBucketAction(action string) bool {
	a, _ := ActionByName(action)
	return slices.Contains(a.ResourceTypes, "bucket")
}

func (t Target) s3(names []string, tail string) []string {
	var out []string
	for _, n := range names {
		out = append(out, "arn:"+t.partition()+":s3:::"+n+tail)
	}
	return out
}

func (t Target) bucketPaths() []string {
	if len(t.Buckets) == 0 {
		return []string{"BUCKET_NAME/PREFIX"}
	}
	var out []string
	for _, b := range t.Buckets {
		out = append(out, strings.TrimSuffix(b, "/"))
	}
	return out
}

func (t Target) bucketNames() []string {
	var out []string
	for _, b := range t.bucketPaths() {
		name, _, _ := strings.Cut(b, "/")
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

func (t Target) managedBuckets() []string {
	names, _ := ManagedBuckets(cmp.Or(t.Region, anyRegion), t.GOOS)
	if len(names) == 0 {
		names = []string{"BUCKET_NAME"}
	}
	return t.s3(names, "/*")
}

func (t Target) parameters() []string {
	if len(t.Parameters) == 0 {
		return []string{t.arn("ssm", "parameter/PATH/*")}
	}
	var out []string
	for _, p := range t.Parameters {
		out = append(out, t.arn("ssm", "parameter/"+strings.Trim(p, "/")+"/*"))
	}
	return out
}

func (t Target) logGroups(otherwise string) []string {
	groups := t.LogGroups
	if len(groups) == 0 {
		groups = []string{otherwise}
	}
	var out []string
	for _, g := range groups {
		// Streams lie under the group after a colon.
		out = append(out, t.arn("logs", "log-group:"+g))
		if !strings.HasSuffix(g, "*") {
			out = append(out, t.arn("logs", "log-group:"+g+":*"))
		}
	}
	return out
}

func (t Target) keys(placeholder string) []string {
	if len(t.Keys) == 0 {
		return []string{t.arn("kms", "key/"+placeholder)}
	}
	var out []string
	for _, k := range t.Keys {
		if !strings.HasPrefix(k, "arn:") {
			k = t.arn("kms", "key/"+k)
		}
		out = append(out, k)
	}
	return out
}

var placeholderRE = pattern.New(`\b(?:REGION|ACCOUNT_ID|BUCKET_NAME|PREFIX|PATH|LOG_GROUP|DIRECTORY_ID|[A-Z]+_KEY_ID)\b`)

// placeholders are the words in a document that a reader must fill in.
func placeholders(d *Draft) []string {
	var out []string
	for _, s := range d.Statement {
		for _, r := range s.Resource {
			out = append(out, placeholderRE.FindAllString(r, -1)...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
