package outside

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"ssm-doctor/agent/report"
	"ssm-doctor/checks/logline"
	"ssm-doctor/checks/pattern"
)

// Redact replaces names, account numbers and addresses in a file, the same by the same.
func Redact(f *File) (*File, error) {
	out := *f
	out.Redacted = true
	r := redaction(report.Pseudonymous())
	var err error
	if out.Answers, err = edited(f.Answers, editor{value: r.value, key: r.key, call: r.call}); err != nil {
		return nil, fmt.Errorf("redact: %w", err)
	}
	return &out, nil
}

// lessen leaves out of a file what is not read, such as tags, and what cannot be a name,
// an id or a word of a policy: anybody in the account may have written a secret there.
func lessen(f *File) error {
	list, err := edited(f.Answers, editor{value: shown, key: shownKey, call: shownCall, names: true})
	if err != nil {
		return fmt.Errorf("this is not a file that ssm-doctor outside wrote: %w", err)
	}
	f.Answers = list
	return nil
}

// editor edits what is in answers.
type editor struct {
	value func(key, s string) string // a text, by the member or argument that it stands in
	key   func(string) string        // a member of a policy
	call  func([]string) []string
	names bool // statements and policies keep what they are called
}

func edited(list []Answer, e editor) ([]Answer, error) {
	out := make([]Answer, len(list))
	for i, a := range list {
		out[i] = Answer{Call: e.call(a.Call), Error: a.Error}
		if reCode.ReplaceAllString(a.Error, "") != "" {
			out[i].Error = "failed"
		}
		if a.Output == nil {
			continue
		}
		b, err := e.json(a.Output)
		if err != nil {
			return nil, err
		}
		out[i].Output = b
	}
	return out, nil
}

// redaction edits a text by its form.
type redaction func(string) string

// kinds are the members and arguments that hold a bare name, and what it is a name of in
// an ARN, so that both get the same stand-in.
var kinds = map[string]string{
	"RoleName": "role", "IamRole": "role", "PolicyNames": "policy", "Name": "policy",
	"--role-name": "role", "--policy-name": "policy", "--instance-profile-name": "instance-profile",
}

// isAction reports whether a text is an action, also with wildcards, and no secret.
func isAction(s string) bool { return reAction.MatchString(s) && !reSecretAction.MatchString(s) }

// shown is a text that stays readable.
func shown(key, s string) string {
	_, isName := kinds[key]
	switch {
	case s == "" || reWord.MatchString(s):
	case key == "NextToken":
		return "more"
	case (isName || key == "Sid" || key == "SettingValue") && reNames.MatchString(s), (strings.HasPrefix(s, "arn:") || strings.HasPrefix(s, "*:")) && reResource.MatchString(s):
		parts := strings.Split(s, "/") // a path and a name look like a key together
		for i := range parts {
			parts[i] = report.StripText(parts[i])
		}
		return strings.Join(parts, "/")
	case strings.HasSuffix(key, "Action") && isAction(s):
	default:
		_, network := netip.ParsePrefix(s)
		_, single := netip.ParseAddr(s)
		if network != nil && single != nil {
			return report.StripText(logline.ShownName(s))
		}
	}
	return s
}

func shownKey(k string) string {
	name, tag, ok := strings.Cut(k, "/") // a condition on a tag
	if !reKey.MatchString(name) {
		return logline.Gap
	}
	if ok {
		name += "/" + shown("", tag)
	}
	return name
}

func shownCall(words []string) []string {
	out := slices.Clone(words)
	for i, w := range out {
		switch filter, values, ok := strings.Cut(w, ",Values="); {
		case i < 2 || reOption.MatchString(w) || slices.Contains(kindsOfControl, w):
		case words[i-1] == "--starting-token":
			out[i] = "more"
		case ok && words[i-1] == "--filters":
			list := strings.Split(values, ",")
			for n := range list {
				list[n] = shown("", list[n])
			}
			kind, tag, _ := strings.Cut(filter, "tag:")
			out[i] = shown("--role-name", kind)
			if kind != filter {
				out[i] += "tag:" + shown("", tag)
			}
			out[i] += ",Values=" + strings.Join(list, ",")
		default:
			out[i] = shown(words[i-1], w)
		}
	}
	return out
}

// kept are the members of answers that are read.
var kept = func() map[string]bool {
	out := map[string]bool{}
	for _, k := range strings.Fields(`Account Arn Reservations Instances InstanceId VpcId SubnetId PrivateIpAddress PublicIpAddress
		ImageId State IamInstanceProfile SecurityGroups GroupId MetadataOptions HttpEndpoint HttpTokens HttpPutResponseHopLimit
		InstanceInformationList PingStatus AgentVersion IamRole PlatformType LastPingDateTime NextToken ServiceSetting SettingValue
		VpcEndpoints VpcEndpointId VpcEndpointType ServiceName PolicyDocument PrivateDnsEnabled Groups SubnetIds
		RouteTables RouteTableId Associations Main Routes DestinationCidrBlock DestinationIpv6CidrBlock EgressOnlyInternetGatewayId GatewayId NatGatewayId TransitGatewayId
		NetworkInterfaceId VpcPeeringConnectionId CoreNetworkArn NetworkAcls NetworkAclId Entries RuleNumber Protocol RuleAction Egress CidrBlock Ipv6CidrBlock
		PortRange From To IpPermissions IpPermissionsEgress IpProtocol FromPort ToPort IpRanges CidrIp Ipv6Ranges CidrIpv6
		UserIdGroupPairs PrefixListIds PrefixListId Vpcs CidrBlockAssociationSet InstanceProfile Roles RoleName Role
		AssumeRolePolicyDocument PermissionsBoundary PermissionsBoundaryArn AttachedPolicies PolicyArn PolicyNames PolicyVersion
		Document Policies Id Parents Policy Content PolicySummary DefaultVersionId Organization MasterAccountId FeatureSet`) {
		out[k] = true
	}
	return out
}()

var (
	// reWord are the words and ids of AWS, which name nobody.
	reWord = pattern.New(`^(?:[0-9]{1,5}|-1|tcp|udp|icmp|icmpv6|\*|true|false|local|allow|deny|Allow|Deny|active|blackhole|available|pending|running|stopped|stopping|terminated|shutting-down|enabled|disabled|optional|required` +
		`|ALL|CONSOLIDATED_BILLING|Online|ConnectionLost|Inactive|Linux|Windows|MacOS|Interface|Gateway|GatewayLoadBalancer|standard|advanced|\$None|p-(?:RCP)?FullAWSAccess` +
		`|(?:m?i|vpc|subnet|sg|rtb|acl|igw|eigw|nat|tgw|eni|pcx|vgw|vpce|pl|ami|lgw|cagw)-[0-9a-f]{8,17}|p-[0-9a-z]{8,128}|r-[0-9a-z]{4,32}|ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}|v[0-9]{1,6}` +
		`|[0-9]+(?:\.[0-9]+){3}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(?:Z|[+-][0-9:]+)|2012-10-17|2008-10-17` +
		`|com\.amazonaws\.[a-z0-9-]+\.[a-z0-9.-]+|[a-z0-9-]+(?:\.[a-z0-9-]+)?\.amazonaws\.com(?:\.cn)?|(?:us|eu|ap|sa|ca|me|af|il|mx|cn)-[a-z]+(?:-[a-z]+)?-[0-9])$`)
	reAction       = pattern.New(`^(?:\*|[a-z0-9*?-]{2,40}|[A-Za-z*?-]{1,24}[0-9]?[A-Za-z*?-]{0,16}):(?:[A-Za-z*?]+[0-9]{0,2}){0,3}[A-Za-z*?]*$`)
	reSecretAction = pattern.New(`(?i)^(?:tokens?|secret|key|pass(?:word|wd)?|pwd|code|auth):`)
	reOdd          = pattern.New(`[^A-Za-z0-9_+=,.@$-]`) // not in a name of an ARN
	reOption       = pattern.New(`^--[a-z-]{1,40}$`)
	reCode         = pattern.New(`^(?:[A-Za-z0-9.]{1,80}|too large|not JSON)$`)
	reNames        = pattern.New(`^[A-Za-z0-9+,.@_/-]*$`) // a name, with its path, that gives nothing a value
	// reResource is an ARN, also that of a policy.
	reResource = pattern.New(`^[A-Za-z0-9_+=,.@/:*?${}~#-]*$`)
	// reKey is a member of a policy, an operator or a key of conditions.
	reKey     = pattern.New(`^(?:(?:For(?:All|Any)Values?:)?[A-Za-z]{1,40}|(?:[a-z0-9][a-z0-9.-]{0,80}|[A-Za-z][A-Za-z-]{0,24}[0-9]?[A-Za-z-]{0,16}):(?:[A-Za-z_-]|v[46]|[Ee]c2|[Ss]3|256){1,60})$`)
	reDigits  = pattern.New(`^[0-9]{12}$`)
	reRelease = pattern.New(`^[0-9]+(?:\.[0-9]+){3}$`)
)

// name is what stands for a name of a kind, as in its ARN.
func (r redaction) name(kind, s string) string {
	if s == "*" {
		return s
	}
	path, last := "", s
	if i := strings.LastIndexByte(s, '/'); i >= 0 {
		last = s[i+1:]
		if s[:i+1] == "service-role/" {
			path = s[:i+1]
		}
	}
	return path + lastPart(r("arn:aws:iam::000000000000:"+kind+"/"+reOdd.ReplaceAllString(last, "_")))
}

// value edits a text that stands in a member or behind an argument.
func (r redaction) value(key, s string) string {
	_, network := netip.ParsePrefix(s)
	_, single := netip.ParseAddr(s)
	switch {
	case s == "":
		return s
	case strings.Contains(s, logline.Gap): // still not known
		return logline.Gap
	case key == "NextToken":
		return "more"
	case key == "AgentVersion" && reRelease.MatchString(s):
		return s
	case strings.HasPrefix(s, "arn:") || reDigits.MatchString(s):
		return r(s)
	case network == nil || single == nil:
		return r(s)
	case kinds[key] != "":
		return r.name(kinds[key], s)
	case reWord.MatchString(s), strings.HasSuffix(key, "Action") && isAction(s):
		return s
	}
	return r.name("role", s)
}

// key edits a member of a policy.
func (r redaction) key(k string) string {
	if strings.Contains(k, logline.Gap) {
		return logline.Gap
	}
	name, tag, ok := strings.Cut(k, "/") // a condition on a tag
	if !reKey.MatchString(name) {
		name = r.name("role", name)
	}
	if ok {
		name += "/" + r.name("role", tag)
	}
	return name
}

// call edits the words of a call.
func (r redaction) call(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		switch name, values, ok := strings.Cut(w, ",Values="); {
		case i < 2 || reOption.MatchString(w):
			out[i] = w
		case ok && words[i-1] == "--filters":
			if tag, is := strings.CutPrefix(name, "Name=tag:"); is {
				name = "Name=tag:" + r.name("role", tag)
			}
			list := strings.Split(values, ",")
			for n := range list {
				list[n] = r.value("", list[n])
			}
			out[i] = name + ",Values=" + strings.Join(list, ",")
		case slices.Contains(kindsOfControl, w):
			out[i] = w
		default:
			out[i] = r.value(words[i-1], w)
		}
	}
	return out
}

// json edits a document.
func (e editor) json(b []byte) ([]byte, error) {
	var v any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return json.Marshal(e.answer("", v))
}

func (e editor) answer(key string, v any) any {
	switch v := v.(type) {
	case string:
		if key == "PolicyDocument" || key == "Content" || key == "AssumeRolePolicyDocument" || key == "Document" {
			return e.document(v)
		}
		return e.value(key, v)
	case []any:
		for i := range v {
			v[i] = e.answer(key, v[i])
		}
	case map[string]any:
		if key == "PolicyDocument" || key == "AssumeRolePolicyDocument" || key == "Document" {
			return e.policy("", v)
		}
		for k := range v {
			switch {
			case k == "Name" && key == "State":
				v[k] = e.answer("State", v[k])
			case k == "Name" && key == "PolicySummary", kept[k]:
				v[k] = e.answer(k, v[k])
			default:
				delete(v, k)
			}
		}
	}
	return v
}

// document edits a policy that is text in an answer.
func (e editor) document(s string) string {
	var v any
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return ""
	}
	if _, ok := v.(map[string]any); !ok {
		return ""
	}
	b, err := json.Marshal(e.policy("", v))
	if err != nil {
		return ""
	}
	return string(b)
}

// policy edits what is in a policy: of its members only the words of AWS and ARNs stay.
func (e editor) policy(key string, v any) any {
	switch v := v.(type) {
	case string:
		return e.value(key, v)
	case []any:
		for i := range v {
			v[i] = e.policy(key, v[i])
		}
	case map[string]any:
		out := map[string]any{}
		for _, was := range slices.Sorted(maps.Keys(v)) {
			if (was == "Sid" || was == "Id") && !e.names {
				continue
			}
			k := e.key(was)
			for out[k] != nil { // two of which nothing may be shown stay two
				k += logline.Gap
			}
			out[k] = e.policy(k, v[was])
		}
		return out
	}
	return v
}
