#!/bin/sh
# sign.sh FILE - signs a program or package for Windows (Authenticode, SHA-256), in place.
# Without SIGN_PFX it does nothing.
#
#   SIGN_PFX=FILE         the key with its certificates, PKCS#12
#   SIGN_PASS_FILE=FILE   holds its password
#   SIGN_TIMESTAMP=URL    a time stamp of that service, so that the signature outlives the
#                         certificate; without it the signature ends with it
#
# Needs osslsigncode.
set -eu
[ $# = 1 ] || { sed -n '2s/^# //p' "$0" >&2; exit 64; }
[ -n "${SIGN_PFX:-}" ] || exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
osslsigncode sign -pkcs12 "$SIGN_PFX" ${SIGN_PASS_FILE:+-readpass "$SIGN_PASS_FILE"} -h sha256 -n ssm-doctor \
	${SIGN_TIMESTAMP:+-ts "$SIGN_TIMESTAMP"} -in "$1" -out "$work/signed" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
cat "$work/signed" >"$1"
