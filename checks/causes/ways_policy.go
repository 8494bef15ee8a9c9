package causes

import "strings"

// Remedies of a refusal, by the layer that AWS names. A statement is added to a document, or
// one role exempted from a Deny, which takes jq; nothing is replaced.
var (
	// FindSCP is for a refusal that does not name the policy.
	FindSCP = operator("Find the policy, from the organization's management account: this prints id and text of each one over the account, up to the root. The id of the one that denies {action} is the POLICY_ID below", ListSCPs)

	// SCPDenies is for an explicit deny in a service or resource control policy.
	SCPDenies = steps(
		operator("Save the policy, as an administrator of the organization; the next steps exempt {role} in the statements of this service control policy (SCP or RCP) that deny {action}",
			"aws organizations describe-policy --policy-id {policyid} --query Policy.Content --output text | "+inOneLine),
		operator("Add the exception to each statement that denies {action}; AWS CloudShell has jq",
			exemptIn),
		operator("Apply the changed policy", "aws organizations update-policy --policy-id {policyid} --content file://changed.json"),
		restartRefused, verify)

	// SCPLacks is for service control policies of which none allows the action, and
	// SCPLacksNode for one that a node needs to be one, which came to no channel yet.
	SCPLacks     = scpLacks("Add a statement to it that allows what it lacks: {lacks}", addStatement(missingStatement))
	SCPLacksNode = scpLacks(addsChannel, addStatement(missingStatement, channelStatement))

	// BoundaryLacks is for a permissions boundary that does not allow the action, and
	// BoundaryLacksNode for one that a node needs to be one, which came to no channel yet.
	BoundaryLacks     = boundaryLacks("Add a statement to it that allows what it lacks: {lacks}", addStatement(missingStatement))
	BoundaryLacksNode = boundaryLacks(addsChannel, addStatement(missingStatement, channelStatement))

	// BoundaryDenies is for an explicit deny in a permissions boundary.
	BoundaryDenies = steps(
		saveBoundary,
		operator("Exempt {role} in those of its statements that deny {action}; AWS CloudShell has jq", exemptIn),
		applyBoundary,
		restartRefused, verify)

	// RoleDenies is for an explicit deny in a policy of the role.
	RoleDenies = steps(
		operator("Simulate the call: it names the policy of {role} that denies {action}",
			"aws iam simulate-principal-policy --policy-source-arn \"$(aws iam get-role --role-name {role} --query Role.Arn --output text)\" --action-names {action} --query 'EvaluationResults[].MatchedStatements[].[SourcePolicyType,SourcePolicyId]' --output text"),
		operator("Exempt {role} in the Deny statement of its inline policy; AWS CloudShell has jq",
			`aws iam get-role-policy --role-name {role} --policy-name POLICY_NAME --query PolicyDocument --output json | `+Draft(exemptBy, "changed.json", noDeny)+"\n"+
				"aws iam put-role-policy --role-name {role} --policy-name POLICY_NAME --policy-document file://changed.json"),
		or(operator)("Or in that of a managed policy, which other roles may have as well; detach it from this role if it is not meant for it", "aws iam detach-role-policy --role-name {role} --policy-arn {policy}"),
		restartRefused, verify)

	// SessionRefuses is for a session policy.
	SessionRefuses = steps(
		operator("The session policy is given by whoever assumes {role} for this host, and has to allow {action} there; see who may assume it", "aws iam get-role --role-name {role} --query Role.AssumeRolePolicyDocument"),
		restartRefused, verify)

	// EndpointLacks is for the policy of a VPC endpoint that does not allow the action.
	EndpointLacks = steps(
		saveEndpoint,
		operator("Add a statement that allows this account what it lacks, and leave the rest: {lacks}",
			addStatement(`{"Principal": {"AWS": "arn:{partition}:iam::{account}:root"}, "Effect": "Allow", "Action": [{actions}], "Resource": "*"}`)),
		applyEndpoint,
		restartRefused, verify)

	// EndpointDenies is for an explicit deny in the policy of a VPC endpoint.
	EndpointDenies = steps(
		saveEndpoint,
		operator("Exempt {role} in the Deny of it; the rest stays. AWS CloudShell has jq", exemptIn),
		applyEndpoint,
		restartRefused, verify)

	saveBoundary  = operator("Save the permissions boundary of {role}", boundaryText+"\n"+`aws iam get-policy-version --policy-arn "$arn" --version-id "$version" --query PolicyVersion.Document --output json | `+inOneLine)
	applyBoundary = operator("Apply the changed boundary: a new version of it", boundaryOf+"\n"+`aws iam create-policy-version --policy-arn "$arn" --policy-document file://changed.json --set-as-default`)
	saveEndpoint  = operator("Save the VPC endpoint policy of {service}", endpointText+"\n"+`aws ec2 describe-vpc-endpoints --region {region} --vpc-endpoint-ids "$id" --query 'VpcEndpoints[0].PolicyDocument' --output text | `+inOneLine)
	applyEndpoint = operator("Apply the changed endpoint policy", endpointText+"\n"+`aws ec2 modify-vpc-endpoint --region {region} --vpc-endpoint-id "$id" --policy-document file://changed.json`)
)

const addsChannel = "Add a statement to it that allows what it lacks: {lacks}. A second one is for the message channel: it is added where the policy names no action of ssmmessages"

func scpLacks(says, add string) []Step {
	return steps(
		operator("Find the policy, from the organization's management account: this prints id and text of each one over the account, up to the root. At every level one has to allow {action}; the id of the one that lacks it is the POLICY_ID below", ListSCPs),
		operator("Save the policy that allows the rest", "aws organizations describe-policy --policy-id {policyid} --query Policy.Content --output text | "+inOneLine),
		operator(says, add),
		operator("Apply the changed policy", "aws organizations update-policy --policy-id {policyid} --content file://changed.json"),
		restartRefused, verify)
}

func boundaryLacks(says, add string) []Step {
	return steps(
		saveBoundary, operator(says, add), applyBoundary,
		or(operator)("Or remove the boundary, if nothing requires one for this role", "aws iam delete-role-permissions-boundary --role-name {role}"),
		restartRefused, verify)
}

// addStatement adds one to the policy that was saved, whether it has a list of them, an empty
// one or one statement alone. channel are those for the message channel, which are added to a
// policy that names no action of it.
func addStatement(statement string, channel ...string) string {
	const key = `("Statement"[[:space:]]*:[[:space:]]*)`
	list := []string{`s/` + key + `(\{.*\})([[:space:]]*(,[^{}]*)?\}[[:space:]]*)$/\1[\2]\3/`}
	for _, c := range channel {
		list = append(list, `/"ssmmessages:/!s/`+key+`\[/\1[`+c+`, /`)
	}
	return Draft(editLine(append(list, `s/`+key+`\[/\1[`+statement+`, /`), `s/\},[[:space:]]*\]/}]/`)+" policy.json", "changed.json", "policy.json has no Statement to add to")
}

// Draft writes what a command makes into a file, which the next command puts in force. Where
// it makes nothing there is no file, what is wrong is said, and the next command fails.
func Draft(command, file, wrong string) string {
	return command + " > " + file + " && test -s " + file + " || { rm " + file + "; echo '" + wrong + "' >&2; false; }"
}

// editLine edits a text of one line by programs of sed. Where the last does not find its
// place nothing is left of it. then are for what was edited. Any sed knows them.
func editLine(programs []string, then ...string) string {
	out := "sed -E"
	for i, p := range programs {
		if i > 0 && i == len(programs)-1 {
			out += " -e ta -e :a" // what was found so far does not count
		}
		out += " -e '" + p + "'"
	}
	out += " -e tb -e d -e :b"
	for _, p := range then {
		out += " -e '" + p + "'"
	}
	return out
}

// exemptIn takes the role out of the policy that was saved.
var exemptIn = Draft(exemptBy+" policy.json", "changed.json", noDeny)

const (
	// exempt takes the role out of each statement that denies the action, by its name, by a
	// pattern or because NotAction does not hold it; it fails where there is none.
	exempt = `def covers: [.] | flatten | any(ascii_downcase | gsub("[?]"; ".") | gsub("[*]"; ".*") | . as $p | "{action}" | ascii_downcase | test("^" + $p + "$")); ` +
		`. as $old | .Statement |= ([.] | flatten | map(if .Effect == "Deny" and ((.Action // [] | covers) or (.NotAction and (.NotAction | covers | not))) then .Condition.ArnNotLike["aws:PrincipalArn"] |= ([. // []] | flatten + ["arn:{partition}:iam::{account}:role/{role}", "arn:{partition}:iam::{account}:role/*/{role}"] | unique) else . end)) | ` +
		`if .Statement == ([$old.Statement] | flatten) then empty else . end`
	exemptBy     = `jq -c '` + exempt + `'`
	noDeny       = "no statement here denies {action}"
	inOneLine    = `tr '\n' ' ' > policy.json`
	boundaryText = boundaryOf + "\n" + `version=$(aws iam get-policy --policy-arn "$arn" --query Policy.DefaultVersionId --output text)`
	boundaryOf   = `arn=$(aws iam get-role --role-name {role} --query Role.PermissionsBoundary.PermissionsBoundaryArn --output text)`
	endpointText = `id=$(aws ec2 describe-vpc-endpoints --region {region} --filters Name=vpc-id,Values={vpc} Name=service-name,Values=com.amazonaws.{region}.{service} --query 'VpcEndpoints[0].VpcEndpointId' --output text)`
)

// missingStatement allows what a policy lacks that grants nothing itself.
const missingStatement = `{"Effect": "Allow", "Action": [{actions}], "Resource": "*"}`

// channelStatement allows the message channel there.
var channelStatement = `{"Effect": "Allow", "Action": [` + ActionList(CoreActions("ssmmessages")) + `], "Resource": "*"}`

// coreActions are what AmazonSSMManagedInstanceCore allows, by service.
var coreActions = map[string]string{
	"ssm": "DescribeAssociation DescribeDocument GetDeployablePatchSnapshotForInstance GetDocument GetManifest GetParameter GetParameters ListAssociations ListInstanceAssociations " +
		"PutComplianceItems PutConfigurePackageResult PutInventory UpdateAssociationStatus UpdateInstanceAssociationStatus UpdateInstanceInformation",
	"ssmmessages": "CreateControlChannel CreateDataChannel OpenControlChannel OpenDataChannel",
	"ec2messages": "AcknowledgeMessage DeleteMessage FailMessage GetEndpoint GetMessages SendReply",
}

// CoreActions are the actions of a service that AmazonSSMManagedInstanceCore allows; none: it
// is not about that service.
func CoreActions(service string) []string {
	var out []string
	for name := range strings.FieldsSeq(coreActions[service]) {
		out = append(out, service+":"+name)
	}
	return out
}

// ActionList are actions as policies list them; those that no command may hold are left out.
func ActionList(actions []string) string {
	var out []string
	for _, a := range actions {
		if Safe(a) {
			out = append(out, `"`+a+`"`)
		}
	}
	return strings.Join(out, ", ")
}
