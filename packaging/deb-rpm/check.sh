#!/usr/bin/env bash
# Builds the packages in two folders and checks them: the same bytes, lintian,
# rpmlint, the unit that the program itself would install, its exposure, and
# that the packed program runs. Exits 77 when a tool is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
for c in dpkg-deb lintian rpm rpmlint rpm2cpio cpio systemd-analyze; do
    command -v "$c" >/dev/null || { echo "no $c"; exit 77; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export VERSION=0.1.0 SOURCE_DATE_EPOCH=1790000000

packaging/release.sh -d -a amd64 -s "linux packages" -o "$work/one" >/dev/null
git ls-files -z --cached --others --exclude-standard | tar c --null -T - | { mkdir "$work/elsewhere" && tar x -C "$work/elsewhere"; }
(cd "$work/elsewhere" && packaging/release.sh -d -a amd64 -s "linux packages" -o "$work/two" >/dev/null)
(cd "$work/one" && sha256sum packages/* bin/*) >"$work/sums"
(cd "$work/two" && sha256sum -c --quiet "$work/sums")
echo "    two builds, the same bytes:"
sed 's/^/    /' "$work/sums"

lintian --allow-root --fail-on error,warning "$work"/one/packages/*.deb
rpmlint -c packaging/deb-rpm/rpmlint.toml "$work"/one/packages/*.rpm >"$work/rpmlint" || { cat "$work/rpmlint"; exit 1; }
grep -q ' 0 errors, 0 warnings' "$work/rpmlint" || { cat "$work/rpmlint"; exit 1; }

dpkg-deb -x "$work"/one/packages/*.deb "$work/deb"
mkdir "$work/rpm"
# rpm2cpio of Debian ends with 1 after a whole payload of nfpm's; the program
# that comes out is run below.
rpm2cpio "$work"/one/packages/*.rpm >"$work/payload" || [[ -s $work/payload ]]
(cd "$work/rpm" && cpio -id --quiet --no-absolute-filenames <"$work/payload" 2>/dev/null)
for tree in deb rpm; do
    cmp packaging/systemd/ssm-doctor.service "$work/$tree/usr/lib/systemd/system/ssm-doctor.service"
    [[ $("$work/$tree/usr/bin/ssm-doctor" version) == "ssm-doctor $VERSION "* ]]
done

# 18 is an exposure of 1.8 on systemd's scale of 10.
systemd-analyze security --offline=true --threshold=18 packaging/systemd/ssm-doctor.service | tail -n 1
