#!/bin/sh
# Run by ssm-doctor.pkr.hcl on the host that Packer builds the image on: installs PACKAGE
# from /var/tmp and, with GATE=true, ends with another code than 0 unless the host holds
# nothing that belongs to one machine.
set -eu
if [ "$GATE" = true ]; then
	# A port that Session Manager forwards comes from the host itself.
	case ${SSH_CONNECTION-} in
	127.* | ::1\ * | ::ffff:127.*)
		echo "ssm-doctor gate: Packer is connected through Session Manager, and the gate has to stop the SSM Agent." >&2
		echo "ssm-doctor gate: set ssh_interface to an address, or ssm_doctor_gate = false and use mounted-image-gate.yaml." >&2
		exit 1
		;;
	esac
fi
cd /var/tmp
case $PACKAGE in
*.deb) dpkg -i "$PACKAGE" ;;
*.rpm) rpm -U "$PACKAGE" ;;
*)
	echo "ssm-doctor gate: $PACKAGE is neither a deb nor an rpm" >&2
	exit 1
	;;
esac
rm -f "$PACKAGE"
systemctl stop ssm-doctor 2>/dev/null || :
rm -rf /var/lib/ssm-doctor
[ "$GATE" = true ] || exit 0
systemctl stop amazon-ssm-agent snap.amazon-ssm-agent.amazon-ssm-agent 2>/dev/null || :
code=0
ssm-doctor check --profile image || code=$?
case $code in
0) exit 0 ;;
1) text='something is broken or about to break, see above' ;;
2) text='the image holds what belongs to one machine' ;;
3) text='it cannot be told: what was needed could not be read' ;;
64) text='wrong usage: this ssm-doctor does not know the command or its flags' ;;
70) text='an error inside ssm-doctor' ;;
126 | 127) text='ssm-doctor is not installed or cannot be run' ;;
*) text='ended unexpectedly, perhaps killed' ;;
esac
echo "ssm-doctor gate: code $code: $text" >&2
exit 1
