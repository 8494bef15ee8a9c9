#!/bin/sh
# msi.sh EXE VERSION OUT.msi - the Windows Installer package of a program that was built,
# the same bytes for the same program, version and SOURCE_DATE_EPOCH.
#
# Needs wixl and msibuild (msitools), faketime and uuidgen; exits 77 without them.
# sign.sh beside it says how the package is signed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ $# = 3 ] || { sed -n '2s/^# //p' "$0" >&2; exit 64; }
exe=$1 version=$2 out=$3

for c in wixl msibuild faketime uuidgen; do
	command -v "$c" >/dev/null || { echo "msi.sh: no $c here, so no package for Windows Installer" >&2; exit 77; }
done
# Windows Installer compares three numbers: 255.255.65535 at most.
three=$(echo "$version.0.0" | cut -d. -f1-3)
echo "$three" | awk -F. '{ exit !($1 < 256 && $2 < 256 && $3 < 65536) }' ||
	{ echo "msi.sh: Windows Installer takes no version $version" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

cp "$exe" "$work/ssm-doctor.exe"
cp "$here/../../LICENSE" "$work/LICENSE.txt"
[ -z "${NOTICES:-}" ] || cat "$NOTICES" >>"$work/LICENSE.txt"
cp "$here/ssm-doctor.wxs" "$work/"
chmod 0644 "$work"/*
TZ=UTC find "$work" -type f -exec touch -d "@$SOURCE_DATE_EPOCH" {} +

# One product of a version; another package of it is another code, which Windows
# Installer would take for a repair.
name="https://ssm-doctor.invalid/$version/$(sha256sum <"$work/ssm-doctor.exe" | cut -c 1-64)"
product=$(uuidgen --sha1 --namespace @url --name "$name" | tr a-f A-F)
package=$(uuidgen --sha1 --namespace @url --name "$name/package" | tr a-f A-F)
at() { TZ=UTC faketime -f "$(TZ=UTC date -d "@$SOURCE_DATE_EPOCH" '+%F %T')" "$@"; }
(
	cd "$work"
	at wixl -a x64 -D "Product=$product" -D "Version=$three" -o out.msi ssm-doctor.wxs
	# 3346: the program of this package, as SYSTEM, in a rollback. 1501: the release before
	# goes first, within the transaction.
	for change in \
		"\`CustomAction\` SET \`Type\` = 3346 WHERE \`Action\` = 'UndoService'" \
		"\`CustomAction\` SET \`Type\` = 3346 WHERE \`Action\` = 'StartAgain'" \
		"\`InstallExecuteSequence\` SET \`Sequence\` = 1501 WHERE \`Action\` = 'RemoveExistingProducts'"; do
		at msibuild out.msi -q "UPDATE $change"
	done
	at msibuild out.msi -s "ssm-doctor $version" ssm-doctor 'x64;1033' "{$package}"
)
"$here/sign.sh" "$work/out.msi"
mv "$work/out.msi" "$out"
echo "  $(basename "$out") $(wc -c <"$out") bytes"
