#!/bin/sh
# Removes ssm-doctor of any release: the agent may run the new release's script to
# remove the old one. Configuration in /etc/ssm-doctor stays, it is the administrator's.
set -eu
# shellcheck source=common.sh
. ./common.sh
read_arguments
# The agent removes the release in place before it tries another one, and the other one
# when that has failed. Both times install.sh follows, which needs what is in place.
if [ -f "$bin" ] && { agent_is upgrading || agent_is rolling-back-removal; }; then
    say "kept the release in place for the installation that follows"
    exit 0
fi
if packaged; then
    if shadowed; then
        hand_over
    fi
    say "removed; ssm-doctor $theirs of the $owner package stays"
    exit 0
fi
tool=$bin
if [ "$(unit_program)" != "${bin#"$root"}" ] && [ -e "$unit" ]; then
    tool='' # installed by hand from elsewhere: not this package's
    say "the service starts $(unit_program), which another install has put there; it stays"
elif [ "$service" = no ] && [ ! -e "$unit" ]; then
    tool='' # installed without one, maybe where no service manager is
elif ! { [ -f "$bin" ] && runs "$bin"; }; then
    # A damaged program cannot remove its service; the one of this folder can.
    if [ -f "$bin" ] || [ -f "$unit" ]; then
        put "$payload"
        tool=$new
    else
        tool=''
    fi
fi
if [ -n "$tool" ]; then
    # shellcheck disable=SC2086 # one word or none
    call "$tool" service uninstall $keep_state || fail "the service could not be removed; the program was left in place"
fi
remove_own
say "removed"
