package causes

import "strings"

// EditConfig edits the agent's configuration by programs of sed that see it as one line, and
// leaves a copy. Where none of them finds its place, or the copy cannot be written, the
// configuration stays and that is said. Any sed knows them, also that of macOS and those
// before GNU's 4.2.2.
func EditConfig(programs ...string) string {
	out := "tr '\\n' ' ' < {config} | sed -E"
	for _, p := range programs {
		out += " -e '" + p + "'"
	}
	return out + " -e t -e d > {config}.new && test -s {config}.new && cp -p {config} {config}.bak && mv {config}.new {config} || { echo 'nothing was changed' >&2; false; }"
}

// WithoutKeys sets keys of the agent's configuration back, such as Agent.Region, and leaves
// the rest; a copy stays. The agent takes keys in any case, and so does this. A text that is
// empty is one that is not set, so is a switch that is false; an order of identities becomes
// the usual one.
// Source: amazon-ssm-agent 3.3, amazon-ssm-agent.json.template, agent/appconfig.
func WithoutKeys(keys ...string) string {
	var list []string
	for _, k := range keys {
		section, key, _ := strings.Cut(k, ".")
		if key == "ConsumptionOrder" {
			list = append(list, orderOfIdentities(`"OnPrem", "EC2"`))
			continue
		}
		set, unset := `"[^"]*"`, `""`
		if key == "UseDualStackEndpoint" {
			set, unset = "true", "false"
		}
		list = append(list, `s/("`+AnyCase(section)+`"[[:space:]]*:[[:space:]]*\{[^{}]*"`+AnyCase(key)+`"[[:space:]]*:[[:space:]]*)`+set+`/\1`+unset+`/g`)
	}
	return EditConfig(list...)
}

// orderOfIdentities is a program of sed that sets the order of identities, also one that is null.
func orderOfIdentities(order string) string {
	return `s/("` + AnyCase("ConsumptionOrder") + `"[[:space:]]*:[[:space:]]*)(\[[^]]*\]|null)/\1[` + order + `]/g`
}

// AnyCase is a pattern of sed for a word in any case.
func AnyCase(word string) string {
	out := ""
	for _, c := range word {
		if c >= '0' && c <= '9' {
			out += string(c)
			continue
		}
		out += "[" + strings.ToUpper(string(c)) + strings.ToLower(string(c)) + "]"
	}
	return out
}

// RegisterInRegion is for a Region that was given at registration and is none.
var RegisterInRegion = []Step{
	operator("Create a hybrid activation in the Region that is meant; it prints its id and code",
		"aws ssm create-activation --region {region} --iam-role {servicerole} --registration-limit 1"),
	asRoot("Register with the Region in plain letters, without quote marks", "{agent} -register -y -region {region} -id ACTIVATION_ID -code ACTIVATION_CODE"),
	restart, verify,
}

// ClearRegistration is for an EC2 instance whose hybrid registration is of no use: without it
// the agent takes its EC2 identity.
var ClearRegistration = []Step{
	stopAgent,
	asRoot("Clear the hybrid registration, so that the EC2 identity is used; nobody needs a new activation", "{agent} -register -clear"),
	start, verify,
}

var identityCauses = []Cause{
	Cause{
		ID: "hybrid-not-registered", Group: "identity", Severity: Critical, Title: "not registered",
		Meaning: "The host is not an EC2 instance and holds no hybrid registration, so the agent has no identity to work with.",
		Fix: []Step{
			operator("Create a hybrid activation; it prints its id and code",
				"aws ssm create-activation --region {region} --iam-role {servicerole} --registration-limit 1"),
			asRoot("Register this host with the activation", "{agent} -register -region {region} -id ACTIVATION_ID -code ACTIVATION_CODE"),
			restart, verify,
		},
		Docs: []string{docHybrid},
	},
	Cause{
		ID: "activation-rejected", Group: "identity", Severity: Critical, Title: "activation rejected",
		Meaning: "The hybrid activation that this host tried to register with has expired, is used up, was deleted, or belongs to another Region or account.",
		Fix: []Step{
			operator("Look at the activations of the Region, with expiry and count",
				"aws ssm describe-activations --region {region} --query 'ActivationList[].[ActivationId,Expired,ExpirationDate,RegistrationsCount,RegistrationLimit]' --output table"),
			operator("Create a new activation",
				"aws ssm create-activation --region {region} --iam-role {servicerole} --registration-limit 1 --expiration-date \"$(date -u -d '+7 days' +%FT%TZ)\""),
			asRoot("Register with the new activation id and code", "{agent} -register -y -region {region} -id ACTIVATION_ID -code ACTIVATION_CODE"),
			restart, verify,
		},
		Docs: []string{docHybrid},
	},
	Cause{
		ID: "registration-orphaned", Group: "identity", Severity: Critical, Title: "registration deleted in the service",
		Meaning: "The host holds a registration that the service does not know: the managed node was deregistered, or belongs to another account or Region.",
		Fix: append([]Step{
			operator("Check whether the service knows the node", "aws ssm describe-instance-information --region {region} --filters Key=InstanceIds,Values={node}"),
		}, registerAgain...),
		Ways: [][]Step{ClearRegistration},
		Docs: []string{docHybrid},
	},
	Cause{
		ID: "registration-cloned-image", Group: "identity", Severity: Critical, Title: "registration copied from another machine",
		Meaning: "The registration was made on another machine and came here with a disk image, clone or template. Two machines cannot share one registration.",
		Fix: append(append([]Step{}, registerAgain[:len(registerAgain)-1]...),
			onHost("Check again. Then clean the template, on the template machine and not here, so that the next clone starts without a registration: ssm-doctor check --profile image says there what to remove", verify.Command)),
		Ways: [][]Step{ClearRegistration},
		Docs: []string{docHybrid},
	},
	Cause{
		ID: "registration-store-damaged", Group: "identity", Severity: Critical, Title: "registration store damaged",
		Meaning: "The vault that holds the registration and its private key is missing, damaged or unreadable. The key cannot be restored; the host has to be registered again.",
		Fix:     replaceVault,
		Docs:    []string{docHybrid},
	},
	Cause{
		ID: "hybrid-registration-on-ec2", Group: "identity", Severity: Warning, Title: "hybrid registration on an EC2 instance",
		Meaning: "An EC2 instance carries a hybrid registration. The agent prefers it, so the node appears under its mi- id and its instance profile is not used.",
		Fix: []Step{
			stopAgent,
			asRoot("Clear the hybrid registration, so that the EC2 identity is used", "{agent} -register -clear"),
			start,
			operator("Deregister the node that is left in the service", "aws ssm deregister-managed-instance --region {region} --instance-id {node}"),
			verify,
		},
		Docs: []string{docHybrid},
	},
	Cause{
		ID: "fingerprint-mismatch", Group: "identity", Severity: Critical, Title: "hardware fingerprint changed",
		Meaning: "The hardware and system values that the registration is bound to changed by more than its similarity threshold allows, as after an upgrade or a move of a virtual machine. The agent refuses to use the registration.",
		Fix:     registerAgain, // a lower threshold comes too late: the agent has replaced the fingerprint that it was registered with
		Ways:    [][]Step{ClearRegistration},
		Docs:    []string{docHybrid},
	},
	Cause{
		ID: "region-mismatch", Group: "identity", Severity: Critical, Title: "wrong Region",
		Meaning: "The agent works with another Region than the one the node belongs to, or was given text that is not a Region, such as one in quote marks.",
		Fix: []Step{
			unix.onHost("Check where a Region is set", "grep -ni region {config} {data}/registration"),
			windows.onHost("Check where a Region is set", "Select-String -Path {config},(Join-Path {data} registration) -Pattern region"),
			unix.asRoot("Remove the Region from the configuration; the agent then uses that of the metadata or of its registration", WithoutKeys("Agent.Region", "Mgs.Region")),
			windows.asRoot("Remove the Region from the configuration; the agent then uses that of the metadata or of its registration", "try { $c = Get-Content {config} -Raw | ConvertFrom-Json; foreach ($s in $c.Agent, $c.Mgs) { if ($s) { $s.PSObject.Properties.Remove('Region') } }; $c | ConvertTo-Json -Depth 9 | Set-Content {config} } catch { throw }"),
			restart, verify,
		},
		Ways: [][]Step{RegisterInRegion},
		Docs: []string{docHybrid},
	},
}
