#!/bin/sh
# Says whether what install.sh leaves is there and runs. The agent runs it after each
# install or update and whenever it meets the same release again; when it fails,
# the agent runs install.sh.
set -eu
# shellcheck source=common.sh
. ./common.sh
read_arguments
owner=$(os_package)
if [ -n "$owner" ]; then
    say "installed by $owner"
    exit 0
fi
[ -f "$bin" ] || fail "$bin is missing"
runs "$bin" || fail "$bin does not run: $said"
# An update cut off by a reboot would leave the previous release.
if ! refused && [ "$(hash "$bin")" != "$(hash "$payload")" ]; then
    fail "$bin is not the program of this release"
fi
if [ "$service" = yes ]; then
    set -- service verify
    [ "$ptrace" = no ] || set -- "$@" --ptrace
    [ "$no_start" = yes ] || "$bin" "$@" || fail "the service is not as it was installed"
fi
say "valid: $said"
