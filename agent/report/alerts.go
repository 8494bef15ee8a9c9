package report

import "strings"

// alert is a rule of packaging/prometheus, and what to do when it fires.
type alert struct {
	id, title string
	means, do string
	commands  []Item
}

// alerts are in the order of the rules. undetermined is none of them, but a value of the
// label cause, which alerts lead to as well.
var alerts = []alert{
	{"SSMFleetNotManaged", "many hosts are not managed nodes",
		"Less than 95 % of the hosts of a job are managed nodes, and more than one is not. Hosts of unknown state count as not managed.",
		"Look for what they share. One cause in one account or Region points at a VPC endpoint, a role, an organization policy or Default Host Management; one cause everywhere points at an image or a proxy. If most are undetermined, the doctors cannot see: see SSMNodeStateUnknown.",
		[]Item{{Text: "Ask Prometheus for the causes, most frequent first", Command: `sort_desc(sum by (job, cause, region) (job_cause:ssm_doctor_root_cause_info:count{cause!="healthy"}))`}}},
	{"SSMFleetCauseSpreads", "one cause on many hosts",
		"One cause was found on at least ten hosts and on more than 1 % of a job. Causes that end by themselves, such as agent-backoff-wait, do not count.",
		"Open the page of the cause. Fix what the hosts share before you fix single hosts.", nil},
	{"SSMFleetDoctorsDown", "many hosts cannot be scraped",
		"More than a tenth of a job, and at least ten hosts, cannot be scraped. Their state is not known.",
		"Look at what lies between them and the scraper: a peering, a security group, a proxy of the scraper, or an update that went wrong everywhere. For one host see SSMDoctorDown.", nil},
	{"SSMNodeNotManaged", "a host is not a managed node",
		"The host has not been a managed node for 15 minutes. The label cause says why; its page is the runbook.",
		"Run ssm-doctor on the host: it prints the evidence and the commands that fix it.",
		[]Item{{Text: "Examine the host (this host, root)", Command: "ssm-doctor"}}},
	{"SSMNodeDegraded", "a managed node with a fault",
		"The host is a managed node, and something on it is broken: Session Manager without its channel, a key that cannot be used. The label cause says what.",
		"Run ssm-doctor on the host before you need the feature that is broken.",
		[]Item{{Text: "Examine the host (this host, root)", Command: "ssm-doctor"}}},
	{"SSMNodeStateUnknown", "ssm-doctor cannot tell whether a host is a managed node",
		"For an hour ssm-doctor has proven no fault, and has not seen something that it needs for a verdict.",
		"Run ssm-doctor as root: most often only root is missing. The report lists what it could not see, with the commands that look.",
		[]Item{{Text: "Examine the host (this host, root)", Command: "ssm-doctor"}}},
	{"SSMCredentialsExpireSoon", "the agent's credentials expire",
		"The credentials in use expire within 10 minutes and have not been renewed. Without new ones the node goes offline.",
		"Open the page of credentials-stale.", nil},
	{"SSMEndpointCertificateExpiresSoon", "a certificate on the path to AWS expires",
		"Less than 7 days are left on a certificate that the host sees. AWS renews its own certificates long before that: this one belongs to an inspecting proxy or a private CA.",
		"The report names who issued it, under the endpoint. Tell whoever runs that proxy or CA; the page of tls-untrusted-ca says what happens otherwise.", nil},
	{"SSMClockSkew", "the clock of a host is off",
		"The host's clock and that of AWS differ by more than 60 s. From 5 minutes on AWS refuses every signed request.",
		"Open the page of clock-skew.", nil},
	{"SSMAgentOutdated", "the SSM Agent of a host is old",
		"The agent has been older for a week than the version that metrics.agent_latest of the daemon names.",
		"ssm-doctor asks nobody for updates. An association with AWS-UpdateSSMAgent keeps agents current.", nil},
	{"SSMDoctorDown", "a host cannot be scraped",
		"The scrape fails. That says nothing about the node.",
		"Ask the host, or, if it cannot be reached, EC2 itself. Where many are down at once, look at the network of the scraper first.",
		[]Item{{Text: "Check whether the daemon runs (this host)", Command: "systemctl status ssm-doctor"}}},
	{"SSMDoctorStale", "ssm-doctor has no new result",
		"The daemon answers, but its last run is older than three intervals. For a textfile: the timer that writes it has stopped.",
		"The log names the source that hangs. A restart is safe at any time.",
		[]Item{{Text: "Read the log (this host, root)", Command: "journalctl -u ssm-doctor -n 50"}, {Text: "Restart the daemon (this host, root)", Command: "systemctl restart ssm-doctor"}}},
	{"SSMDoctorSourceFailing", "ssm-doctor cannot read one source of facts",
		"One source of facts has failed for an hour. Checks that need it are unknown.",
		"The long report lists the sources with their errors. A source that needs root fails because of the rights of the service; the host has no fault then.",
		[]Item{{Text: "List the sources (this host)", Command: "ssm-doctor check -o wide"}}},
	{"undetermined", "no cause could be named",
		"The host is not a managed node, or its state is unknown, and no cause was proven. It is a value of the label cause, not an alert.",
		"Run ssm-doctor on the host as root: it says what it tried, what is missing, and what is safe to do next.",
		[]Item{{Text: "Examine the host (this host, root)", Command: "ssm-doctor"}}},
}

// AlertIDs are the names of the alerts that have a page.
func AlertIDs() []string {
	var out []string
	for _, a := range alerts {
		out = append(out, a.id)
	}
	return out
}

// alertPages is the page of an alert, in any case; none for what is no alert.
func alertPages(id string) []Page {
	for _, a := range alerts {
		if strings.EqualFold(a.id, id) {
			return []Page{{Kind: "alert", ID: a.id, Title: a.title, Parts: []Part{{Head: "What it means", Text: a.means}, {Head: "What repairs it", Text: a.do, Items: a.commands}}}}
		}
	}
	return nil
}
