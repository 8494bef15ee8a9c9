#!/bin/sh
# Builds everything that is published, from a clean clone, into one folder.
#
#   packaging/release.sh [-u] [-o DIR] [-a "amd64 arm64 armhf"] [-s STEPS] [-d]
#
#   -u  unsigned, for tests: without it the keys below must be there
#   -o  output folder (default: dist); emptied first
#   -a  Linux architectures; armhf is 32-bit ARM with a floating point unit, Raspberry Pi
#       included, and gets a program and a deb
#   -s  steps (default: "linux other packages msi distributor container fips sbom")
#   -d  allow changes that are not committed
#
# The version comes from git: v1.2.3 gives 1.2.3, five commits later 1.2.3.5,
# without any tag 0.0.COMMITS. VERSION, COMMIT and SOURCE_DATE_EPOCH override what git says.
# Two builds of one commit are the same bytes; signatures, which hold their time, are made
# last. packaging/verify.sh checks a release, and builds it again.
#
#   MINISIGN_KEY=FILE   signs SHA256SUMS and provenance.json with minisign
#   RPM_KEY_FILE=FILE   signs rpm packages; NFPM_PASSPHRASE as nfpm has it
#   SIGN_PFX=FILE       signs the Windows program and its MSI; see windows/sign.sh
#   DEB_KEY_FILE=FILE   signs deb packages (origin signature); apt asks for none, it goes
#                       by the signed index of the repository (packaging/repository.sh)
set -eu
umask 022
export LC_ALL=C TZ=UTC
cd "$(dirname "$0")/.."

out=dist arches='amd64 arm64 armhf' steps='linux other packages msi distributor container fips sbom' dirty=no unsigned=no
while getopts uo:a:s:d opt; do
	case $opt in
	u) unsigned=yes ;;
	o) out=$OPTARG ;;
	a) arches=$OPTARG ;;
	s) steps=$OPTARG ;;
	d) dirty=yes ;;
	*) exit 64 ;;
	esac
done
step() { case " $steps " in *" $1 "*) return 0 ;; esac; return 1; }

for arch in $arches; do
	case $arch in
	amd64 | arm64 | armhf) ;;
	*)
		echo "release.sh: no packages for $arch; 32-bit ARM is armhf" >&2
		exit 64
		;;
	esac
done
if [ "$unsigned" = yes ]; then
	unset MINISIGN_KEY RPM_KEY_FILE DEB_KEY_FILE SIGN_PFX
elif [ -z "${MINISIGN_KEY:-}" ] || { step packages && [ -z "${RPM_KEY_FILE:-}" ]; }; then
	echo "release.sh: a release is signed: set MINISIGN_KEY and RPM_KEY_FILE, or say -u for an unsigned build" >&2
	exit 1
fi
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
COMMIT=${COMMIT:-$(git rev-parse HEAD)}
day=$(date -u -d "@$SOURCE_DATE_EPOCH" +%F)
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
	goarch=$2
	[ "$2" != armhf ] || goarch=arm
	GOOS=$1 GOARCH=$goarch GOARM=6 go build -ldflags="-s -w -buildid= -X main.version=$VERSION -X main.commit=$COMMIT -X main.date=$day" -o "$3" ./cmd/ssm-doctor
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
# What is linked in is passed on with its licenses, in every artefact.
"$stage/gen" notices "$out"/bin/* >"$stage/THIRD-PARTY-NOTICES"
cp "$stage/THIRD-PARTY-NOTICES" LICENSE "$out/"

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
	"$stage/gen" changelog deb | gzip -9n >"$stage/changelog.gz"
	"$stage/gen" changelog rpm >"$stage/changelog.yaml"
	go build -modfile=packaging/tools/go.mod -o "$stage/nfpm" github.com/goreleaser/nfpm/v2/cmd/nfpm
	# package FOLDER: all packages there, signed by the keys that SIGN names.
	package() {
		mkdir -p "$1"
		for ARCH in $arches; do
			PKGARCH=$ARCH formats='deb rpm apk archlinux'
			[ "$ARCH" != armhf ] || PKGARCH=arm6 formats=deb
			export ARCH PKGARCH
			for format in $formats; do
				case " ${FORMATS:-$formats} " in *" $format "*) ;; *) continue ;; esac
				{
					cat packaging/deb-rpm/nfpm.yaml
					[ "$format" != rpm ] || echo 'changelog: changelog.yaml'
				} | sed "$2" >"$stage/nfpm.yaml"
				(cd "$stage" && ./nfpm package -f nfpm.yaml -p "$format" -t "$1/" >"$stage/nfpm.log") || { cat "$stage/nfpm.log" >&2; exit 1; }
			done
		done
	}
	sign=
	if [ -n "${DEB_KEY_FILE:-}" ]; then sign="s|^deb:|deb:\n  signature: {method: debsign, type: origin, key_file: $DEB_KEY_FILE}|;"; fi
	if [ -n "${RPM_KEY_FILE:-}" ]; then sign="${sign}s|^rpm:|rpm:\n  signature: {key_file: $RPM_KEY_FILE}|"; fi
	package "$out/packages" "$sign"
	# What can be built again byte for byte.
	if [ -n "$sign" ]; then package "$stage/unsigned/packages" ''; fi
	(cd "$out/packages" && printf '  %s\n' ./*)
fi

if step msi; then
	mkdir -p "$out/packages"
	NOTICES="$stage/THIRD-PARTY-NOTICES" packaging/windows/msi.sh "$out/bin/ssm-doctor-windows-amd64.exe" "$VERSION" "$out/packages/ssm-doctor-$VERSION-x64.msi"
fi

if step distributor; then
	set --
	for f in "$out"/bin/*; do
		name=${f##*/ssm-doctor-}
		name=${name%.exe}
		# The agent runs on 32-bit ARM, and Distributor has no name for it.
		[ "$name" != linux-armhf ] || continue
		set -- "$@" "${name%-*}/${name#*-}=$f"
	done
	go run ./packaging/distributor build -version "$VERSION" -notices "$stage/THIRD-PARTY-NOTICES" -license LICENSE -out "$out/distributor" "$@"
fi

if step container; then
	set --
	for arch in $arches; do
		[ -e "$stage/bin/$arch/ssm-doctor" ] && [ "$arch" != armhf ] || continue
		root=$stage/image/$arch
		mkdir -p "$root/host"
		cp "$stage/bin/$arch/ssm-doctor" "$stage/THIRD-PARTY-NOTICES" LICENSE "$root/"
		GOOS=linux GOARCH=$arch go build -ldflags='-s -w -buildid=' -o "$root/enter" ./packaging/container/enter
		set -- "$@" "$arch=$root"
	done
	mkdir -p "$out/container"
	(cd packaging/tools && go build -o "$stage/image-tool" ./image)
	"$stage/image-tool" -version "$VERSION" -commit "$COMMIT" -time "$SOURCE_DATE_EPOCH" -out "$out/container/ssm-doctor-$VERSION.oci.tar" "$@"
	echo "  container image for $#"
fi

# With the module of cryptography that was submitted to the FIPS 140-3 validation, switched on.
if step fips; then
	mkdir -p "$out/fips"
	for arch in $arches; do
		[ "$arch" != armhf ] || continue
		GOFIPS140=v1.0.0 build linux "$arch" "$out/fips/ssm-doctor-linux-$arch"
	done
fi

if step sbom; then
	for f in "$out"/fips/*; do
		[ ! -e "$f" ] || "$stage/gen" sbom "$f" >"$out/fips-${f##*/}.cdx.json"
	done
	for f in "$out"/bin/*; do "$stage/gen" sbom "$f" >"$out/${f##*/}.cdx.json"; done
fi
# How all this was made, by what it was before signing.
mkdir -p "$stage/unsigned"
"$stage/gen" sums "$out" >"$stage/sums"
(cd "$stage/unsigned" && find . -type f) | sed 's|^\./||' | while read -r f; do
	echo "$(sha256sum <"$stage/unsigned/$f" | cut -d ' ' -f 1)  $f"
done >"$stage/sums.unsigned"
awk -v list="$stage/sums.unsigned" 'BEGIN { while ((getline <list) > 0) sum[$2] = $1 } { print ($2 in sum ? sum[$2] : $1) "  " $2 }' \
	"$stage/sums" >"$stage/sums.provenance"
"$stage/gen" provenance "$stage/sums.provenance" "$COMMIT" "$arches" "$steps" >"$out/provenance.json"
"$stage/gen" sums "$out" >"$stage/sums"
mv "$stage/sums" "$out/SHA256SUMS"
cd "$top"
echo "$(wc -l <"$out/SHA256SUMS") files in $out"
if [ -n "${MINISIGN_KEY:-}" ]; then
	minisign -S -s "$MINISIGN_KEY" -m "$out/SHA256SUMS" "$out/provenance.json" -t "ssm-doctor $VERSION"
else
	echo "release.sh: UNSIGNED: nobody can tell who made these files; for tests only" >&2
fi
