package report

import (
	"regexp"
	"slices"
	"strings"
)

// learn collects names from the places where text marks them as such, so that
// they are replaced wherever else they occur.
func (d *redactor) learn(v any) {
	note := func(_, s string) string {
		if strings.Contains(s, "arn:") {
			for _, a := range reARN.FindAllString(s, -1) {
				d.arn(a)
			}
		}
		for _, m := range reURLHost.FindAllStringSubmatch(s, -1) {
			// A plain word is left to where it stands: others may use it too.
			if h := m[1]; d.hostAt(h) != h && strings.ContainsAny(h, ".-0123456789") {
				d.name("host", h)
			}
		}
		if !maybeNamed(strings.ToLower(s)) {
			return s
		}
		for _, m := range reNamed.FindAllStringSubmatch(s, -1) {
			d.name(namedKind(m[1]), m[2])
		}
		return s
	}
	walk(v, note)
}

// name learns one name.
func (d *redactor) name(kind, name string) {
	if keepName(kind, name) || d.names[strings.ToLower(name)] != "" {
		return
	}
	if d.names == nil {
		d.names = map[string]string{}
	}
	d.names[strings.ToLower(name)] = d.token(kind, name)
	d.list = append(d.list, strings.ToLower(name))
	list := make([]string, 0, len(d.names))
	for n := range d.names {
		list = append(list, regexp.QuoteMeta(n))
	}
	slices.SortFunc(list, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	d.order = regexp.MustCompile(`(?i)\b(?:` + strings.Join(list, "|") + `)\b`)
}

// reNamed are the places in sentences and commands where a name follows.
var reNamed = regexp.MustCompile(`(?i)((?:--(?:role|user|profile|instance-profile)-name[ =]|--iam-instance-profile Name=|` +
	`\b(?:role|user|profile|policy|host) named |\b(?:role|user|profile|policy) ["“'])["']?)([A-Za-z0-9_+=,.@-]{2,128})`)

// maybeNamed is a cheap test for what reNamed finds.
func maybeNamed(low string) bool {
	return strings.Contains(low, "-name") || strings.Contains(low, " name") || strings.ContainsAny(low, "\"'“")
}

// namedKind is what the words before a name say it is.
func namedKind(words string) string {
	words = strings.ToLower(words)
	for _, k := range []string{"profile", "role", "user", "policy", "host"} {
		if strings.Contains(words, k) {
			return k
		}
	}
	return "name"
}

var kinds = map[string]string{
	"role": "role", "assumed-role": "role", "user": "user", "federated-user": "user", "instance-profile": "profile",
	"profile": "profile", "policy": "policy", "host": "host",
}

func kindOf(word string) string {
	if k := kinds[strings.ToLower(word)]; k != "" {
		return k
	}
	return "name"
}

// keepName spares what names nobody: names that AWS gives out, node ids, our
// own words (which a name must not turn into hashes all over a report),
// wildcards and what is redacted already.
func keepName(kind, name string) bool {
	low := strings.ToLower(name)
	if len(name) < 2 || ownWords[low] || reKept.MatchString(name) || reNumbered.MatchString(name) || reAWSRole.MatchString(name) {
		return true
	}
	if kind == "name" || kind == "policy" { // documents, buckets, managed policies
		return strings.HasPrefix(low, "aws") || strings.HasPrefix(low, "amazon")
	}
	return kind == "host" && ownedByAWS(low) && !awsPrivate.MatchString(low)
}

// reAWSRole are roles that AWS creates under a fixed name.
var reAWSRole = regexp.MustCompile(`^(?:AWSServiceRoleFor\w+|AWSSystemsManagerDefaultEC2InstanceManagementRole|AmazonSSMRoleForInstancesQuickSetup|AmazonEC2RunCommandRoleForManagedInstances|AmazonSSMRoleForAutomationAssumeQuickSetup)$`)

var reKept = regexp.MustCompile(`^(?:[*?…]+|m?i-[0-9a-f]{8,17}|[A-Z]+(?:[_-][A-Z]+)+|(?:role|user|profile|policy|host|name)-[0-9a-f]{6}|[0-9.:/…-]+|\[removed\])$`)

var ownWords = func() map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(`ssm ssmmessages ec2messages ec2 ecs s3 kms iam imds sts logs aws agent instance instances managed node nodes
		host role user users root administrator system default profile policy name the and for not has with from that this localhost
		localdomain linux windows darwin systemd service proxy region account permission permissions credential credentials network
		endpoint endpoints identity hybrid registration channel check checks none unknown session command`) {
		m[w] = true
	}
	return m
}()

var publicUsers = map[string]bool{"default": true, "public": true, "all": true, "default user": true, "ssm-user": true, "ec2-user": true, "ubuntu": true, "administrator": true, "admin": true, "shared": true}

// reHome finds user names in paths of home directories.
var reHome = regexp.MustCompile(`(?i)(/home/|/Users/|[a-z]:\\+Users\\+)([^\s/\\"':;,…]+)`)

// reARN takes the resource up to a character that ends it in a sentence.
var reARN = regexp.MustCompile(`\barn:[a-z0-9*-]+:[a-z0-9*-]*:[a-z0-9*-]*:[0-9*…-]*:[A-Za-z0-9_+=,.@/:*?$…-]+`)

// arn redacts the account and the names of one ARN, and learns the names.
func (d *redactor) arn(s string) string {
	p := strings.SplitN(s, ":", 6)
	if len(p) != 6 {
		return s
	}
	service, account, rest := p[2], p[4], p[5]
	end := ""
	for len(rest) > 1 && strings.HasSuffix(rest, ".") || strings.HasSuffix(rest, ",") || strings.HasSuffix(rest, ":") {
		rest, end = rest[:len(rest)-1], rest[len(rest)-1:]+end
	}
	p[4] = shortAccount(account)
	sep := "/"
	if i := strings.IndexAny(rest, "/:"); i >= 0 {
		sep = rest[i : i+1]
	}
	parts := strings.Split(rest, sep)
	switch {
	case account == "aws" || parts[0] == "servicesetting" || service == "s3" && awsBucket(parts[0]):
	case service == "s3":
		parts[0] = d.part("name", parts[0])
		if len(parts) > 1 {
			parts = []string{parts[0], d.part("name", strings.Join(parts[1:], sep))}
		}
	case service == "iam" || service == "sts":
		kind := kindOf(parts[0])
		for i := 1; i < len(parts); i++ {
			if parts[0] == "assumed-role" && i > 1 {
				kind = "user" // the session name: often a person, or the node id, which stays
			}
			if parts[i] != "service-role" && parts[i] != "aws-service-role" {
				parts[i] = d.part(kind, parts[i])
			}
		}
	default: // type/name, or a name alone
		first := 1
		if len(parts) == 1 {
			first = 0
		}
		for i := first; i < len(parts); i++ {
			parts[i] = d.part("name", parts[i])
		}
	}
	p[5] = strings.Join(parts, sep) + end
	return strings.Join(p, ":")
}

// part is one name in an ARN. Ids of resources stay.
func (d *redactor) part(kind, name string) string {
	if name == "" || reResourceID.MatchString(name) {
		return name
	}
	if strings.Trim(name, "*?") != name && !keepName(kind, strings.Trim(name, "*?")) {
		return d.token(kind, strings.Trim(name, "*?")) + "*"
	}
	if kind != "name" {
		d.name(kind, name)
	}
	return d.token(kind, name)
}

var reResourceID = regexp.MustCompile(`^(?:m?i|vpce|vpc|subnet|sg|eni|ami|pb|mw|key)-[0-9a-f]{8,}$`)

func awsBucket(name string) bool {
	for _, p := range []string{"aws-ssm-", "amazon-ssm-", "aws-windows-downloads-", "patch-baseline-snapshot-", "aws-patchmanager-", "amazon-patch-"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}
