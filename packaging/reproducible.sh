#!/bin/sh
# Shows that two builds of one commit are the same bytes: clones it into two folders,
# builds each with release.sh under another umask, time zone, locale and build cache,
# and compares every file. Takes as long as a build from nothing.
#
#   packaging/reproducible.sh [-s STEPS] [-a ARCHES]     as release.sh has them
set -eu
steps='linux other packages distributor container fips sbom' arches='amd64 arm64 armhf'
while getopts s:a: opt; do
	case $opt in
	s) steps=$OPTARG ;;
	a) arches=$OPTARG ;;
	*) exit 64 ;;
	esac
done
cd "$(dirname "$0")/.."
[ -z "${MINISIGN_KEY:-}${DEB_KEY_FILE:-}${RPM_KEY_FILE:-}" ] || {
	echo "reproducible.sh: signatures hold their time; compare before signing" >&2
	exit 64
}
work=$(mktemp -d)
# A build cache is read-only in places.
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
one=$work/one two="$work/another folder/two"
commit=$(git rev-parse HEAD)
mkdir "$work/another folder"
for to in "$one" "$two"; do
	git clone -q --no-hardlinks . "$to"
	git -C "$to" checkout -q --detach "$commit"
done
(
	umask 022
	"$one/packaging/release.sh" -u -s "$steps" -a "$arches"
)
(
	umask 077
	export TZ=Asia/Tokyo LC_ALL=C.UTF-8 GOCACHE="$work/cache"
	"$two/packaging/release.sh" -u -s "$steps" -a "$arches" >/dev/null
)
bad=0
(cd "$one/dist" && find . -type f) | LC_ALL=C sort >"$work/a"
(cd "$two/dist" && find . -type f) | LC_ALL=C sort >"$work/b"
diff "$work/a" "$work/b" || bad=1
[ -s "$work/a" ] || bad=1
while read -r f; do
	cmp "$one/dist/$f" "$two/dist/$f" || bad=1
done <"$work/a"
[ "$bad" = 0 ] || {
	echo "reproducible.sh: two builds of $commit differ" >&2
	exit 1
}
echo "$(wc -l <"$work/a") files of $commit are the same bytes twice"
