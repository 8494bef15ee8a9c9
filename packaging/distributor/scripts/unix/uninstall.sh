#!/bin/sh
# Removes ssm-doctor of any release: the agent may run the new release's script to
# remove the old one. Configuration in /etc/ssm-doctor stays, it is the administrator's.
set -eu
# shellcheck source=common.sh
. ./common.sh
read_arguments
if [ -f "$bin" ] && refused && [ "$stages" = - ]; then
    note "$sum" "$at" u
    say "kept the release in place: an update has just put it back. Uninstall again to remove it"
    exit 0
fi
owner=$(os_package)
tool=$bin
if [ -n "$owner" ]; then
    # Its service is not ours. The package's program drops a unit of ours, if any.
    unit=$root/etc/systemd/system/ssm-doctor.service
    if [ -f "$unit" ] && grep -q '^ExecStart=/opt/ssm-doctor/bin/' "$unit"; then
        "$root/usr/bin/ssm-doctor" service install || fail "the service of the $owner package could not be restored"
    fi
    tool=''
elif [ "$service" = no ]; then
    tool='' # installed without one, maybe where no service manager is
elif ! { [ -f "$bin" ] && runs "$bin"; }; then
    # A damaged program cannot remove its service; the one of this folder can.
    if [ -f "$bin" ] || [ -f "$root/etc/systemd/system/ssm-doctor.service" ]; then
        put "$payload"
        tool=$new
    else
        tool=''
    fi
fi
if [ -n "$tool" ]; then
    # shellcheck disable=SC2086 # one word or none
    "$tool" service uninstall $keep_state || fail "the service could not be removed; the program was left in place"
fi
if [ "$(readlink "$link" 2>/dev/null)" = "${bin#"$root"}" ]; then
    rm -f "$link"
fi
rm -f "$bin" "$bin.new" "$bin.prev" "$rejected" || fail "cannot remove the program: is the file system read-only?"
rmdir "$home/bin" "$home" 2>/dev/null || :
say "removed"
