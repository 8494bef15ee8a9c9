#!/bin/sh
# In-place update to the release of this folder, or downgrade to it.
set -eu
# shellcheck source=common.sh
. ./common.sh
read_arguments
owner=$(os_package)
if [ -n "$owner" ]; then
    say "already installed by $owner, which keeps it up to date; nothing to do"
    exit 0
fi
deploy
