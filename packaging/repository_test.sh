#!/bin/bash
# Makes a key and repositories of a release, installs from them with apt and dnf into empty
# roots, and has both refuse what was tampered with. Exits 77 where a tool is missing.
#   packaging/repository_test.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
for c in apt-get apt-ftparchive dnf createrepo_c gpg minisign rpm; do
    command -v "$c" >/dev/null || { echo "repository: CANNOT RUN: no $c" >&2; exit 77; }
done
case $(uname -m) in
x86_64) arch=amd64 rpm=x86_64 ;;
aarch64) arch=arm64 rpm=aarch64 ;;
*) echo "repository: CANNOT RUN: no packages for $(uname -m)" >&2; exit 77 ;;
esac
work=$(mktemp -d)
trap 'gpgconf --homedir "$work/gnupg" --kill all 2>/dev/null || true; rm -rf "$work"' EXIT
export GNUPGHOME=$work/gnupg
mkdir -m 0700 "$GNUPGHOME"
gpg --batch --quiet --passphrase '' --quick-generate-key 'ssm-doctor test <test@ssm-doctor.invalid>' rsa3072 sign 1d 2>/dev/null
key=$(gpg --list-keys --with-colons | awk -F: '$1 == "fpr" { print $10; exit }')
gpg --batch --quiet --armor --export-secret-keys "$key" >"$work/rpm.key"
minisign -G -W -p "$work/mini.pub" -s "$work/mini.key" >/dev/null

NFPM_PASSPHRASE='' MINISIGN_KEY=$work/mini.key RPM_KEY_FILE=$work/rpm.key FORMATS="deb rpm" \
    packaging/release.sh -d -a "amd64 arm64" -s "linux packages" -o "$work/dist" >/dev/null
ok() { echo "ok    $*"; }
fail() { echo "FAIL  $*" >&2; exit 1; }

packaging/verify.sh "$work/dist" "$work/mini.pub" >/dev/null || fail "the release does not verify"
ok "verify.sh takes the signed release"
if [ -z "$(git status --porcelain)" ]; then
    FORMATS="deb rpm" packaging/verify.sh -r "$work/dist" "$work/mini.pub" || fail "the release cannot be built again"
    ok "verify.sh -r builds it again from its commit, to the same bytes"
else
    echo "skip  verify.sh -r: there are changes that are not committed"
fi
cp -r "$work/dist" "$work/bad"
echo x >>"$work/bad/LICENSE"
! packaging/verify.sh "$work/bad" "$work/mini.pub" >/dev/null 2>&1 || fail "a changed file was taken"
cp "$work/dist/LICENSE" "$work/bad/LICENSE"
echo x >"$work/bad/bin/extra"
! packaging/verify.sh "$work/bad" "$work/mini.pub" >/dev/null 2>&1 || fail "a file that nobody signed was taken"
rm "$work/bad/bin/extra"
sed -i 's/"version": "/"version": "9/' "$work/bad/provenance.json"
! packaging/verify.sh "$work/bad" "$work/mini.pub" >/dev/null 2>&1 || fail "a changed provenance was taken"
ok "verify.sh refuses a changed file, an added one and a changed provenance"

packaging/repository.sh "$work/dist" "$work/repo" "file://$work/repo" "$key" >/dev/null
cp -r "$work/repo" "$work/again"
sleep 1 # the same at another time
packaging/repository.sh "$work/dist" "$work/again" "file://$work/repo" "$key" >/dev/null
for f in deb/dists/stable/Release "rpm/$rpm/repodata/repomd.xml"; do
    cmp "$work/repo/$f" "$work/again/$f" || fail "$f is made another way each time"
done
ok "the indexes are the same bytes twice"

# apt, in a root of its own that has no other source.
root=$work/apt
mkdir -p "$root"/{etc/apt/{apt.conf.d,preferences.d,sources.list.d,keyrings,trusted.gpg.d},var/lib/{apt/lists/partial,dpkg},var/cache/apt/archives/partial,var/log/apt}
: >"$root/var/lib/dpkg/status"
cp "$work/repo/ssm-doctor.asc" "$root/etc/apt/keyrings/"
sed "s|/etc/apt/keyrings|$root/etc/apt/keyrings|" "$work/repo/ssm-doctor.sources" >"$root/etc/apt/sources.list.d/ssm-doctor.sources"
apt() { APT_CONFIG=/dev/null apt-get -qq -o "Dir=$root" -o "Dir::State::status=$root/var/lib/dpkg/status" -o APT::Architecture=$arch -o APT::Sandbox::User=root -o Dir::Bin::Methods=/usr/lib/apt/methods "$@"; }
apt update || fail "apt update"
(cd "$root" && apt download ssm-doctor) || fail "apt download"
cmp "$root"/ssm-doctor_*_$arch.deb "$work/dist/packages"/ssm-doctor_*_$arch.deb
ok "apt takes the package from the signed repository"
echo x >>"$work/repo/deb/pool/$(basename "$work/dist/packages"/*_$arch.deb)"
rm "$root"/*.deb
if (cd "$root" && apt download ssm-doctor) 2>/dev/null && ls "$root"/*.deb >/dev/null 2>&1; then fail "apt took a package with other bytes"; fi
ok "apt refuses a package with other bytes"
cp "$work/again/deb/pool/"*.deb "$work/repo/deb/pool/"
sed -i 's/^Description: .*/Description: another/' "$work/repo/deb/dists/stable/main/binary-$arch/Packages"
rm "$work/repo/deb/dists/stable/main/binary-$arch/Packages.gz"
rm -rf "$root"/var/lib/apt/lists/*
if apt update 2>/dev/null && apt-cache -o "Dir=$root" policy ssm-doctor 2>/dev/null | grep -q Candidate; then fail "apt took an index that was changed"; fi
ok "apt refuses an index that was changed"
cp -r "$work/again/deb" "$work/repo/"
sed -i 's/^Origin: .*/Origin: somebody/' "$work/repo/deb/dists/stable/InRelease" "$work/repo/deb/dists/stable/Release"
rm -rf "$root"/var/lib/apt/lists/*
apt update >"$work/said" 2>&1 || true
grep -qiE 'signature|GPG' "$work/said" || fail "apt took a list with a wrong signature: $(cat "$work/said")"
ok "apt refuses a list with a wrong signature"

# dnf, in a root of its own. What the package depends on is there by a stand-in.
cat >"$work/base.yaml" <<Y
name: base
arch: $rpm
version: 1.0.0
maintainer: test <test@ssm-doctor.invalid>
description: stand-in
provides: [/usr/sbin/useradd, /usr/sbin/groupadd, /usr/bin/getent, /bin/sh]
Y
go build -modfile=packaging/tools/go.mod -o "$work/nfpm" github.com/goreleaser/nfpm/v2/cmd/nfpm
mkdir "$work/base"
(cd "$work" && ./nfpm package -f base.yaml -p rpm -t base/ >/dev/null)
createrepo_c --quiet "$work/base"
mkdir "$work/repos"
cp "$work/repo/ssm-doctor.repo" "$work/repos/"
printf '[base]\nname=base\nbaseurl=file://%s/base\ngpgcheck=0\n' "$work" >"$work/repos/base.repo"
dnf() { # ROOT COMMAND...
    local root=$1
    shift
    command dnf -q -y --installroot="$root" --releasever=1 --forcearch="$rpm" --setopt=reposdir="$work/repos" --setopt=tsflags=noscripts \
        --setopt=cachedir="$root/cache" --setopt=keepcache=0 --disableplugin='*' "$@"
}
dnf "$work/dnf" install ssm-doctor >"$work/said" 2>&1 || { cat "$work/said"; fail "dnf install"; }
cmp "$work/dnf/usr/bin/ssm-doctor" "$work/dist/bin/ssm-doctor-linux-$arch"
ok "dnf installs with gpgcheck=1 and repo_gpgcheck=1"
cp -r "$work/again/rpm" "$work/repo/"
file=$(ls "$work/repo/rpm/$rpm"/*.rpm)
printf 'x' | dd of="$file" bs=1 seek=$(($(stat -c %s "$file") - 100)) conv=notrunc status=none
if dnf "$work/dnf2" install ssm-doctor >"$work/said" 2>&1; then fail "dnf took a package with other bytes"; fi
ok "dnf refuses a package with other bytes"
# The same with an index that fits it and is signed: only the package's own signature tells.
createrepo_c --quiet "$work/repo/rpm/$rpm"
rm -f "$work/repo/rpm/$rpm/repodata/repomd.xml.asc"
gpg --batch --quiet --armor --detach-sign --output "$work/repo/rpm/$rpm/repodata/repomd.xml.asc" "$work/repo/rpm/$rpm/repodata/repomd.xml"
if dnf "$work/dnf3" install ssm-doctor >"$work/said" 2>&1; then fail "dnf took a package whose signature is wrong"; fi
ok "dnf refuses a package whose signature is wrong"
rm -rf "$work/repo/rpm"
cp -r "$work/again/rpm" "$work/repo/"
sed -i 's/<revision>/<revision>1/' "$work/repo/rpm/$rpm/repodata/repomd.xml"
if dnf "$work/dnf4" install ssm-doctor >"$work/said" 2>&1; then fail "dnf took an index with a wrong signature"; fi
ok "dnf refuses an index with a wrong signature"
if packaging/repository.sh "$work/dist/none" "$work/x" file:///x "$key" >/dev/null 2>&1; then fail "a repository of nothing was made"; fi
echo "repository: all passed"
