# Another route (Distributor, "service install") may have installed ssm-doctor. Its
# release must not give way to an older one.
program=$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' /etc/systemd/system/ssm-doctor.service 2>/dev/null | head -n 1)
if [ -n "$program" ] && [ "$program" != /usr/bin/ssm-doctor ] && [ -x "$program" ]; then
	there=$("$program" version 2>/dev/null | sed -n 's/^ssm-doctor \([0-9.]*\) .*/\1/p')
	if [ -n "$there" ] && [ "$there" != '@VERSION@' ] && [ "$(printf '%s\n' "$there" '@VERSION@' | sort -V | tail -n 1)" = "$there" ]; then
		echo "ssm-doctor: $program, release $there, is installed and newer than this package, @VERSION@." >&2
		echo "ssm-doctor: install a package of $there or newer, or run \"$program service uninstall\" first." >&2
		exit 1
	fi
fi
