#!/bin/sh
# In-place update to the release of this folder, or downgrade to it.
set -eu
# shellcheck source=common.sh
. ./common.sh
read_arguments
yield
yield_by_hand
deploy
