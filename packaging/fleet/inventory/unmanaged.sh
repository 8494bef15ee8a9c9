#!/bin/sh
# Prints the ids of the EC2 instances of one Region that run and are not managed now:
# EC2 minus Systems Manager, asked through the AWS CLI. Needs ec2:DescribeInstances and
# ssm:DescribeInstanceInformation.
#   unmanaged.sh REGION
set -eu
case ${1-} in
'' | -*)
	echo "usage: unmanaged.sh REGION" >&2
	exit 64
	;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
aws ec2 describe-instances --region "$1" --filters Name=instance-state-name,Values=running \
	--query 'Reservations[].Instances[].[InstanceId]' --output text >"$work/running"
aws ssm describe-instance-information --region "$1" --filters Key=PingStatus,Values=Online \
	--query 'InstanceInformationList[].[InstanceId]' --output text >"$work/online"
LC_ALL=C sort -u "$work/running" >"$work/a"
LC_ALL=C sort -u "$work/online" >"$work/b"
LC_ALL=C comm -23 "$work/a" "$work/b"
