#!/bin/bash
# Runs the image's root file system, without a container engine, over this host mounted
# read-only, and the FIPS program. Exits 77 where it cannot.
#   packaging/container/test.sh DIST
set -euo pipefail
dist=$(cd "$1" && pwd)
[[ $(uname -s) = Linux && $(id -u) = 0 ]] || { echo "container: CANNOT RUN: needs Linux and root" >&2; exit 77; }
for c in jq unshare tar curl ip; do command -v "$c" >/dev/null || { echo "container: CANNOT RUN: no $c" >&2; exit 77; }; done
case $(uname -m) in
x86_64) arch=amd64 ;;
aarch64) arch=arm64 ;;
*) echo "container: CANNOT RUN: no image for $(uname -m)" >&2; exit 77 ;;
esac
unshare -m true 2>/dev/null || { echo "container: CANNOT RUN: no mount namespaces" >&2; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAIL  $*" >&2; exit 1; }
blob() { echo "$work/oci/blobs/sha256/${1#sha256:}"; }
mkdir "$work/oci" "$work/root"
tar xf "$dist"/container/*.oci.tar -C "$work/oci"
manifest=$(jq -r --arg a "$arch" '.manifests[] | select(.platform.architecture == $a) | .digest' "$work/oci/index.json")
config=$(blob "$(jq -r .config.digest "$(blob "$manifest")")")
layer=$(jq -r '.layers[0].digest' "$(blob "$manifest")")
[[ sha256:$(sha256sum <"$(blob "$layer")" | cut -d ' ' -f 1) = "$layer" ]] || fail "the layer is not what its name says"
[[ $(jq -c '.config.Entrypoint + .config.Cmd' "$config") = '["/enter","/host","/ssm-doctor","serve"]' ]] || fail "entry point: $(cat "$config")"
tar xzf "$(blob "$layer")" -C "$work/root"
[[ $(ls "$work/root") = $'LICENSE\nTHIRD-PARTY-NOTICES\nenter\nhost\nssm-doctor' ]] || fail "files: $(ls "$work/root")"
echo "ok    the image holds two programs, their licenses and nothing else"

rc=0
unshare -m sh -c 'mount --rbind / "$1/host" && chroot "$1" /enter /host /ssm-doctor check --offline' sh "$work/root" >"$work/said" 2>&1 || rc=$?
[[ $rc = 70 ]] && grep -q 'not mounted read-only' "$work/said" || fail "a host that can be written: $rc $(cat "$work/said")"
echo "ok    refuses a host that it could write to"
in_container() { # ARGUMENT...
    unshare -m sh -c 'mount --rbind / "$1/host" && mount -o remount,bind,ro "$1/host" && r=$1 && shift && exec chroot "$r" /enter /host /ssm-doctor "$@"' sh "$work/root" "$@"
}
rc=0
in_container check --offline -o json >"$work/said" 2>"$work/errors" || rc=$?
[[ $rc = [0123] ]] || fail "check: $rc $(cat "$work/errors")"
kernel=$(uname -r) host=$(. /etc/os-release && echo "$ID")
jq -e --arg h "$host" 'tostring | contains($h)' "$work/said" >/dev/null || fail "it does not see this host ($host, $kernel)"
[[ $(in_container version) = "$("$dist/bin/ssm-doctor-linux-$arch" version)" ]] || fail "version"
echo "ok    check over this host, mounted read-only, gives a verdict (code $rc)"
# Where Bottlerocket mounts the host for a host container with superpowers.
mkdir -p "$work/superpowers" && cp -r "$work/root/." "$work/superpowers" && mkdir -p "$work/superpowers/.bottlerocket/rootfs"
rc=0
unshare -m sh -c 'mount --rbind / "$1/.bottlerocket/rootfs" && mount -o remount,bind,ro "$1/.bottlerocket/rootfs" &&
    exec chroot "$1" /enter /host /ssm-doctor check --offline -o json' sh "$work/superpowers" >"$work/said" 2>"$work/errors" || rc=$?
[[ $rc = [0123] ]] && jq -e --arg h "$host" 'tostring | contains($h)' "$work/said" >/dev/null || fail "as a host container: $rc $(cat "$work/errors")"
echo "ok    check as a host container of Bottlerocket would have it (code $rc)"
# The service as daemonset.yaml starts it, in a network of its own.
args=$(sed -n 's/^ *args: \[\(.*\)\]$/\1/p' "$(dirname "$0")/daemonset.yaml" | tr -d '",')
# shellcheck disable=SC2016,SC2086 # words
unshare -mn bash -c '
    r=$1; shift
    ip link set lo up && mount --rbind / "$r/host" && mount -o remount,bind,ro "$r/host" || exit 1
    chroot "$r" /enter /host /ssm-doctor "$@" --offline >/dev/null 2>"$r.log" & pid=$!
    for _ in $(seq 40); do
        curl -fsS http://127.0.0.1:10776/-/ready >/dev/null 2>&1 && break
        sleep 0.5
    done
    curl -fsS http://127.0.0.1:10776/metrics | grep -q "^ssm_doctor_node_state" && curl -fsS http://127.0.0.1:10776/-/healthy >/dev/null; rc=$?
    kill "$pid"; wait "$pid"; exit "$rc"' bash "$work/root" $args || fail "serve: $(tail -n 5 "$work/root.log")"
echo "ok    serves metrics as the DaemonSet starts it"
if in_container collect --offline -f /etc/ssm-doctor-container-test >/dev/null 2>&1 || [[ -e /etc/ssm-doctor-container-test ]]; then fail "it wrote to the host"; fi
echo "ok    nothing can be written to the host"

if [[ -d $dist/fips ]]; then
    fips=$dist/fips/ssm-doctor-linux-$arch
    go version -m "$fips" | grep -q 'GOFIPS140=v1.0.0' || fail "the FIPS program is none"
    for debug in fips140=on fips140=only; do
        rc=0
        GODEBUG=$debug "$fips" check --offline -o json >"$work/said" 2>"$work/errors" || rc=$?
        [[ $rc = [0123] ]] && jq -e . "$work/said" >/dev/null || fail "$debug: check ends with $rc: $(cat "$work/errors")"
    done
    echo "ok    the FIPS program checks, also with fips140=only"
fi
echo "container: all passed"
