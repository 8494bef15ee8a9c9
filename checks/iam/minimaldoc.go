package iam

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// document writes statements for actions; features say what each is for.
func (t Target) document(actions map[string]map[string]bool) *Draft {
	type group struct {
		sid       string
		resources []string
		condition map[string]map[string]string
	}
	order := []string{}
	groups := map[string]group{}
	members := map[string][]string{}
	add := func(action string, g group) {
		if _, ok := groups[g.sid]; !ok {
			order = append(order, g.sid)
			groups[g.sid] = g
		}
		if !slices.Contains(members[g.sid], action) {
			members[g.sid] = append(members[g.sid], action)
		}
	}
	for _, a := range slices.Sorted(maps.Keys(actions)) {
		service, op, _ := strings.Cut(a, ":")
		for _, f := range slices.Sorted(maps.Keys(actions[a])) {
			switch {
			case a == "s3:GetObject" && (f == "managed-buckets" || f == "distributor"):
				add(a, group{"ManagedBuckets", t.managedBuckets(), nil})
			case f == "patch-manager" && service == "s3":
				add(a, group{"PatchBaselineOverrides", t.s3([]string{"aws-quicksetup-patchpolicy-" + t.or(t.Account, "ACCOUNT_ID") + "-*"}, "/*"), nil})
			case service == "s3" && bucketAction(a):
				add(a, group{"OutputBuckets", t.s3(t.bucketNames(), ""), nil})
			case service == "s3":
				add(a, group{"OutputObjects", t.s3(t.bucketPaths(), "/*"), nil})
			case a == "ssm:GetParameter" && f == "cloudwatch-agent":
				add(a, group{"AgentConfiguration", []string{t.arn("ssm", "parameter/AmazonCloudWatch-*")}, nil})
			case service == "ssm" && strings.HasPrefix(op, "GetParameter"):
				add(a, group{"Parameters", t.parameters(), nil})
			case service == "logs" && op != "DescribeLogGroups" && f != "cloudwatch-agent":
				add(a, group{"OutputLogs", t.logGroups(f), nil})
			case service == "kms" && f == "parameter-store":
				add(a, group{"ParameterKeys", t.keys("PARAMETER_KEY_ID"), map[string]map[string]string{"StringEquals": {"kms:ViaService": "ssm." + t.or(t.Region, "REGION") + "." + t.suffix()}}})
			case service == "kms" && f == "session-kms":
				add(a, group{"SessionKeys", t.keys("SESSION_KEY_ID"), nil})
			case service == "kms":
				add(a, group{"BucketKeys", t.keys("BUCKET_KEY_ID"), nil})
			case service == "secretsmanager":
				add(a, group{"JoinSecret", []string{t.arn("secretsmanager", "secret:aws/directory-services/"+t.or(t.Directory, "DIRECTORY_ID")+"/seamless-domain-join-*")}, nil})
			default:
				add(a, group{"Node", []string{"*"}, nil})
			}
		}
	}
	d := &Draft{Version: "2012-10-17"}
	for _, sid := range order {
		g := groups[sid]
		d.Statement = append(d.Statement, DraftStatement{Sid: sid, Effect: "Allow", Action: members[sid], Resource: g.resources, Condition: g.condition})
	}
	return d
}

func (t Target) or(s, placeholder string) string {
	if s == "" {
		return placeholder
	}
	return s
}

func (t Target) partition() string { return t.or(t.Partition, "aws") }

// suffix is the DNS suffix of the services.
func (t Target) suffix() string {
	if t.Partition == "aws-cn" {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}

func (t Target) arn(service, resource string) string {
	return "arn:" + t.partition() + ":" + service + ":" + t.or(t.Region, "REGION") + ":" + t.or(t.Account, "ACCOUNT_ID") + ":" + resource
}

// bucketAction reports whether an S3 action is on the bucket and not on objects.
func bucketAction(action string) bool {
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
	names, _ := ManagedBuckets(t.or(t.Region, anyRegion), t.GOOS)
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

func (t Target) logGroups(feature string) []string {
	groups := t.LogGroups
	if len(groups) == 0 {
		groups = []string{"LOG_GROUP"}
		if feature == "run-command-output-logs" {
			groups = []string{"/aws/ssm/*"} // where commands write by default
		}
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

var placeholderRE = regexp.MustCompile(`\b(?:REGION|ACCOUNT_ID|BUCKET_NAME|PREFIX|PATH|LOG_GROUP|DIRECTORY_ID|[A-Z]+_KEY_ID)\b`)

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
