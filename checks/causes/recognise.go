package causes

import (
	"slices"
	"strings"

	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/pattern"
	"ssm-doctor/checks/text"
)

// Foreign is a report that anybody may have written: the cause that it names, and what it
// says of its node. Own holds instance, node, region, account, role, vpc, subnet and sg,
// the last with spaces between several; no other values of these come out of it.
type Foreign struct {
	Cause, GOOS string
	Own         Values
}

// Recognise makes a step of the report again: the words are those of a step that the
// catalogue has for its cause, and of its values those stay that can do no harm in the
// hands of whoever pastes the command. What takes a policy or a boundary away is not made
// again. False: the cause has no step of this form.
func (r Foreign) Recognise(command, says string) (best Filled, found bool) {
	sure := false // found by its text too
	for _, t := range templates(Get(r.Cause)) {
		if t.GOOS != "" && !slices.Contains(strings.Fields(t.GOOS), r.GOOS) {
			continue
		}
		values, ok := taken(t.Command, command)
		more, same := taken(t.Text, says)
		if !ok || !same && (sure || t.Command == command && command == "" || len(rePlaceholder.ReplaceAllString(t.Command, "")) < tellingWords) {
			continue
		}
		for name, val := range more {
			if _, there := values[name]; !there {
				values[name] = val
			}
		}
		f := r.again(t, values)
		if same && f.Command.String() == command {
			return f, true
		}
		if !found || same && !sure {
			best, found, sure = f, true, same
		}
	}
	return best, found
}

// again is a step with those of the values of a report that are harmless. A command of its
// own is not made again: then the step has none.
func (r Foreign) again(s Step, values map[string]string) Filled {
	v := Values{"goos": r.GOOS}
	whole := true
	for name, val := range values {
		if r.harmless(name, val) {
			v[name] = val
		} else {
			whole = whole && !commands[name]
		}
	}
	f := s.Fill(v)
	if !whole {
		f.Command, f.Changes = fill("", v, true), nil
	}
	return f
}

// tellingWords is how long the words of a command are that tell it by themselves.
const tellingWords = 16

// templates are the steps for a cause that a report may be trusted to ask for, those with
// most words first.
func templates(c *Cause) []Step {
	if c == nil {
		return nil
	}
	var out []Step
	for _, s := range slices.Concat(append(c.Ways, c.Fix, c.Image)...) {
		if !slices.Contains(out, s) && !slices.ContainsFunc(s.Fill(nil).Changes, func(c Changed) bool { return c.Kind == PolicyDetached || c.Kind == BoundaryRemoved }) {
			out = append(out, s)
		}
	}
	words := func(s Step) int { return len(rePlaceholder.ReplaceAllString(s.Command, "")) }
	slices.SortStableFunc(out, func(a, b Step) int { return words(b) - words(a) })
	return out
}

// taken are the values in a text that was made from a template: the words between
// placeholders in their order, the first and last at the ends.
func taken(template, s string) (map[string]string, bool) {
	values := map[string]string{}
	at, name := 0, ""
	take := func(val string) bool {
		old, again := values[name]
		values[name] = val
		return (!again || old == val) && (val == "" || name != "root" && name != "chroot")
	}
	end := 0
	for _, m := range rePlaceholder.FindAllStringIndex(template, -1) {
		placeholder := template[m[0]+1 : m[1]-1]
		if _, ok := standIn("", placeholder); !ok {
			continue // braces of the command itself
		}
		words := template[end:m[0]]
		i := strings.Index(s[at:], words)
		if i < 0 || name == "" && i > 0 || name != "" && !take(s[at:at+i]) {
			return nil, false
		}
		at, end, name = at+i+len(words), m[1], placeholder
	}
	words := template[end:]
	if name == "" {
		return values, s == words
	}
	return values, len(s) >= at+len(words) && strings.HasSuffix(s, words) && take(s[at:len(s)-len(words)])
}

// harmlessForms are the values that lead nowhere but to what AWS, the agent or the node
// itself is called. Policies, addresses, paths and files are not among them.
var harmlessForms = map[string]*pattern.Pattern{
	"instance": pattern.New(`^i-[0-9a-f]{8,17}$`), "node": pattern.New(`^m?i-[0-9a-f]{8,17}$`),
	"region": pattern.New(`^[a-z]{2}(?:-[a-z]{2,9}){1,2}-[0-9]{1,2}$`), "account": pattern.New(`^[0-9]{12}$`),
	"partition": pattern.New(`^aws(?:-[a-z]{2,5}){0,2}$`), "domain": pattern.New(`^(?:amazonaws\.(?:com|com\.cn|eu)|c2s\.ic\.gov|sc2s\.sgov\.gov)$`),
	"role": pattern.New(`^[A-Za-z0-9_][A-Za-z0-9+=,.@_-]{0,63}$`),
	"vpc":  pattern.New(`^vpc-[0-9a-f]{8,17}$`), "subnet": pattern.New(`^subnet-[0-9a-f]{8,17}$`), "sg": pattern.New(`^sg-[0-9a-f]{8,17}$`),
	"service": pattern.New(`^(?:ssm|ssmmessages|ec2messages|ec2|s3|kms|logs|sts|monitoring)$`),
	"unit":    pattern.New(`^(?:(?:snap\.)?amazon-ssm-agent(?:\.amazon-ssm-agent)?\.service|AmazonSSMAgent|com\.amazon\.aws\.ssm)$`),
	"arch":    pattern.New(`^(?:amd64|arm64|386|arm)$`), "version": pattern.New(`^[0-9]{1,6}(?:\.[0-9]{1,6}){1,3}$`),
	"mount":   pattern.New(`^/(?:var|var/lib|var/log|opt|usr|home|tmp|boot)?$`),
	"minutes": pattern.New(`^[0-9]{1,4}$`), "refusedwait": pattern.New(`^[0-9]{1,3} (?:s|min|h|days)$`), "failedwait": pattern.New(`^[0-9]{1,3} (?:s|min|h|days)$`), "until": pattern.New(`^[0-9]{2}:[0-9]{2} UTC$`),
	"corepolicy": pattern.New(`^arn:aws(?:-[a-z]{2,5}){0,2}:iam::aws:policy/(?:AmazonSSMManagedInstanceCore|AmazonSSMManagedEC2InstanceDefaultPolicy)$`),
}

// serviceCommands are what starts and stops the agent, and shows what it logged, on the
// systems there are.
var serviceCommands = func() map[string]*pattern.Pattern {
	const name = `(?:snap\.amazon-ssm-agent\.)?amazon-ssm-agent(?:\.service)?`
	one := `(?:systemctl (?:restart|stop|start) ` + name + `|snap (?:restart|stop|start) amazon-ssm-agent|rc-service amazon-ssm-agent (?:restart|stop|start)|/etc/init\.d/amazon-ssm-agent (?:restart|stop|start)|initctl (?:restart|stop|start) amazon-ssm-agent)`
	control := pattern.New(`^` + one + `(?:; ` + one + `)?$`)
	enable := pattern.New(`^(?:systemctl unmask ` + name + `(?: &&|\n) ?)?(?:systemctl enable (?:--now )?` + name + `|rc-update add amazon-ssm-agent default|rm -f /etc/init/amazon-ssm-agent\.override|update-rc\.d amazon-ssm-agent defaults \|\| chkconfig --add amazon-ssm-agent)(?:(?:; | && |\n)` + one + `)?$|^snap start --enable amazon-ssm-agent$`)
	return map[string]*pattern.Pattern{"restart": control, "stop": control, "start": control, "enable": enable, "enableonly": enable,
		"journal": pattern.New(`^(?:journalctl -u ` + name + ` -n [0-9]{1,3} --no-pager; )?tail -n [0-9]{1,3} /var/log/amazon/ssm/amazon-ssm-agent\.log$`)}
}()

// installs is how the agent is installed from the bucket of AWS in a Region, named twice.
var installs = pattern.New(`^(?:(?:yum|dnf) install -y |rpm -Uvh --force |zypper --non-interactive install |curl -fsSLO )https://s3\.([a-z0-9-]{5,30})\.amazonaws\.com(?:\.cn)?/amazon-ssm-([a-z0-9-]{5,30})/latest/(?:(?:linux|darwin)_(?:amd64|arm64|386|arm)/amazon-ssm-agent\.(?:rpm|pkg && installer -pkg amazon-ssm-agent\.pkg -target /)|debian_(?:amd64|arm64|386|arm)/amazon-ssm-agent\.deb && dpkg -i amazon-ssm-agent\.deb)$`)

func isInstall(val string) bool {
	m := installs.FindStringSubmatch(val)
	return m != nil && m[1] == m[2] && harmlessForms["region"].MatchString(m[1]) || val == "snap install amazon-ssm-agent --classic" || val == "snap refresh amazon-ssm-agent"
}

// ownValues are placeholders for which a report may give what it says of its own node only.
var ownValues = strings.Fields("instance node region account role vpc subnet sg")

// domains are the last labels of the names of AWS.
var domains = strings.Fields("amazonaws.com amazonaws.com.cn api.aws api.amazonwebservices.com.cn amazonaws.eu c2s.ic.gov sc2s.sgov.gov")

// isEndpoint: a name of Systems Manager in the Region of the report.
func (r Foreign) isEndpoint(val string) bool {
	service, rest, _ := strings.Cut(val, ".")
	domain, ok := strings.CutPrefix(rest, r.Own["region"]+".")
	return ok && harmlessForms["region"].MatchString(r.Own["region"]) && slices.Contains(domains, domain) &&
		slices.Contains([]string{"ssm", "ssmmessages", "ec2messages"}, strings.TrimSuffix(service, "-fips"))
}

// isNodeAction: what the policies of a node allow. Rights on identities are not among it.
func isNodeAction(val string) bool {
	a, ok := iam.ActionByName(val)
	return ok && a.Action == val && !strings.HasPrefix(val, "iam:") && !strings.HasPrefix(val, "sts:")
}

func (r Foreign) harmless(name, val string) bool {
	if stand, ok := standIn("", name); ok && val == stand {
		return true
	}
	for goos, own := range systems {
		if stand, _ := standIn(goos, name); own[name] != "" && val == stand {
			return true
		}
	}
	for _, goos := range []string{"linux", "windows", "darwin"} {
		if p, ok := pathOf(goos, name); ok && val == p {
			return true
		}
	}
	re := harmlessForms[name]
	switch {
	case len(val) > 300:
		return false
	case name == "root" || name == "chroot":
		return val == ""
	case name == "install" || name == "reinstall" || name == "repair":
		return isInstall(val)
	case name == "endpoint":
		return r.isEndpoint(val)
	case name == "action":
		return isNodeAction(val)
	case name == "dhmcsetting":
		return val == "arn:"+text.Or(r.Own["partition"], "aws")+":ssm:"+r.Own["region"]+":"+r.Own["account"]+":servicesetting/ssm/managed-instance/default-ec2-instance-management-role" &&
			harmlessForms["partition"].MatchString(text.Or(r.Own["partition"], "aws")) && harmlessForms["region"].MatchString(r.Own["region"]) && harmlessForms["account"].MatchString(r.Own["account"])
	case slices.Contains(ownValues, name) && !slices.Contains(strings.Fields(r.Own[name]), val):
		return false
	case commands[name]:
		re = serviceCommands[name]
	}
	return re != nil && re.MatchString(val)
}
