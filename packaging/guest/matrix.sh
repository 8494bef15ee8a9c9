#!/bin/bash
# matrix.sh 1|2: run by packaging/guest/run inside a booted guest, as root; takes ssm-doctor through every
# route of installation, with the real program and the real scripts, and prints a row of a
# table for each run: what is installed, what runs, what was said.
set -u
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
echo "guest test begins"
mkdir -p /run/m

agent() { /ci/agent -packages /ci/packages -default "$default" "$@"; }
# The agent's run, with its own way to say how it went.
runs_agent() { agent "$@" SSM_DOCTOR_WAIT=1; }
deb() { dpkg -i "/ci/$1.deb"; }
rpm_() { rpm -U --nodeps "${@:2}" "/ci/$1.rpm"; }
by_hand() { # VERSION
	mkdir -p /usr/local/bin
	install -m 0755 "/ci/ssm-doctor-$1" /usr/local/bin/ssm-doctor && /usr/local/bin/ssm-doctor service install --wait 1s
}

clean() {
	umount -l /opt /var/lib/amazon/ssm 2>/dev/null
	for p in /opt/ssm-doctor/bin/ssm-doctor /usr/local/bin/ssm-doctor; do
		[ ! -x $p ] || $p service uninstall >/dev/null 2>&1
	done
	dpkg --purge ssm-doctor >/dev/null 2>&1
	rpm -e ssm-doctor >/dev/null 2>&1
	rm -rf /opt/ssm-doctor /usr/local/bin/ssm-doctor /etc/ssm-doctor /var/lib/amazon /run/m/*
	default=1.0.0
	for d in passwd group; do
		! getent $d ssm-doctor >/dev/null || echo "LEFT    $d of $name"
	done
	left=$(find / -xdev \( -path /ci -o -path /proc -o -path /sys -o -path /var/log \) -prune -o -name '*ssm-doctor*' -print 2>/dev/null | tr '\n' ' ')
	[ -z "$left" ] || echo "LEFT    $left of $name"
}

release() { "$1" version 2>/dev/null | cut -d ' ' -f 2; }

installed() {
	list=
	v=$(dpkg-query -W -f '${db:Status-Abbrev} ${Version}' ssm-doctor 2>/dev/null)
	case $v in ii*) list="$list, deb ${v##* }" ;; ?*\ *[0-9]*) case $v in rc*) ;; *) list="$list, deb in state $v" ;; esac ;; esac
	v=$(rpm -q --qf '%{VERSION}' ssm-doctor 2>/dev/null) && list="$list, rpm $v"
	[ ! -e /opt/ssm-doctor/bin/ssm-doctor ] || list="$list, Distributor $(release /opt/ssm-doctor/bin/ssm-doctor)"
	if [ -e /usr/local/bin/ssm-doctor ] && [ ! -L /usr/local/bin/ssm-doctor ]; then list="$list, by hand $(release /usr/local/bin/ssm-doctor)"; fi
	[ -n "$list" ] || list=', nothing'
	echo "${list#, }"
}

running() {
	pid=$(systemctl show -p MainPID --value ssm-doctor)
	if [ "$pid" = 0 ] || ! systemctl is-active -q ssm-doctor; then
		echo "nothing"
		return
	fi
	echo "$(readlink "/proc/$pid/exe") $("/proc/$pid/exe" version | cut -d ' ' -f 2)"
}

# row ROUTE CASE COMMAND...: the last step of a run, and its row.
row() {
	route=$1 name=$2
	shift 2
	if "$@" >/run/m/out 2>&1; then end=succeeds; else end=fails; fi
	what=$(installed) up=$(running) note=$(/ci/agent -state)
	said=$(grep -a 'rolled back' /run/m/out | tail -n 1)
	[ -n "$said" ] || said=$(grep -a '^ssm-doctor: \|^takes \|^the service start\|^Error: ' /run/m/out | grep -av 'valid: \|running as process' | tail -n 1 | sed 's/^ssm-doctor: //' | cut -c 1-198)
	[ -n "$said" ] || said=$(grep -aiE 'not installed|already (installed|in the process)|Successfully installed|checksum|permission denied|cannot|Read-only|error' /run/m/out | grep -v '^Errors were' | tail -n 1 | cut -c 1-160)
	case $said in dpkg-deb*) said= ;; esac # of its two processes, which end in any order
	# What runs is what the service is said to start, as it is now.
	if [ "$up" != nothing ]; then
		"/proc/$(systemctl show -p MainPID --value ssm-doctor)/exe" service status >/run/m/status 2>&1 || echo "LIES    service status of $name: $(cat /run/m/status)"
		grep -qx "starts ${up% *}" /run/m/status && ! grep -q 'as it is now' /run/m/status || echo "LIES    service status of $name: $(cat /run/m/status)"
	elif [ "$what" = nothing ]; then
		! systemctl cat ssm-doctor >/dev/null 2>&1 || echo "LIES    a unit without a program after $name"
	fi
	said=$(printf '%s' "$said" | tr '\t' ' ' | sed "s/(go[^)]*)//; s/|/\\\\|/g; s/ *$//")
	echo "row| $route | $name | $end | $what | $up | $note | $said |"
}
# a run from nothing
new() { clean; }
quiet() { "$@" >/run/m/before 2>&1 || echo "SETUP   $* before the run after $name: $(tail -n 2 /run/m/before | tr '\n' ' ')"; }
fails() { ! "$@" >/run/m/before 2>&1 || echo "SETUP   $* did not fail"; }
broken() { default=1.0.2 agent "$@" -version 1.0.2 SSM_DOCTOR_WAIT=1; }
update() { default=1.0.1 agent "$@" -version 1.0.1 SSM_DOCTOR_WAIT=1; }
name=start

distributor() {
	for type in "" -reinstall; do
		route="Distributor${type:+, uninstall and reinstall}"
		new
		row "$route" "fresh" runs_agent $type
		row "$route" "same again" runs_agent $type
		row "$route" "update" update $type
		row "$route" "broken update" broken $type
		row "$route" "broken update, tried again at once" broken $type
		row "$route" "broken update, tried again after 16 minutes" broken $type -later 16m
		row "$route" "back to the release that runs" update $type
		row "$route" "downgrade" agent $type -version 1.0.0 SSM_DOCTOR_WAIT=1
		fails broken $type
		row "$route" "uninstall right after a refused update" runs_agent -uninstall
		quiet runs_agent
		fails broken $type
		row "$route" "uninstall 16 minutes after a refused update" runs_agent -uninstall -later 16m
	done
	route=Distributor
	row "$route" "uninstall again" runs_agent -uninstall
	quiet runs_agent
	default=1.0.1
	row "$route" "uninstall without a version, default is another" runs_agent -uninstall
	default=1.0.0
	quiet runs_agent
	row "$route" "uninstall of another version" runs_agent -uninstall -version 1.0.1
	row "$route" "uninstall with the version" runs_agent -uninstall -version 1.0.0
	new
	row "$route" "broken first release" broken
	new
	mount -t tmpfs -o mode=0755,size=4m tmpfs /opt
	row "$route" "full disk, fresh" runs_agent
	new
	mount -t tmpfs -o mode=0755,size=30m tmpfs /opt
	quiet runs_agent
	row "$route" "full disk, update" update
	row "$route" "full disk, uninstall" runs_agent -uninstall
	new
	mount -t tmpfs -o mode=0755,ro tmpfs /opt
	row "$route" "read-only /opt" runs_agent
	new
	mount -t tmpfs -o mode=0755,noexec tmpfs /opt
	row "$route" "noexec /opt" runs_agent
	new
	mkdir -p /var/lib/amazon/ssm
	mount -t tmpfs -o mode=0755,noexec tmpfs /var/lib/amazon/ssm
	row "$route" "noexec folder of the agent" runs_agent
	new
	row "$route" "attachment with another checksum" runs_agent -corrupt
	new
	quiet runs_agent
	killed() {
		setsid /ci/agent -packages /ci/packages -default 1.0.1 -version 1.0.1 SSM_DOCTOR_WAIT=60 >/dev/null 2>&1 &
		until [ -e /opt/ssm-doctor/bin/ssm-doctor.prev ]; do sleep 0.2; done
		sleep 0.5
		kill -9 -- -$!
		wait
}
quiet killed 2>/dev/null
row "$route" "killed in an update, tried again at once" update
row "$route" "killed in an update, tried again after 31 minutes" update -later 31m
echo broken >/opt/ssm-doctor/bin/x && mv /opt/ssm-doctor/bin/x /opt/ssm-doctor/bin/ssm-doctor
row "$route" "repair: the program was overwritten" update
systemctl disable -q --now ssm-doctor
row "$route" "repair: the service was disabled" update
row "$route" "arguments that say no" update SSM_DOCTOR_PTRACE=no SSM_DOCTOR_NO_START=no SSM_DOCTOR_KEEP_STATE=no
row "$route" "SSM_DOCTOR_SERVICE=no beside a service" update SSM_DOCTOR_SERVICE=no
new
row "$route" "SSM_DOCTOR_NO_START=yes" runs_agent SSM_DOCTOR_NO_START=yes
row "$route" "SSM_DOCTOR_WAIT=abc" agent SSM_DOCTOR_WAIT=abc
}

others() {
	for kind in deb rpm; do
		install=$kind
		[ $kind = deb ] || install=rpm_
		new
		row $kind "fresh" $install 1.0.0
		[ $kind = deb ] && row deb "same again" deb 1.0.0
		if [ $kind = deb ]; then row deb "update that breaks off" deb cut; else row rpm "update that breaks off" rpm_ cut; fi
		row $kind "update" $install 1.0.1
		row $kind "downgrade" $install 1.0.0 --oldpackage
		mount --bind /usr /usr && mount -o remount,ro,bind /usr
		row $kind "read-only /usr, update" $install 1.0.1
		mount -o remount,rw,bind /usr
		umount -l /usr
		row $kind "the same with a /usr that can be written" $install 1.0.1
		if [ $kind = deb ]; then row deb "purge" dpkg --purge ssm-doctor; else row rpm "erase" rpm -e ssm-doctor; fi
		sed -i 's/^USERGROUPS_ENAB.*/USERGROUPS_ENAB no/' /etc/login.defs
		quiet $install 1.0.0
		if [ $kind = deb ]; then quiet dpkg --purge ssm-doctor; else quiet rpm -e ssm-doctor; fi
		row $kind "second installation, USERGROUPS_ENAB no" $install 1.0.0
		new
		sed -i 's/^USERGROUPS_ENAB.*/USERGROUPS_ENAB yes/' /etc/login.defs
		groupadd --system ssm-doctor
		row $kind "group made in advance" $install 1.0.0
		if [ $kind = deb ]; then quiet dpkg --purge ssm-doctor; else quiet rpm -e ssm-doctor; fi
		getent group ssm-doctor >/dev/null || echo "LEFT    the group made in advance is gone"
		groupdel ssm-doctor
	done

	route="service install"
	new
	row "$route" "fresh" by_hand 1.0.0
	row "$route" "update" by_hand 1.0.1
	row "$route" "broken update" by_hand 1.0.2
	row "$route" "back" by_hand 1.0.1
	row "$route" "uninstall" /usr/local/bin/ssm-doctor service uninstall

	for kind in deb rpm; do
		install=$kind
		[ $kind = deb ] || install=rpm_
		new
		quiet runs_agent
		row "Distributor, then $kind" "newer package" $install 1.0.1
		row "Distributor, then $kind" "the agent comes again, for the older" runs_agent
		row "Distributor, then $kind" "uninstall by Distributor" runs_agent -uninstall
		new
		quiet update
		row "Distributor, then $kind" "older package" $install 1.0.0
		new
		quiet $install 1.0.0
		row "$kind, then Distributor" "same release" runs_agent
		row "$kind, then Distributor" "newer release" update
		new
		quiet $install 1.0.1
		row "$kind, then Distributor" "older release" runs_agent
		row "$kind, then service install" "newer release" by_hand 1.0.1
		new
		quiet by_hand 1.0.0
		row "service install, then $kind" "newer package" $install 1.0.1
		new
		quiet by_hand 1.0.1
		row "service install, then $kind" "older package" $install 1.0.0
	done
	new
	quiet runs_agent
	rm -f /usr/local/bin/ssm-doctor
	row "Distributor, then service install" "newer release" by_hand 1.0.1
	row "Distributor, then service install" "the agent comes again, for the older" runs_agent
	new
	quiet update
	rm -f /usr/local/bin/ssm-doctor
	row "Distributor, then service install" "older release" by_hand 1.0.0
	new
	quiet by_hand 1.0.0
	row "service install, then Distributor" "a release that does not stay up" broken
	row "service install, then Distributor" "newer release" update
	new
	quiet by_hand 1.0.1
	row "service install, then Distributor" "older release" runs_agent
}

if [ "$1" = 1 ]; then distributor; else others; fi
clean
echo "guest test ends"
