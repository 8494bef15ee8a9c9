#!/bin/sh
# Says whether what install.sh leaves is there and runs. The agent runs it after each
# install or update and whenever it meets the same release again; when it fails,
# the agent installs again.
set -eu
# shellcheck source=common.sh
. ./common.sh
read_arguments
if packaged; then
    ! shadowed || fail "both $owner and this package have installed ssm-doctor"
    ! older "${theirs:-0}" "$release" || fail "ssm-doctor ${theirs:-of an unknown release} is installed by $owner, and this release is $release"
    say "ssm-doctor $theirs is installed by $owner"
    exit 0
fi
[ -f "$bin" ] || fail "$bin is missing"
runs "$bin" || fail "$bin does not run: $said"
if [ "$(hash "$bin")" != "$(hash "$payload")" ]; then
    # After a rollback the folder of the release that runs may hold the refused one.
    if ! { agent_is installed || agent_is rolling-back-install; } || ! refused; then
        fail "$bin is not the program of this release"
    fi
fi
if [ "$service" = yes ]; then
    set -- service verify
    [ "$ptrace" = no ] || set -- "$@" --ptrace
    [ "$no_start" = yes ] || call "$bin" "$@" || fail "the service is not as it was installed"
elif [ "$(unit_program)" = "${bin#"$root"}" ]; then
    fail "there is a service, although SSM_DOCTOR_SERVICE says no"
fi
# An update that was cut off leaves copies.
rm -f "$bin.new" "$bin.prev"
say "valid: $said"
