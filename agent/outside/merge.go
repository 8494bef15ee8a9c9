package outside

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"ssm-doctor/agent/report"
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/text"
)

// maxAge is how much older or newer than the report the word of the service may be. A host
// whose clock is wrong gives its report a wrong time.
const maxAge = time.Hour

// apart says how far a file and a report are apart; empty: they are of one time.
func apart(r *report.Report, v *View) string {
	switch age := r.GeneratedAt.Sub(v.File.GeneratedAt); {
	case age > maxAge:
		return age.Truncate(time.Minute).String() + " older"
	case age < -maxAge:
		return (-age).Truncate(time.Minute).String() + " newer"
	}
	return ""
}

// Merge puts what the outside says beside what the host saw. What the host saw now
// outranks what settings suggest: a cause of the outside is named only where the host
// did not get past the station at which it works. It returns whether the node is in the file.
func Merge(r *report.Report, v *View) bool {
	if !ValidID(r.Node.ID) || !slices.Contains(v.Nodes(), r.Node.ID) {
		return false
	}
	j := v.Judge(r.Node.ID)
	r.Outside = &report.Outside{At: v.File.GeneratedAt, Region: v.File.Region, Looked: j.Looked, Unknown: append(j.Unknown, v.Limits()...)}
	r.Redacted = r.Redacted && v.File.Redacted // the file names what the facts do not
	looked := map[string]bool{}
	for _, l := range j.Looked {
		looked[l.What] = true
	}
	unknown := map[string]bool{}
	for _, u := range j.Unknown {
		what, _, _ := strings.Cut(u, " (")
		unknown[what] = true
	}
	differs := apart(r, v)
	if differs != "" { // listed still
		unknown[whatService] = true
	}
	r.NotLookedAt = slices.DeleteFunc(r.NotLookedAt, func(n report.NotLooked) bool { return looked[n.What] && !unknown[n.What] })
	if r.State == report.Managed {
		return true
	}
	goos := text.Or(r.Node.GOOS, map[string]string{"Linux": "linux", "Windows": "windows", "MacOS": "darwin"}[v.listed[r.Node.ID].PlatformType])
	for _, c := range j.causes {
		restartOn(goos, c.cause.Fix)
		switch {
		case r.State == report.Degraded: // it is accepted: the outside may say why it is not well, and no more
			confirm(r, c)
		case !reached(r, c.station):
			addCause(r, c)
		}
	}
	if r.State == report.Unknown && j.online != nil {
		switch {
		case *j.online && differs != "":
			r.Outside.Unknown = append(r.Outside.Unknown, whatService+" (the file is "+differs+" than what the host says: ask again)")
		case *j.online:
			r.State, r.Summary, r.CannotTell = report.Managed, text.Plain("the service lists the node as Online"), nil
			if r.RootCause != nil {
				r.Also, r.RootCause = append([]report.Cause{*r.RootCause}, r.Also...), nil
			}
		case r.RootCause != nil:
			r.State, r.Summary, r.CannotTell = report.NotManaged, r.RootCause.Summary, nil
		}
	} else if r.State == report.NotManaged && j.online != nil && *j.online {
		r.Outside.Looked = append(r.Outside.Looked, report.Looked{What: "contradiction", Says: "the host is not managed as far as it can see, and the service lists the id as Online: another machine may use it, or one of the two is older"})
	}
	return true
}

// reached reports whether the host got past a station in this run.
func reached(r *report.Report, station string) bool {
	at := slices.Index(report.Stations, station)
	for i, h := range r.Path {
		if h.Name == station && h.Status == "pass" && station != "permissions" {
			return true
		}
		if i > at && h.Name == "tls" && h.Status == "pass" && (station == "dns" || station == "tcp") {
			return true
		}
	}
	return false
}

// confident are the words of a report, surest first.
var confident = []string{"proven", "likely", "possible"}

// finer are the causes by which the outside says why the host meets another.
var finer = map[string][]string{"network-no-egress": {"vpce-private-dns-off", "vpce-service-missing"}}

// confirm makes proven what the host named and the outside shows too. It returns whether
// the host's root cause was it.
func confirm(r *report.Report, c named) bool {
	root := r.RootCause
	if root == nil || root.ID != c.cause.ID {
		return false
	}
	root.Evidence = append(root.Evidence, c.cause.Evidence...)
	if r.State == report.Degraded && root.Confidence == confident[0] {
		return true // the host knows what it means for a node that is accepted
	}
	root.Confidence, root.Fix, root.Summary = confident[0], c.cause.Fix, c.cause.Summary
	r.Summary = root.Summary
	return true
}

// behind reports whether a station lies behind the one at which the host's path breaks:
// what works there cannot be why.
func behind(r *report.Report, station string) bool {
	broken := slices.IndexFunc(r.Path, func(h report.Hop) bool { return h.Status == "fail" })
	return broken >= 0 && slices.Index(report.Stations, station) > slices.Index(report.Stations, r.Path[broken].Name)
}

func addCause(r *report.Report, c named) {
	if confirm(r, c) {
		return
	}
	root := r.RootCause
	if i := slices.IndexFunc(r.Also, func(x report.Cause) bool { return x.ID == c.cause.ID }); i >= 0 {
		if root != nil && (root.Confidence == confident[0] || behind(r, c.station)) {
			r.Also[i].Confidence, r.Also[i].Fix = confident[0], c.cause.Fix
			r.Also[i].Evidence = append(r.Also[i].Evidence, c.cause.Evidence...)
			return
		}
		r.Also = slices.Delete(slices.Clone(r.Also), i, i+1)
	}
	switch {
	case root == nil:
		r.RootCause, r.Summary = &c.cause, c.cause.Summary
	case fromOutside(*root):
		r.Also = append(r.Also, c.cause)
	case slices.Contains(finer[root.ID], c.cause.ID):
		c.cause.Evidence = append(c.cause.Evidence, root.Evidence...)
		r.RootCause, r.Summary = &c.cause, c.cause.Summary
	case root.Confidence == confident[0] && causes.Severity(root.Severity) == causes.Critical, behind(r, c.station):
		r.Also = append(r.Also, c.cause)
	default:
		r.Also = append([]report.Cause{*root}, r.Also...)
		r.RootCause, r.Summary = &c.cause, c.cause.Summary
	}
}

func fromOutside(c report.Cause) bool {
	return slices.ContainsFunc(c.Evidence, func(e report.Evidence) bool { return strings.HasPrefix(e.From, "outside: ") })
}

// Alone makes a report of a node from the outside only.
func Alone(v *View, id string, version string) *report.Report {
	r := &report.Report{GeneratedAt: v.File.GeneratedAt, Version: version, Redacted: v.File.Redacted, State: report.Unknown, CheckedFrom: "outside",
		Node: report.Node{ID: id, Kind: "ec2", Region: v.File.Region, Account: v.Account, Partition: v.Partition}}
	if reHybrid.MatchString(id) {
		r.Node.Kind = "hybrid"
	}
	if i, ok := v.instances[id]; ok {
		r.Node.Image, r.Node.VPC, r.Node.Subnet = i.ImageId, i.VpcId, i.SubnetId
		for _, g := range i.SecurityGroups {
			r.Node.SecurityGroups = append(r.Node.SecurityGroups, g.GroupId)
		}
	}
	r.Summary = text.Plain("nothing was asked of the host: run ssm-doctor check on it")
	Merge(r, v)
	j := v.Judge(id)
	r.Features, r.Permissions = j.Features, j.Rights
	if j.stopped != "" && (r.State == report.Unknown || r.RootCause == nil && r.State != report.Managed) {
		r.State, r.Summary = report.NotManaged, text.Plain("the instance is "+j.stopped+": an agent runs on running instances only")
		r.NotLookedAt = append(r.NotLookedAt, report.NotLooked{What: "the host itself", Why: "the instance does not run", Command: shell("aws ec2 describe-instances --region %s --instance-ids %s --query 'Reservations[].Instances[].State'", v.File.Region, id)})
		r.Normalize()
		return r
	}
	if r.State == report.Unknown && j.online != nil && !*j.online {
		r.State, r.Summary = report.NotManaged, text.Plain(fmt.Sprintf("the service does not list the node as Online, and nothing outside of the host explains it: run ssm-doctor check on %s", id))
	}
	r.NotLookedAt = append(r.NotLookedAt, report.NotLooked{What: "the host itself", Why: "agent, clock, DNS, proxy and disk are to be seen there only", Command: text.Plain("ssm-doctor check --outside FILE")})
	r.Normalize()
	return r
}
