# Group and user of the service. Whether useradd makes a group as well is a setting of the
# host, so that it is not left to it. What was made is noted, to be taken away at the end;
# what was there before, from an administrator or a directory, stays.
note=/var/lib/ssm-doctor.accounts
if [ ! -e "$note" ]; then
	: >"$note"
	# An earlier release, which kept no note, has made both.
	if [ "$upgrade" = yes ] || [ -e /etc/systemd/system/ssm-doctor.service ]; then
		printf 'user\ngroup\n' >"$note"
	fi
fi
if ! getent group ssm-doctor >/dev/null; then
	groupadd --system ssm-doctor
	echo group >>"$note"
fi
if ! getent passwd ssm-doctor >/dev/null; then
	useradd --system --gid ssm-doctor --no-create-home --home-dir /var/lib/ssm-doctor \
		--shell "$nologin" --comment "SSM doctor" ssm-doctor
	echo user >>"$note"
fi
