package report

import (
	"slices"
	"strings"

	"ssm-doctor/checks/node"
	"ssm-doctor/checks/pattern"
	"ssm-doctor/checks/text"
)

// learn collects names from the places where text marks them as such, so that
// they are replaced wherever else they occur.
func (d *redactor) learn(v any) {
	walk(v, editor{
		leaf: func(_ place, s string) string { d.learnFrom("", s); return s },
		sentence: func(_ place, t text.Text) text.Text {
			return editValues(t, "", func(before, v string) any { d.learnFrom(before, v); return v })
		},
	})
}

// learnFrom collects the names of one string; before is what stands before it.
func (d *redactor) learnFrom(before, s string) {
	if strings.Contains(s, "arn:") {
		for _, a := range reARN.FindAllString(s, -1) {
			d.arn(a)
		}
	}
	before = before[max(0, len(before)-contextBytes):]
	around := strings.ToLower(before + s)
	if maybeHost(around) {
		replaceBehind(before, s, reURLHost, 1, func(m []string) string {
			// A plain word is left to where it stands: others may use it too.
			if h := m[1]; d.hostAt(h) != h && strings.ContainsAny(h, ".-0123456789") {
				d.name("host", h)
			}
			return m[1]
		})
	}
	if e := node.SessionUser(s); e != "" && !isOurs(e) {
		d.name("user", e)
	}
	if strings.Contains(s, "s3://") {
		for _, m := range reBucket.FindAllStringSubmatch(s, -1) {
			d.name("bucket", m[1])
		}
	}
	if strings.Contains(s, "Log group ") {
		for _, m := range node.LogGroupRE.FindAllStringSubmatch(s, -1) {
			d.logGroup(m[1])
		}
	}
	if !maybeNamed(around) {
		return
	}
	replaceBehind(before, s, reNamed, 2, func(m []string) string {
		if !isOurs(m[2]) {
			d.name(namedKind(m[1]), m[2])
		}
		return m[2]
	})
}

// logGroup learns the parts of the name of a log group that are none of AWS's.
func (d *redactor) logGroup(group string) {
	for part := range strings.SplitSeq(group, "/") {
		if part != "" && part != "aws" && part != "ssm" && !strings.HasPrefix(part, "AWS-") {
			d.name("group", part)
		}
	}
}

// reBucket finds buckets in addresses of objects, also such without a key.
var reBucket = pattern.New(`s3://([a-zA-Z0-9.-]{3,63})`)

// name learns one name. One that is a word of ours is replaced only where it is
// the whole value, else it would turn sentences into hashes.
func (d *redactor) name(kind, name string) {
	low := strings.ToLower(name)
	if isPublic(kind, name) || d.names[low] != "" {
		return
	}
	if d.names == nil {
		d.names = map[string]string{}
	}
	d.names[low] = d.token(kind, name)
	if isOurs(name) {
		return
	}
	d.anywhere.add(low)
}

// nameSet are names that are replaced wherever they occur, in lower case.
type nameSet struct {
	names   map[string]bool
	lengths []int // of names, longest first
	first   [256]bool
}

func (n *nameSet) add(low string) {
	if low == "" {
		return
	}
	if n.names == nil {
		n.names = map[string]bool{}
	}
	n.names[low], n.first[low[0]] = true, true
	if i, found := slices.BinarySearchFunc(n.lengths, len(low), func(a, b int) int { return b - a }); !found {
		n.lengths = slices.Insert(n.lengths, i, len(low))
	}
}

// replace puts what to makes of each name in the place of it. A name ends where words
// do; of two that begin at one place the longer one counts. It takes one pass, however
// many names there are.
func (n *nameSet) replace(s string, to func(string) string) string {
	if len(n.names) == 0 {
		return s
	}
	low := lower(s)
	var b strings.Builder
	end := 0
	for i := 0; i < len(low); i++ {
		if !n.first[low[i]] || !wordEnds(low, i) {
			continue
		}
		for _, l := range n.lengths {
			if i+l <= len(low) && wordEnds(low, i+l) && n.names[low[i:i+l]] {
				b.WriteString(s[end:i])
				b.WriteString(to(s[i : i+l]))
				end = i + l
				i = end - 1
				break
			}
		}
	}
	if end == 0 {
		return s
	}
	return b.String() + s[end:]
}

// lower is text in lower case whose bytes stand where those of s do.
func lower(s string) string {
	if l := strings.ToLower(s); len(l) == len(s) {
		return l
	}
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// wordEnds reports whether a word ends or begins before the byte at i.
func wordEnds(s string, i int) bool {
	return (i > 0 && isWordByte(s[i-1])) != (i < len(s) && isWordByte(s[i]))
}

func isWordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// reNamed are the places in sentences and commands where a name follows.
var reNamed = pattern.New(`(?i)((?:--(?:role|user|profile|instance-profile)-name[ =]|--iam-instance-profile Name=|` +
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

// isPublic spares what names nobody: names that AWS gives out, those that every
// host has, node ids, wildcards and what is redacted already.
func isPublic(kind, name string) bool {
	low := strings.ToLower(name)
	switch {
	case len(name) < 2 || reKept.MatchString(name) || reNumbered.MatchString(name) || reAWSRole.MatchString(name):
		return true
	case kind == "user":
		return publicUsers[low]
	case kind == "name", kind == "policy": // documents, buckets, managed policies
		return strings.HasPrefix(low, "aws") || strings.HasPrefix(low, "amazon")
	}
	return kind == "host" && (publicHosts[low] || ownedByAWS(low) && !awsPrivate.MatchString(low))
}

// isOurs reports whether a name is made of words that sentences use, or is so
// short that it occurs in other words.
func isOurs(name string) bool {
	if len(name) < 4 {
		return true
	}
	for word := range strings.FieldsSeq(strings.ToLower(name)) {
		if !ownWords[word] {
			return false
		}
	}
	return true
}

// reAWSRole are roles that AWS creates under a fixed name.
var reAWSRole = pattern.New(`^(?:AWSServiceRoleFor\w+|AWSSystemsManagerDefaultEC2InstanceManagementRole|AmazonSSMRoleForInstancesQuickSetup|AmazonEC2RunCommandRoleForManagedInstances|AmazonSSMRoleForAutomationAssumeQuickSetup)$`)

var reKept = pattern.New(`^(?:[*?…]+|m?i-[0-9a-f]{8,17}|[A-Z]+(?:[_-][A-Z]+)+|(?:role|user|profile|policy|host|name)-[0-9a-f]{6}|[0-9.:/…-]+|\[removed\])$`)

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

var publicUsers = map[string]bool{"default": true, "public": true, "all": true, "default user": true, "ssm-user": true, "ec2-user": true, "ubuntu": true, "administrator": true,
	"admin": true, "shared": true, "root": true, "system": true, "localsystem": true}

var publicHosts = map[string]bool{"localhost": true, "localdomain": true, "localhost.localdomain": true}

// reHome finds user names in paths of home directories.
var reHome = pattern.New(`(?i)(/home/|/Users/|[a-z]:\\+Users\\+)([^\s/\\"':;,…]+)`)

// reARN takes the resource up to a character that ends it in a sentence.
var reARN = pattern.New(`\barn:[a-z0-9*-]+:[a-z0-9*-]*:[a-z0-9*-]*:[0-9*…-]*:[A-Za-z0-9_+=,.@/:*?$…-]+`)

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
	if strings.Trim(name, "*?") != name && !isPublic(kind, strings.Trim(name, "*?")) {
		return d.token(kind, strings.Trim(name, "*?")) + "*"
	}
	if kind != "name" {
		d.name(kind, name)
	}
	return d.token(kind, name)
}

var reResourceID = pattern.New(`^(?:m?i|vpce|vpc|subnet|sg|eni|ami|pb|mw|key)-[0-9a-f]{8,}$`)

func awsBucket(name string) bool {
	for _, p := range []string{"aws-ssm-", "amazon-ssm-", "aws-windows-downloads-", "patch-baseline-snapshot-", "aws-patchmanager-", "amazon-patch-"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}
