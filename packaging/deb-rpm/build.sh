#!/usr/bin/env bash
# Builds the operating system packages into a directory:
#   packaging/deb-rpm/build.sh [-v VERSION] [-o DIR] [-a "amd64 arm64"] [-p "deb rpm apk archlinux"]
# apk and archlinux hold the program, unit and pages without scripts.
# The same source gives the same bytes, in any folder. Needs Go only.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
version=$(git describe --tags --match 'v*' 2>/dev/null | sed 's/^v//' || true)
version=${version:-0.1.0}
out=dist
arches="amd64 arm64"
formats="deb rpm"
while getopts v:o:a:p: opt; do
    case $opt in
    v) version=$OPTARG ;;
    o) out=$OPTARG ;;
    a) arches=$OPTARG ;;
    p) formats=$OPTARG ;;
    *) exit 64 ;;
    esac
done
# A package's version knows no dash but the one before its revision.
version=${version//-/+}
mkdir -p "$out"
out=$(cd "$out" && pwd)
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 1790000000)}
export SOURCE_DATE_EPOCH

go build -o "$stage/here" ./cmd/ssm-doctor
go run ./packaging/gen completions "$stage/here" "$stage/completions"
mkdir "$stage/man"
for page in packaging/man/*.1; do
    gzip -9nc "$page" >"$stage/man/$(basename "$page").gz"
done
{
    printf 'ssm-doctor (%s) unstable; urgency=medium\n\n  * See CHANGELOG.md of the project.\n\n' "$version"
    printf ' -- ssm-doctor developers <ssm-doctor@users.noreply.github.com>  %s\n' "$(LC_ALL=C date -uRd "@$SOURCE_DATE_EPOCH")"
} | gzip -9nc >"$stage/changelog.gz"
for arch in $arches; do
    CGO_ENABLED=0 GOOS=linux GOARCH=$arch go build -trimpath -buildvcs=false \
        -ldflags="-s -w -buildid= -X main.version=$version" -o "$stage/ssm-doctor-$arch" ./cmd/ssm-doctor
    for format in $formats; do
        ARCH=$arch VERSION=$version STAGE=$stage \
            go tool -modfile=packaging/tools/go.mod nfpm package -f packaging/deb-rpm/nfpm.yaml -p "$format" -t "$out/" >"$stage/nfpm.log" 2>&1 || { cat "$stage/nfpm.log"; exit 1; }
    done
done
ls "$out"
