#!/bin/sh
# Lays out the packages of a release as signed repositories for apt and for dnf.
#
#   packaging/repository.sh DIST OUT URL GPG_KEY_ID
#
# DIST is the folder of release.sh, OUT a folder to be served at URL, the key one of the
# caller's keyring. OUT gets the public key, ssm-doctor.sources for apt and ssm-doctor.repo
# for dnf. Earlier versions in OUT stay. Needs apt-ftparchive, createrepo_c and gpg.
set -eu
umask 022
export LC_ALL=C TZ=UTC
[ $# = 4 ] || {
	echo "usage: repository.sh DIST OUT URL GPG_KEY_ID" >&2
	exit 64
}
for c in apt-ftparchive createrepo_c gpg; do
	command -v $c >/dev/null || {
		echo "repository.sh: $c is not installed" >&2
		exit 1
	}
done
dist=$(cd "$1" && pwd) url=$3 key=$4
here=$(cd "$(dirname "$0")/.." && pwd)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$here" log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
mkdir -p "$2"
cd "$2"
sign() { gpg --batch --yes --quiet --local-user "$key" --digest-algo SHA512 "$@"; }
gpg --batch --yes --armor --export-options export-minimal --output ssm-doctor.asc --export "$key"

mkdir -p deb/pool
cp "$dist"/packages/*.deb deb/pool/
(
	cd deb
	for arch in amd64 arm64 armhf; do
		mkdir -p "dists/stable/main/binary-$arch"
		apt-ftparchive --arch "$arch" packages pool >"dists/stable/main/binary-$arch/Packages"
		gzip -9n <"dists/stable/main/binary-$arch/Packages" >"dists/stable/main/binary-$arch/Packages.gz"
	done
	rm -f dists/stable/Release dists/stable/InRelease dists/stable/Release.gpg
	apt-ftparchive -o APT::FTPArchive::Release::Origin=ssm-doctor -o APT::FTPArchive::Release::Label=ssm-doctor \
		-o APT::FTPArchive::Release::Suite=stable -o APT::FTPArchive::Release::Codename=stable \
		-o APT::FTPArchive::Release::Components=main -o "APT::FTPArchive::Release::Architectures=amd64 arm64 armhf" \
		release dists/stable >"Release.new"
	# apt-ftparchive of Debian 12 writes the time of day.
	sed "s/^Date: .*/Date: $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")/" Release.new >dists/stable/Release
	rm Release.new
	sign --clearsign --output dists/stable/InRelease dists/stable/Release
	sign --armor --detach-sign --output dists/stable/Release.gpg dists/stable/Release
)
cat >ssm-doctor.sources <<S
Types: deb
URIs: $url/deb
Suites: stable
Components: main
Signed-By: /etc/apt/keyrings/ssm-doctor.asc
S

for arch in x86_64 aarch64; do
	mkdir -p "rpm/$arch"
	cp "$dist"/packages/*."$arch".rpm "rpm/$arch/"
	for f in "rpm/$arch"/*.rpm; do
		# gpgcheck=1 of dnf asks for a signature in each package.
		rpm -qp --qf '%{SIGPGP}%{RSAHEADER}%{DSAHEADER}' "$f" 2>/dev/null | grep -q '[0-9a-f]' || {
			echo "repository.sh: $f is not signed: build the release with RPM_KEY_FILE" >&2
			exit 1
		}
	done
	touch -d "@$SOURCE_DATE_EPOCH" "rpm/$arch"/*.rpm # the index holds the times of the files
	createrepo_c --quiet --revision "$SOURCE_DATE_EPOCH" --set-timestamp-to-revision --no-database "rpm/$arch"
	sign --armor --detach-sign --output "rpm/$arch/repodata/repomd.xml.asc" "rpm/$arch/repodata/repomd.xml"
done
cat >ssm-doctor.repo <<S
[ssm-doctor]
name=ssm-doctor
baseurl=$url/rpm/\$basearch
enabled=1
gpgcheck=1
repo_gpgcheck=1
gpgkey=$url/ssm-doctor.asc
S
echo "repositories for apt and dnf in $PWD"
