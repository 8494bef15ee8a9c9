package outside

import (
	"fmt"
	"strings"
)

// Script is a shell script that makes the same calls with nothing but the AWS CLI, as in
// CloudShell, and writes the same file.
func Script(t Target) string {
	var b strings.Builder
	b.WriteString("#!/bin/sh\n# Asks AWS what a host cannot see, for: ssm-doctor check --outside FILE\n# It only reads. The calls it makes, and what each is for:\n")
	for _, o := range Allowed {
		fmt.Fprintf(&b, "#   %-44s %s\n", "aws "+o.Service+" "+o.Name, o.For)
	}
	b.WriteString("# The smallest policy for them; a call that is refused is noted, and the rest goes on:\n")
	for l := range strings.SplitSeq(MinimalPolicy(), "\n") {
		b.WriteString("#   " + l + "\n")
	}
	fmt.Fprintf(&b, "# Run it: sh outside.sh > outside.json\n# The file holds answers whole, names and tags too; what is not read of them is left out when it is read.\nset -uf\nexport AWS_PAGER= AWS_MAX_ATTEMPTS=5 AWS_RETRY_MODE=standard\nregion=%s\nids=%s\n", sh(t.Region), sh(strings.Join(t.IDs, " ")))
	filter := ""
	switch key, value, _ := strings.Cut(t.Tag, "="); {
	case t.All:
		filter = "Name=instance-state-name,Values=running"
	case t.Tag != "":
		filter = sh("Name=tag:" + key + ",Values=" + value)
	}
	b.WriteString(`
# ask SERVICE OPERATION ARGUMENTS: one call, once, and its answer as a member of the list
first=1
asked=
err=$(mktemp) && trap 'rm -f "$err"' EXIT
ask() {
	case $asked in *"|$*|"*) return ;; esac
	asked="$asked|$*|"
	[ $first = 1 ] || printf ',\n'
	first=0
	printf '{"call":['
	sep=
	for a; do printf '%s"%s"' "$sep" "$(printf %s "$a" | sed 's/[\\"]/\\&/g')"; sep=,; done
	if out=$(aws "$@" --region "$region" --output json 2>"$err"); then
		printf '],"output":%s}' "$out"
	else
		code=$(sed -n 's/.*An error occurred (\([A-Za-z0-9.]*\)) when calling.*/\1/p' "$err" | head -n 1)
		printf '],"error":"%s"}' "${code:-failed}"
	fi
}
# get: names out of an answer, for the next calls; what AWS names nothing by is left out
get() {
	aws "$@" --region "$region" --output text 2>/dev/null | sed '/^NEXTTOKEN/d' | tr '\t' '\n' |
		grep -E '^[A-Za-z0-9$][A-Za-z0-9+=,.@_:/-]*$' | grep -v -e '^None$' -e ':/' -e '@=' | sort -u
}

policy() {
	ask iam get-policy --policy-arn "$1"
	for v in $(get iam get-policy --policy-arn "$1" --query Policy.DefaultVersionId); do
		ask iam get-policy-version --policy-arn "$1" --version-id "$v"
	done
}
role() {
	case " $done_roles " in *" $1 "*) return ;; esac
	done_roles="$done_roles $1"
	ask iam get-role --role-name "$1"
	for p in $(get iam get-role --role-name "$1" --query Role.PermissionsBoundary.PermissionsBoundaryArn); do policy "$p"; done
	ask iam list-attached-role-policies --role-name "$1"
	for p in $(get iam list-attached-role-policies --role-name "$1" --query 'AttachedPolicies[].PolicyArn'); do policy "$p"; done
	ask iam list-role-policies --role-name "$1"
	for p in $(get iam list-role-policies --role-name "$1" --query 'PolicyNames[]'); do ask iam get-role-policy --role-name "$1" --policy-name "$p"; done
}
level() {
	for kind in SERVICE_CONTROL_POLICY RESOURCE_CONTROL_POLICY; do
		ask organizations list-policies-for-target --target-id "$1" --filter $kind
		for p in $(get organizations list-policies-for-target --target-id "$1" --filter $kind --query 'Policies[].Id'); do
			ask organizations describe-policy --policy-id "$p"
		done
	done
}
done_roles=

printf '{"schema":"ssm-doctor/outside/v1","generated_at":"%s","version":"script","region":"%s","redacted":false,"answers":[\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$region"
ask sts get-caller-identity
account=$(get sts get-caller-identity --query Account | head -n 1)
partition=$(get sts get-caller-identity --query Arn | head -n 1 | cut -d: -f2)
`)
	fmt.Fprintf(&b, "# batches: ids by %[1]d, with commas\nbatches() { printf '%%s\\n' \"$@\" | grep . | sort -u | xargs -n %[1]d | tr ' ' ','; }\n", batch)
	if t.All || t.Tag != "" {
		fmt.Fprintf(&b, "ask ec2 describe-instances --filters %s --max-items %d\n", filter, MaxInstances)
		fmt.Fprintf(&b, "instances() { get ec2 describe-instances --filters %s --max-items %d --query \"$1\"; }\n", filter, MaxInstances)
	} else {
		b.WriteString(`own=$(batches $(printf '%s\n' $ids | grep '^i-'))
for part in $own; do ask ec2 describe-instances --filters "Name=instance-id,Values=$part"; done
instances() { for part in $own; do get ec2 describe-instances --filters "Name=instance-id,Values=$part" --query "$1"; done | sort -u; }
`)
	}
	b.WriteString("hybrid=\"InstanceInformationList[?starts_with(InstanceId, 'mi-')].IamRole\"\n")
	if t.All {
		fmt.Fprintf(&b, "ask ssm describe-instance-information --max-items %[1]d\nhybrid=$(get ssm describe-instance-information --max-items %[1]d --query \"$hybrid\")\n", MaxInstances)
	} else {
		b.WriteString(`roles=
for part in $(batches $ids $(instances 'Reservations[].Instances[].InstanceId')); do
	ask ssm describe-instance-information --filters "Key=InstanceIds,Values=$part"
	case $part in *mi-*) roles="$roles $(get ssm describe-instance-information --filters "Key=InstanceIds,Values=$part" --query "$hybrid")" ;; esac
done
hybrid=$roles
`)
	}
	b.WriteString(`setting=arn:$partition:ssm:$region:$account:servicesetting/ssm/managed-instance
ask ssm get-service-setting --setting-id "$setting/default-ec2-instance-management-role"
for r in $(get ssm get-service-setting --setting-id "$setting/default-ec2-instance-management-role" --query ServiceSetting.SettingValue); do
	case $r in '$None') ;; *) role "${r##*/}" ;; esac
done
ask ssm get-service-setting --setting-id "$setting/activation-tier"
for r in $hybrid; do role "${r##*/}"; done
groups=$(instances 'Reservations[].Instances[].SecurityGroups[].GroupId')
for vpc in $(instances 'Reservations[].Instances[].VpcId'); do
	ask ec2 describe-vpc-endpoints --filters "Name=vpc-id,Values=$vpc"
	ask ec2 describe-route-tables --filters "Name=vpc-id,Values=$vpc"
	ask ec2 describe-network-acls --filters "Name=vpc-id,Values=$vpc"
	ask ec2 describe-vpcs --filters "Name=vpc-id,Values=$vpc"
	groups="$groups $(get ec2 describe-vpc-endpoints --filters "Name=vpc-id,Values=$vpc" --query 'VpcEndpoints[].Groups[].GroupId')"
done
for g in $(printf '%s\n' $groups | sort -u); do
	ask ec2 describe-security-groups --filters "Name=group-id,Values=$g"
done
for p in $(instances 'Reservations[].Instances[].IamInstanceProfile.Arn'); do
	ask iam get-instance-profile --instance-profile-name "${p##*/}"
	for r in $(get iam get-instance-profile --instance-profile-name "${p##*/}" --query 'InstanceProfile.Roles[].RoleName'); do role "$r"; done
done
ask organizations describe-organization
at=$account
# An account that is in no organization, or manages it, is not under its policies.
if grep -q AWSOrganizationsNotInUseException "$err"; then at=; fi
if [ "$(get organizations describe-organization --query Organization.MasterAccountId)" = "$account" ]; then at=; fi
if [ "$(get organizations describe-organization --query Organization.FeatureSet)" = CONSOLIDATED_BILLING ]; then at=; fi
while [ -n "$at" ]; do
	level "$at"
	case $at in r-*) break ;; esac
	ask organizations list-parents --child-id "$at"
	at=$(get organizations list-parents --child-id "$at" --query 'Parents[0].Id' | head -n 1)
done
printf '\n]}\n'
`)
	return b.String()
}

// sh quotes a word for a shell.
func sh(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
