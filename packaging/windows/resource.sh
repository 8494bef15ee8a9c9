#!/bin/sh
# resource.sh VERSION - writes cmd/ssm-doctor/rsrc_windows_amd64.syso, which the Go linker
# takes into a Windows program: its version, as Explorer, AppLocker's publisher rules and
# inventories read it, and a manifest. Delete it after the build.
set -eu
[ $# = 1 ] || { sed -n '2s/^# //p' "$0" >&2; exit 64; }
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
sed "s/@FOUR@/$(echo "$1.0.0.0" | cut -d. -f1-4)/; s/@VERSION@/$1/" packaging/windows/resource.json >"$work/resource.json"
GOFLAGS='' go tool -modfile=packaging/tools/go.mod go-winres make --arch amd64 --in "$work/resource.json" --out "$work/rsrc"
mv "$work/rsrc_windows_amd64.syso" cmd/ssm-doctor/
