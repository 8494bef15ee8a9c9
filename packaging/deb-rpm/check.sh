#!/usr/bin/env bash
# Builds the packages twice and checks them: the same bytes, lintian, rpmlint,
# the unit that the program itself would install, its exposure, and what an
# extracted package does. Exits 77 when a tool is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
for c in dpkg-deb lintian rpm rpmlint rpm2cpio cpio systemd-analyze; do
    command -v "$c" >/dev/null || { echo "no $c"; exit 77; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
version=0.1.0

packaging/deb-rpm/build.sh -v $version -o "$work/one" -a amd64 -p "deb rpm apk archlinux" >/dev/null
cp -r . "$work/elsewhere"
(cd "$work/elsewhere" && packaging/deb-rpm/build.sh -v $version -o "$work/two" -a amd64 -p "deb rpm apk archlinux") >/dev/null
(cd "$work/one" && sha256sum -- *) >"$work/sums"
(cd "$work/two" && sha256sum -c --quiet "$work/sums")
echo "two builds, same bytes:"
cat "$work/sums"

lintian --allow-root --fail-on error,warning "$work"/one/*.deb
rpmlint -c packaging/deb-rpm/rpmlint.toml "$work"/one/*.rpm >"$work/rpmlint" || { cat "$work/rpmlint"; exit 1; }
grep -q ' 0 errors, 0 warnings' "$work/rpmlint" || { cat "$work/rpmlint"; exit 1; }

dpkg-deb -x "$work"/one/*.deb "$work/deb"
mkdir "$work/rpm"
(cd "$work/rpm" && rpm2cpio "$work"/one/*.rpm | cpio -id --quiet --no-absolute-filenames)
for tree in deb rpm; do
    cmp "packaging/systemd/ssm-doctor.service" "$work/$tree/usr/lib/systemd/system/ssm-doctor.service"
    [[ $("$work/$tree/usr/bin/ssm-doctor" version) == "ssm-doctor $version "* ]]
done

# 18 is an exposure of 1.8 on systemd's scale of 10.
systemd-analyze security --offline=true --threshold=18 "packaging/systemd/ssm-doctor.service" | tail -n 1
sed "s|/usr/bin/ssm-doctor|$work/deb/usr/bin/ssm-doctor|" "packaging/systemd/ssm-doctor.service" >"$work/ssm-doctor.service"
systemd-analyze verify --man=no "$work/ssm-doctor.service" 2>&1 | grep -v 'Attaching egress BPF\|is not executable\|cgroup' || true
