#!/bin/bash
# Writes a program that is the image over the host it runs on, as daemonset.yaml runs it:
# the host's root read-only, its network and processes, two capabilities. For the lab.
#   packaging/container/pack.sh DIST OUT
set -euo pipefail
dist=$(cd "$1" && pwd) out=$2
case $(uname -m) in aarch64) arch=arm64 ;; *) arch=amd64 ;; esac
capabilities=$(sed -n 's/^ *add: \[\(.*\)\]$/\1/p' "$(dirname "$0")/daemonset.yaml" | tr -d ' ' | tr '[:upper:]' '[:lower:]' | sed 's/^/+/; s/,/,+/g')
[[ $capabilities = +* ]] || { echo "pack.sh: daemonset.yaml adds no capabilities" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tar xf "$dist"/container/*.oci.tar -C "$work"
blob() { echo "$work/blobs/sha256/${1#sha256:}"; }
manifest=$(jq -r --arg a "$arch" '.manifests[] | select(.platform.architecture == $a) | .digest' "$work/index.json")
layer=$(blob "$(jq -r '.layers[0].digest' "$(blob "$manifest")")")
{
    sed "s/CAPABILITIES/$capabilities/" <<'EOF'
#!/bin/sh
r=$(mktemp -d /run/ssm-doctor.XXXXXX) || exit 70
sed '1,/^#LAYER$/d' "$0" | tar xz -C "$r" || exit 70
unshare -m sh -c 'r=$1 && shift && mount --rbind / "$r/host" && mount -o remount,bind,ro "$r/host" &&
    exec setpriv --no-new-privs --bounding-set -all,CAPABILITIES --inh-caps -all chroot "$r" /enter /host /ssm-doctor "$@"' sh "$r" "$@"
rc=$?
rm -rf "$r"
exit "$rc"
#LAYER
EOF
    cat "$layer"
} >"$out"
chmod 755 "$out"
