# Another route (Distributor, "service install") may have installed ssm-doctor. Its
# release must not give way to an older one. It is asked of the program only where nobody
# but root could have replaced that.
only_ours() {
	[ "$(readlink -f "$1")" = "$1" ] || return 1
	at=$1
	while [ -n "$at" ]; do
		# Owner and mode: no group and nobody else may write; with an access list the group's
		# bits are the most that it gives.
		case $(stat -c '%u %a' "$at") in
		"$(id -u) "*[0145][0145]) ;;
		*) return 1 ;;
		esac
		at=${at%/*}
	done
}
program=$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' /etc/systemd/system/ssm-doctor.service 2>/dev/null | head -n 1)
if [ -n "$program" ] && [ "$program" != /usr/bin/ssm-doctor ] && [ -x "$program" ] && ! only_ours "$program"; then
	echo "ssm-doctor: others than root could have replaced $program, which the service starts; it was not asked for its release" >&2
elif [ -n "$program" ] && [ "$program" != /usr/bin/ssm-doctor ] && [ -x "$program" ]; then
	there=$("$program" version 2>/dev/null | sed -n 's/^ssm-doctor \([0-9.]*\) .*/\1/p')
	if [ -n "$there" ] && [ "$there" != '@VERSION@' ] && [ "$(printf '%s\n' "$there" '@VERSION@' | sort -V | tail -n 1)" = "$there" ]; then
		echo "ssm-doctor: $program, release $there, is installed and newer than this package, @VERSION@." >&2
		echo "ssm-doctor: install a package of $there or newer, or run \"$program service uninstall\" first." >&2
		exit 1
	fi
fi
