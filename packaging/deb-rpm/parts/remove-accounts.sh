	# Group and user, if an installation has made them and no unit of another one needs them.
	note=/var/lib/ssm-doctor.accounts
	if ! grep -qs '^User=ssm-doctor' /etc/systemd/system/ssm-doctor.service; then
		made=$(cat "$note" 2>/dev/null || :)
		if [ ! -e "$note" ] && getent passwd ssm-doctor | grep -q ':/var/lib/ssm-doctor:'; then
			made='user group' # by a release that kept no note
		fi
		gid=$(getent group ssm-doctor | cut -d : -f 3 || :)
		case $made in *user*) userdel ssm-doctor >/dev/null 2>&1 || : ;; esac
		# userdel takes the group as well on some hosts, and on others it does not.
		case $made in
		*group*) ! getent group ssm-doctor >/dev/null || groupdel ssm-doctor >/dev/null 2>&1 || : ;;
		*) [ -z "$gid" ] || getent group ssm-doctor >/dev/null || groupadd --gid "$gid" ssm-doctor || : ;;
		esac
		rm -f "$note"
	fi
