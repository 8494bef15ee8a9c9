#!/bin/sh
# Installs ssm-doctor, or repairs it: the agent runs this for a first install, after
# a failed validate.sh, and as its own kind of rollback after a failed update.
set -eu
# shellcheck source=common.sh
. ./common.sh
read_arguments
owner=$(os_package)
if [ -n "$owner" ]; then
    say "already installed by $owner, which keeps it up to date; nothing to do"
    exit 0
fi
if [ -f "$bin" ] && refused && [ "$stages" != ui ] && [ "$sum" = "$(hash "$payload")" ]; then
    note "$sum" "$at" ui
    say "kept the release in place: an update has just refused this one"
    exit 0
fi
deploy
