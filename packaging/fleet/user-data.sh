#!/bin/sh
# EC2 user data: installs ssm-doctor at the first boot, also where Systems Manager
# does not reach the host. Replace the four values, or give them
# in the environment. As one line:
#   #!/bin/sh
#   d=$(mktemp -d) && curl -fsSo "$d/p" "$URL" && echo "$SHA256  $d/p" | sha256sum -c && (dpkg -i "$d/p" || rpm -U "$d/p"); ssm-doctor check
set -eu
URL_AMD64=${URL_AMD64:-https://BUCKET.s3.REGION.amazonaws.com/ssm-doctor/VERSION/ssm-doctor_VERSION_amd64.deb}
SHA256_AMD64=${SHA256_AMD64:-SHA256}
URL_ARM64=${URL_ARM64:-https://BUCKET.s3.REGION.amazonaws.com/ssm-doctor/VERSION/ssm-doctor_VERSION_arm64.deb}
SHA256_ARM64=${SHA256_ARM64:-SHA256}

case $(uname -m) in
x86_64) url=$URL_AMD64 sum=$SHA256_AMD64 ;;
aarch64) url=$URL_ARM64 sum=$SHA256_ARM64 ;;
*)
	echo "ssm-doctor: no package for $(uname -m)" >&2
	exit 1
	;;
esac
# A presigned address has a query behind the name.
case ${url%%\?*} in
*.deb) kind=deb ;;
*.rpm) kind=rpm ;;
*)
	echo "ssm-doctor: $url names neither a deb nor an rpm" >&2
	exit 1
	;;
esac
# A folder of its own: what is checked is what is installed.
dir=$(mktemp -d /var/tmp/ssm-doctor.XXXXXXXXXX)
file=$dir/ssm-doctor.$kind
trap 'rm -rf "$dir"' EXIT
# A name server or route may come up later than this script. curl itself tries all
# errors again from 7.71 on, which RHEL 8 and Ubuntu 20.04 do not have.
try=1
until curl -fsS --max-time 120 -o "$file" "$url"; do
	[ "$try" -lt 5 ] || exit 1
	sleep $((try * 5))
	try=$((try + 1))
done
echo "$sum  $file" | sha256sum -c -
case $kind in
deb) dpkg -i "$file" ;;
rpm) rpm -U --replacepkgs "$file" ;;
esac
# The verdict goes to the console log, where "aws ec2 get-console-output" shows it
# of a host that nobody can reach. A host that is not managed is a result.
ssm-doctor check --output short >/dev/console 2>&1 || true
