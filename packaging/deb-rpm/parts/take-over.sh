# What another route has installed gives way: its unit would hide the package's, whose
# program would then never run. An administrator's own unit stays.
unit=/etc/systemd/system/ssm-doctor.service
program=$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$unit" 2>/dev/null | head -n 1)
if [ -n "$program" ] && [ "$program" != /usr/bin/ssm-doctor ]; then
	if grep -qx "ExecStart=$program serve" "$unit" && grep -q '^# ssm-doctor, for systemd' "$unit"; then
		rm -f "$unit"
		# A link to the unit that is gone would keep the package's from being enabled.
		wants=/etc/systemd/system/multi-user.target.wants/ssm-doctor.service
		if [ -L "$wants" ]; then
			ln -sf /usr/lib/systemd/system/ssm-doctor.service "$wants"
		fi
		echo "ssm-doctor: the service starts /usr/bin/ssm-doctor from now on, no longer $program"
	else
		echo "ssm-doctor: $unit starts $program and not the package's program; it was left as it is" >&2
	fi
fi
if [ ! -e "$unit" ] && [ -e /opt/ssm-doctor/bin/ssm-doctor ]; then
	# Installed by Distributor.
	rm -f /opt/ssm-doctor/bin/ssm-doctor /opt/ssm-doctor/bin/ssm-doctor.new /opt/ssm-doctor/bin/ssm-doctor.prev /opt/ssm-doctor/rejected
	rmdir /opt/ssm-doctor/bin /opt/ssm-doctor 2>/dev/null || :
fi
if [ -L /usr/local/bin/ssm-doctor ] && [ ! -e /usr/local/bin/ssm-doctor ]; then
	rm -f /usr/local/bin/ssm-doctor
elif [ -e /usr/local/bin/ssm-doctor ]; then
	echo "ssm-doctor: /usr/local/bin/ssm-doctor stays, and shells find it before /usr/bin/ssm-doctor: delete it"
fi
