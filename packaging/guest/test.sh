#!/bin/bash
# Run by packaging/guest/run inside the booted guest, as root.
set -u
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
echo "guest test begins"

ok() { echo "ok    $*"; }
fail() {
	echo "FAIL  $*"
	systemctl status --no-pager ssm-doctor 2>&1 | head -n 20
	journalctl -u ssm-doctor -n 20 --no-pager -o cat
	exit 1
}
must() { # TEXT COMMAND...
	text=$1
	shift
	if out=$("$@" 2>&1); then ok "$text"; else fail "$text: $out"; fi
}
mustnot() {
	text=$1
	shift
	if out=$("$@" 2>&1); then fail "$text: $out"; else ok "$text"; fi
}
pid() { systemctl show -p MainPID --value ssm-doctor; }
within() { # SECONDS COMMAND...
	left=$1
	shift
	while ! "$@" >/dev/null 2>&1; do
		left=$((left - 1))
		[ "$left" -gt 0 ] || return 1
		sleep 1
	done
}
metric() { curl -fsS http://127.0.0.1:10776/metrics | grep -F "$1" >/dev/null; }
up_as_user() {
	within 20 metric ssm_doctor_build_info || fail "$1: metrics are not served"
	user=$(ps -o user:32= -p "$(pid)")
	[ "$user" = ssm-doctor ] || fail "$1: runs as $user"
	ok "$1: up as its own user, metrics served"
}
version_is() {
	for try in 1 2 3; do
		scraped=$(curl -sS http://127.0.0.1:10776/metrics 2>&1)
		case $scraped in *"version=\"$1\""*) return ;; esac
		echo "note  scrape $try does not name version $1: $(printf '%s' "$scraped" | head -n 5)"
		sleep 1
	done
	fail "version $1 is not what runs"
}
judges() {
	must "$1: not managed, in the metrics" within 30 metric 'ssm_doctor_node_state{state="not-managed"} 1'
	must "$1: the cause is that the agent is not installed" within 10 metric 'cause="agent-not-installed"'
}
restarted() { [ "$(pid)" != 0 ] && [ "$(pid)" != "$before" ]; }
survives_kill() {
	before=$(pid)
	kill -9 "$before"
	must "$1: kill -9: restarted" within 25 restarted
	up_as_user "$1: kill -9"
}
# What any route may leave: nothing. Logs of dpkg and the journal are the guest's.
nothing_left() {
	if getent passwd ssm-doctor; then fail "$1: the user is left"; fi
	if systemctl is-active -q ssm-doctor; then fail "$1: the service runs"; fi
	left=$(find / -xdev \( -path /ci -o -path /proc -o -path /sys -o -path /var/log \) -prune -o -name '*ssm-doctor*' -print 2>/dev/null)
	[ -z "$left" ] || fail "$1: left behind: $left"
	ok "$1: nothing is left behind"
}

# deb
must "deb: install" dpkg -i /ci/1.0.0.deb
must "deb: enabled" systemctl is-enabled ssm-doctor
up_as_user "deb"
version_is 1.0.0
judges deb
ssm-doctor check -o json >/run/report.json
rc=$?
[ $rc = 2 ] || fail "check ends with $rc and not with 2"
must "verdict: the instance is known from its metadata" grep -q '"id": *"i-0123456789abcdef0"' /run/report.json
must "deb: verify" ssm-doctor service verify
must "deb: --ptrace, until the purge" ssm-doctor service install --ptrace --wait 2s
echo "# edited by the administrator" >>/etc/ssm-doctor/ssm-doctor.yml
before=$(pid)
mustnot "deb: an upgrade that breaks off is refused" dpkg -i /ci/cut.deb
must "deb: the old version is installed whole" test -z "$(dpkg --verify ssm-doctor | grep -v "/etc/")"
[ "$(dpkg-query -W -f '${Status} ${Version}' ssm-doctor)" = "install ok installed 1.0.0" ] || fail "dpkg says $(dpkg-query -W -f '${Status} ${Version}' ssm-doctor)"
up_as_user "deb: rolled back"
version_is 1.0.0
[ -z "$(find /usr/bin /usr/lib/systemd /lib/systemd /etc/ssm-doctor -name '*ssm-doctor*.dpkg-*')" ] || fail "dpkg left files of the upgrade"
before=$(pid)
must "deb: upgrade" dpkg -i /ci/1.0.1.deb
up_as_user "deb: upgrade"
version_is 1.0.1
[ "$(pid)" != "$before" ] || fail "the upgrade did not restart it"
must "deb: the edited configuration is kept" grep -q 'edited by the administrator' /etc/ssm-doctor/ssm-doctor.yml
survives_kill deb
must "stop" ssm-doctor service stop
must "disable" systemctl disable ssm-doctor
must "deb: older version" dpkg -i /ci/1.0.0.deb
mustnot "deb: what the administrator disabled stays disabled" systemctl is-enabled ssm-doctor
mustnot "deb: what the administrator stopped stays stopped" systemctl is-active ssm-doctor
must "deb: purge" dpkg --purge ssm-doctor
nothing_left "deb: purge"

# rpm: its scriptlets run as on its own systems; what it depends on has other names here
must "rpm: install" rpm -i --nodeps /ci/1.0.0.rpm
must "rpm: enabled" systemctl is-enabled ssm-doctor
up_as_user "rpm"
version_is 1.0.0
must "rpm: --ptrace, until the removal" ssm-doctor service install --ptrace --wait 2s
echo "# edited by the administrator" >>/etc/ssm-doctor/ssm-doctor.yml
mustnot "rpm: an upgrade that breaks off is refused" rpm -U --nodeps /ci/cut.rpm
[ "$(rpm -q --qf '%{VERSION}' ssm-doctor)" = 1.0.0 ] || fail "rpm says $(rpm -qa)"
up_as_user "rpm: rolled back"
version_is 1.0.0
before=$(pid)
must "rpm: upgrade" rpm -U --nodeps /ci/1.0.1.rpm
up_as_user "rpm: upgrade"
version_is 1.0.1
[ "$(pid)" != "$before" ] || fail "the upgrade did not restart it"
must "rpm: the edited configuration is kept" grep -q 'edited by the administrator' /etc/ssm-doctor/ssm-doctor.yml
judges rpm
survives_kill rpm
must "rpm: stop" systemctl disable --now ssm-doctor
must "rpm: older version" rpm -U --oldpackage --nodeps /ci/1.0.0.rpm
mustnot "rpm: what the administrator disabled stays disabled" systemctl is-enabled ssm-doctor
mustnot "rpm: what the administrator stopped stays stopped" systemctl is-active ssm-doctor
must "rpm: removal" rpm -e ssm-doctor
must "rpm: removal keeps what the administrator edited" rm /etc/ssm-doctor/ssm-doctor.yml.rpmsave
rmdir /etc/ssm-doctor
nothing_left "rpm: removal"

# Distributor: the scripts as the agent starts them
agent() { # SCRIPT VERSION
	(cd "/var/lib/amazon/ssm/packages/doctor/$2" && env -i PATH="$PATH" http_proxy= https_proxy= no_proxy= \
		BWS_ACTION_NAME=Install SSM_DOCTOR_WAIT=3 sh "$1.sh")
}
mkdir -p /var/lib/amazon/ssm/packages/doctor
for v in 1.0.0 1.0.1 1.0.2; do cp -r "/ci/dist-$v" "/var/lib/amazon/ssm/packages/doctor/$v"; done
must "distributor: install" agent install 1.0.0
up_as_user "distributor"
version_is 1.0.0
judges distributor
must "distributor: validate" agent validate 1.0.0
mkdir -p /etc/ssm-doctor
echo "# edited by the administrator" >/etc/ssm-doctor/ssm-doctor.yml
must "distributor: update" agent update 1.0.1
up_as_user "distributor: update"
version_is 1.0.1
must "distributor: the edited configuration is kept" grep -q 'edited by the administrator' /etc/ssm-doctor/ssm-doctor.yml
survives_kill distributor
mustnot "distributor: a broken update is refused" agent update 1.0.2
up_as_user "distributor: rolled back"
version_is 1.0.1
must "distributor: uninstall" agent uninstall 1.0.1
must "distributor: uninstall keeps what the administrator edited" rm -r /etc/ssm-doctor/ssm-doctor.yml /etc/ssm-doctor
rm -rf /var/lib/amazon
nothing_left "distributor"

# service install
mkdir -p /usr/local/bin
cp /ci/ssm-doctor-1.0.0 /usr/local/bin/ssm-doctor
hash -r
must "service install" ssm-doctor service install --wait 3s
up_as_user "service install"
must "service verify" ssm-doctor service verify
before=$(pid)
judges "service install"
survives_kill "service install"
before=$(pid)
must "service install again" ssm-doctor service install --wait 1s
[ "$(pid)" = "$before" ] || fail "an installation that changes nothing restarted it"
must "service status" ssm-doctor service status
# As install.md says: in place of the running program goes another file.
upgrade() { install -m 0755 "$1" /usr/local/bin/ssm-doctor; }
upgrade /ci/ssm-doctor-1.0.1
must "service install: upgrade" ssm-doctor service install --wait 2s
up_as_user "service install: upgrade"
version_is 1.0.1
upgrade /ci/dist-1.0.2/ssm-doctor
mustnot "service install: a program that does not stay up is refused" ssm-doctor service install --wait 3s
upgrade /ci/ssm-doctor-1.0.1
must "service install: back" ssm-doctor service install --wait 2s
up_as_user "service install: back"
version_is 1.0.1
must "service install --ptrace" ssm-doctor service install --ptrace --wait 2s
caps() { grep -q "^CapEff:.*0$1\$" "/proc/$(pid)/status" || fail "capabilities: $(grep Cap "/proc/$(pid)/status")"; }
caps 80004
ok "the drop-in adds CAP_SYS_PTRACE"
must "service verify --ptrace" ssm-doctor service verify --ptrace
mustnot "service verify without it" ssm-doctor service verify
must "service install without --ptrace" ssm-doctor service install --wait 2s
caps 00004
must "it is taken back" ssm-doctor service verify
# Files in folders of others, by the commands of daemon.md.
textfile=/var/lib/prometheus/node-exporter/ssm-doctor.prom
item=/var/lib/amazon/ssm/i-0123456789abcdef0/inventory/custom/ssm-doctor.json
mkdir -p /etc/ssm-doctor "${textfile%/*}" "${item%/*}"
chmod 700 /var/lib/amazon/ssm /var/lib/amazon/ssm/*
printf 'inventory: {enabled: true}\ntextfile: %s\n' $textfile >/etc/ssm-doctor/ssm-doctor.yml
systemctl restart ssm-doctor
logged() { journalctl -u ssm-doctor -o cat --no-pager | grep -q "$1"; }
must "files: no textfile without the drop-in" within 30 logged "the textfile was not written"
must "files: no inventory without the drop-in" within 5 logged "the inventory item was not written"
must "files: the commands of daemon.md" sh -ec "$(sed -n '/^## Files for others/,/^## What/{/^```sh/,/^```/{/^```/!p}}' /ci/daemon.md)"
must "files: textfile" within 30 grep -q ssm_doctor_node_state $textfile
must "files: inventory" within 5 grep -q Custom:SSMDoctor $item
must "files: all may read the textfile" test "$(stat -c %a $textfile)" = 644
up_as_user files
must "service stop" ssm-doctor service stop
mustnot "service status tells it" ssm-doctor service status
must "service start" ssm-doctor service start --wait 2s
must "service uninstall" ssm-doctor service uninstall
must "service uninstall takes the inventory item" test ! -e $item
rm -r /usr/local/bin/ssm-doctor /etc/ssm-doctor /etc/systemd/system/ssm-doctor.service.d "${textfile%/*}" /var/lib/amazon
nothing_left "service uninstall"
echo "guest test ends"
