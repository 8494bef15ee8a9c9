#!/bin/sh
# Installs ssm-doctor, or repairs it: the agent runs this for a first install, after
# a failed validate.sh, and as its own kind of rollback after a failed update.
set -eu
# shellcheck source=common.sh
. ./common.sh
read_arguments
yield
# The folder of the earlier release may hold the refused one's files: the agent
# downloads what was asked for into both.
if agent_is rolling-back-install && refused; then
    say "kept the release in place: this one has just been refused"
    exit 0
fi
yield_by_hand
deploy
