#!/bin/sh
# Builds everything that is published, from a clean clone, into one folder.
#
#   packaging/release.sh [-o DIR] [-a "amd64 arm64"] [-s STEPS] [-d]
#
#   -o  output folder (default: dist); emptied first
#   -a  Linux architectures
#   -s  steps (default: "linux other packages msi distributor sbom")
#   -d  allow changes that are not committed
#
# The version comes from git: v1.2.3 gives 1.2.3, five commits later 1.2.3.5,
# without any tag 0.0.COMMITS. VERSION overrides it. Two builds of one commit are
# the same bytes; signatures, which hold their time, are made last:
#
#   MINISIGN_KEY=FILE   signs SHA256SUMS with minisign
#   DEB_KEY_FILE=FILE   signs deb packages (origin signature)
#   RPM_KEY_FILE=FILE   signs rpm packages; NFPM_PASSPHRASE as nfpm has it
#   SIGN_PFX=FILE       signs the Windows program and its MSI; see windows/sign.sh
set -eu
umask 022
export LC_ALL=C TZ=UTC
cd "$(dirname "$0")/.."

out=dist arches='amd64 arm64' steps='linux other packages msi distributor sbom' dirty=no
while getopts o:a:s:d opt; do
	case $opt in
	o) out=$OPTARG ;;
	a) arches=$OPTARG ;;
	s) steps=$OPTARG ;;
	d) dirty=yes ;;
	*) exit 64 ;;
	esac
done
step() { case " $steps " in *" $1 "*) return 0 ;; esac; return 1; }

if [ "$dirty" = no ] && [ -n "$(git status --porcelain)" ]; then
	echo "release.sh: there are changes that are not committed (-d builds them)" >&2
	exit 1
fi
if [ -z "${VERSION:-}" ]; then
	if d=$(git describe --tags --long --match 'v[0-9]*' 2>/dev/null); then
		# v1.2.3-5-gabcdef
		d=${d#v}
		d=${d%-g*}
		VERSION=${d%-*}
		[ "${d##*-}" = 0 ] || VERSION=$VERSION.${d##*-}
	else
		VERSION=0.0.$(git rev-list --count HEAD)
	fi
fi
case $VERSION in
'' | *[!0-9.]* | .* | *. | *..*)
	echo "release.sh: the version $VERSION is not numbers and dots, which is all that every package format takes" >&2
	exit 1
	;;
esac
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export VERSION SOURCE_DATE_EPOCH
# Settings of the builder must not show in the result.
# HTTP/1.1 is all that it speaks; HTTP/2 would add half a megabyte.
export CGO_ENABLED=0 GOFLAGS='-trimpath -buildvcs=false -tags=nethttpomithttp2' GOAMD64=v1 GOARM64=v8.0

rm -rf "$out"
mkdir -p "$out"
out=$(cd "$out" && pwd)
top=$(pwd)
stage=$(mktemp -d)
trap 'rm -rf "$stage" "$top/cmd/ssm-doctor/rsrc_windows_amd64.syso"' EXIT INT TERM
echo "ssm-doctor $VERSION, $(date -u -d "@$SOURCE_DATE_EPOCH" +%FT%TZ 2>/dev/null || echo "$SOURCE_DATE_EPOCH")"

build() { # OS ARCH FILE
	mkdir -p "$(dirname "$3")"
	GOOS=$1 GOARCH=$2 go build -ldflags="-s -w -buildid= -X main.version=$VERSION" -o "$3" ./cmd/ssm-doctor
	echo "  $1/$2 $(wc -c <"$3") bytes"
}

for arch in $arches; do
	if step linux; then build linux "$arch" "$stage/bin/$arch/ssm-doctor"; fi
done
if step other; then
	packaging/windows/resource.sh "$VERSION"
	build windows amd64 "$stage/bin/windows-amd64/ssm-doctor.exe"
	rm -f cmd/ssm-doctor/rsrc_windows_amd64.syso
	packaging/windows/sign.sh "$stage/bin/windows-amd64/ssm-doctor.exe"
	build darwin amd64 "$stage/bin/darwin-amd64/ssm-doctor"
	build darwin arm64 "$stage/bin/darwin-arm64/ssm-doctor"
fi

mkdir -p "$out/bin"
for f in "$stage"/bin/*/*; do
	name=${f#"$stage/bin/"}
	name=${name%/*}
	case $name in *-*) ;; *) name=linux-$name ;; esac
	ext=
	case $f in *.exe) ext=.exe ;; esac
	cp "$f" "$out/bin/ssm-doctor-$name$ext"
done
go build -o "$stage/gen" ./packaging/gen

if step packages; then
	build "$(go env GOHOSTOS)" "$(go env GOHOSTARCH)" "$stage/host" >/dev/null
	"$stage/gen" completions "$stage/host" "$stage/completions"
	mkdir "$stage/man" "$stage/scripts"
	for f in packaging/man/*.1; do gzip -9n <"$f" >"$stage/man/${f##*/}.gz"; done
	cp -r packaging/systemd "$stage/systemd"
	# Scripts of deb and rpm have parts in common.
	for f in packaging/deb-rpm/deb/* packaging/deb-rpm/rpm/*; do
		mkdir -p "$stage/scripts/$(basename "$(dirname "$f")")"
		awk -v v="$VERSION" '
			/^#: / { part = "packaging/deb-rpm/parts/" $2 ".sh"; while ((ok = (getline line < part)) > 0) { gsub(/@VERSION@/, v, line); print line } if (ok < 0) exit 1; close(part); next }
			{ print }' "$f" >"$stage/scripts/${f#packaging/deb-rpm/}"
	done
	cp packaging/deb-rpm/ssm-doctor.yml packaging/deb-rpm/copyright packaging/deb-rpm/lintian-overrides LICENSE CHANGELOG.md "$stage/"
	when=$(date -R -u -d "@$SOURCE_DATE_EPOCH")
	printf 'ssm-doctor (%s) stable; urgency=medium\n\n  * Release %s.\n\n -- ssm-doctor maintainers <maintainers@ssm-doctor.invalid>  %s\n' "$VERSION" "$VERSION" "$when" |
		gzip -9n >"$stage/changelog.gz"
	cp packaging/deb-rpm/nfpm.yaml "$stage/nfpm.yaml"
	if [ -n "${DEB_KEY_FILE:-}" ]; then
		sed -i "s|^deb:|deb:\n  signature: {method: debsign, type: origin, key_file: $DEB_KEY_FILE}|" "$stage/nfpm.yaml"
	fi
	if [ -n "${RPM_KEY_FILE:-}" ]; then
		sed -i "s|^rpm:|rpm:\n  signature: {key_file: $RPM_KEY_FILE}|" "$stage/nfpm.yaml"
	fi
	go build -modfile=packaging/tools/go.mod -o "$stage/nfpm" github.com/goreleaser/nfpm/v2/cmd/nfpm
	mkdir "$out/packages"
	for ARCH in $arches; do
		export ARCH
		for format in ${FORMATS:-deb rpm apk archlinux}; do
			(cd "$stage" && ./nfpm package -f nfpm.yaml -p "$format" -t "$out/packages/" >"$stage/nfpm.log") || { cat "$stage/nfpm.log" >&2; exit 1; }
		done
	done
	(cd "$out/packages" && printf '  %s\n' ./*)
fi

if step msi; then
	mkdir -p "$out/packages"
	packaging/windows/msi.sh "$out/bin/ssm-doctor-windows-amd64.exe" "$VERSION" "$out/packages/ssm-doctor-$VERSION-x64.msi"
fi

if step distributor; then
	set --
	for f in "$out"/bin/*; do
		name=${f##*/ssm-doctor-}
		name=${name%.exe}
		set -- "$@" "${name%-*}/${name#*-}=$f"
	done
	go run ./packaging/distributor build -version "$VERSION" -out "$out/distributor" "$@"
fi

if step sbom; then
	for f in "$out"/bin/*; do "$stage/gen" sbom "$f" >"$out/${f##*/}.cdx.json"; done
fi
"$stage/gen" sums "$out" >"$stage/sums"
mv "$stage/sums" "$out/SHA256SUMS"
if [ -n "${MINISIGN_KEY:-}" ]; then
	minisign -S -s "$MINISIGN_KEY" -m "$out/SHA256SUMS" -t "ssm-doctor $VERSION"
fi
cd "$top"
echo "$(wc -l <"$out/SHA256SUMS") files in $out"
