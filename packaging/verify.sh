#!/bin/sh
# Checks a release: who signed it, that the files are those that were signed, and, with -r,
# that they can be built again byte for byte from the commit that provenance.json names.
#
#   packaging/verify.sh [-r] DIR MINISIGN.pub
#
# -r needs this repository's history and the Go release that provenance.json names. Signed
# packages are compared as they were before signing.
set -eu
again=no
while getopts r opt; do
	case $opt in
	r) again=yes ;;
	*) exit 64 ;;
	esac
done
shift $((OPTIND - 1))
[ $# = 2 ] || {
	echo "usage: verify.sh [-r] DIR MINISIGN.pub" >&2
	exit 64
}
dir=$(cd "$1" && pwd) key=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
for f in SHA256SUMS provenance.json; do
	minisign -Vqm "$dir/$f" -p "$key" || {
		echo "verify.sh: $f is not signed by this key" >&2
		exit 1
	}
done
(cd "$dir" && sha256sum --quiet -c SHA256SUMS) || {
	echo "verify.sh: files are not those that were signed" >&2
	exit 1
}
# A file that nobody signed could pass for one of the release.
(cd "$dir" && find . -type f ! -name 'SHA256SUMS*' ! -name 'provenance.json.minisig') | sed 's|^\./||' | sort >"${TMPDIR:-/tmp}/verify.$$"
extra=$(awk '{ print $2 }' "$dir/SHA256SUMS" | sort | comm -13 - "${TMPDIR:-/tmp}/verify.$$")
rm -f "${TMPDIR:-/tmp}/verify.$$"
[ -z "$extra" ] || {
	echo "verify.sh: not signed: $extra" >&2
	exit 1
}
echo "signed by the key, and complete"
[ "$again" = yes ] || exit 0

cd "$(dirname "$0")/.."
value() { sed -n "s/^ *\"$1\": \"\([^\"]*\)\",*\$/\1/p" "$dir/provenance.json" | head -n 1; }
commit=$(value commit) version=$(value version) arches=$(value arches) steps=$(value steps)
want=$(sed -n 's/^ *"name": "\(go1[0-9.]*\)"$/\1/p' "$dir/provenance.json" | head -n 1)
[ "$(go env GOVERSION)" = "$want" ] || {
	echo "verify.sh: the release was built with $want; this is $(go env GOVERSION)" >&2
	exit 1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git clone -q --no-hardlinks . "$work/tree"
git -C "$work/tree" checkout -q --detach "$commit"
VERSION=$version "$work/tree/packaging/release.sh" -u -a "$arches" -s "$steps" -o "$work/dist" >"$work/log" 2>&1 || {
	tail -n 20 "$work/log" >&2
	exit 1
}
if ! diff "$dir/provenance.json" "$work/dist/provenance.json"; then
	echo "verify.sh: $commit builds to other files" >&2
	exit 1
fi
echo "$(grep -c '"sha256"' "$dir/provenance.json") sums are those of $commit, built again"
