#!/bin/bash
# wine.sh - the service, the Windows Installer package and the Distributor package of the
# Windows program, under wine: installed, started, scraped, written to the event log,
# upgraded, refused, rolled back, removed. What the agent does with a Distributor package is
# done by the stand-in for its plug-in; the scripts are one call of the program each, and the
# program is run as they say. There is no PowerShell.
#
# Five things are not as on Windows, and are replaced while building, nothing of them in a
# release: wine's UDP sockets lack one call that Go insists on; its service manager runs in
# another session than Go asks for; it deletes files by an older call; it keeps
# neither recovery actions nor delayed starts; and every file belongs to the
# user of wine, never to Administrators. Access lists, recovery actions and the text of events are not proven by it.
#
#   wine.sh [LAB]     LAB: the lab's windows folder, whose setup.sh makes the prefix
#
# Exit 77: it could not run here, with the reason.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
lab=${1:-../shared/lab/windows}
[[ -x $lab/setup.sh ]] || { echo "wine.sh: no lab for Windows at $lab"; exit 77; }
prefix=$("$lab/setup.sh") || exit
for p in wixl msitools faketime uuid-runtime osslsigncode; do
    dpkg -s "$p" >/dev/null 2>&1 || { [[ $EUID = 0 ]] && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$p" >/dev/null 2>&1; } ||
        { echo "wine.sh: no $p"; exit 77; }
done

work=$(mktemp -d)
export WINEPREFIX=$work/prefix WINEARCH=win64 WINEDEBUG=-all,fixme+advapi WINEDLLOVERRIDES="mscoree=;mshtml=;winemenubuilder.exe="
unset DISPLAY
wine=/usr/lib/wine/wine64
trap '/usr/lib/wine/wineserver64 -k 2>/dev/null || true; rm -rf "$work"' EXIT
cp -r "$prefix/prefix" "$work/prefix"
c=$WINEPREFIX/drive_c

replace() { # FILE SED: one line, in a copy that the build takes instead
    local copy=$work/over/${#over[@]}.go
    sed "$2" "$1" >"$copy"
    [[ $(diff "$1" "$copy" | grep -c '^>') = 1 ]] || { echo "wine.sh: $1 is not as expected"; exit 1; }
    over+=("\"$1\": \"$copy\"")
}
mkdir "$work/over"
over=()
replace "$(go env GOROOT)/src/net/fd_windows.go" '/windows\.SIO_UDP_NETRESET/,/^\t\t}$/s/^\t\tif err != nil {$/\t\tif err != nil \&\& err != syscall.Errno(10045) {/'
replace "$(go env GOROOT)/src/internal/syscall/windows/at_windows.go" 's/^\tcase STATUS_INVALID_INFO_CLASS,/\tcase NTStatus(0xC0000002), STATUS_INVALID_INFO_CLASS,/'
replace "$PWD/agent/safefile/acl.go" 's/^\treturn sid == sidSystem || /\treturn len(sid) > 14 \&\& sid[:14] == "S-1-5-21-0-0-0" || sid == sidSystem || /'
# The module cache takes no replacement of one file.
cp -r "$(go list -m -f '{{.Dir}}' golang.org/x/sys)" "$work/sys"
chmod -R u+w "$work/sys"
sed -i 's/return parentProcess.SessionID == 0 && /return /' "$work/sys/windows/svc/security.go"
# within FILE FUNCTION SED: changes one function of the copy of x/sys.
within() {
    local file=$work/sys/windows/svc/mgr/$1
    cp "$file" "$work/before"
    sed -i "/^func $2(/,/^}/$3" "$file"
    ! cmp -s "$file" "$work/before" || { echo "wine.sh: $2 is not as expected"; exit 1; }
}
within config.go '(s \*Service) queryServiceConfig2' 's/if err == nil {/if err == nil || err == syscall.Errno(124) {/'
within config.go updateSidType 's/^func .*/&\n\treturn nil/'
within config.go updateStartUp 's/^func .*/&\n\treturn nil/'
within recovery.go '(s \*Service) SetRecoveryActions' 's/^func .*/&\n\treturn nil/'
within recovery.go '(s \*Service) SetRecoveryActionsOnNonCrashFailures' 's/^func .*/&\n\treturn nil/'
within recovery.go '(s \*Service) RecoveryActions' 's/^func .*/&\n\treturn []RecoveryAction{{}}, nil/'
cp go.mod go.sum "$work/"
go mod edit -replace="golang.org/x/sys=$work/sys" "$work/go.mod"
overlay() { (IFS=,; printf '{"Replace":{%s}}\n' "${over[*]}") >"$work/overlay.json"; }
program() { # VERSION
    overlay
    GOOS=windows GOARCH=amd64 CGO_ENABLED=0 GOFLAGS='' go build -overlay "$work/overlay.json" -modfile "$work/go.mod" -trimpath -buildvcs=false -tags nethttpomithttp2 \
        -ldflags "-s -w -buildid= -X main.version=$1" -o "$work/$1.exe" ./cmd/ssm-doctor
}
for v in 1.0.0 1.0.1; do
    program "$v"
    SOURCE_DATE_EPOCH=1700000000 packaging/windows/msi.sh "$work/$v.exe" "$v" "$c/$v.msi"
done

failed=0
check() { # TEXT COMMAND...
    local text=$1
    shift
    if "$@" >"$work/said" 2>&1; then echo "ok    $text"; else echo "FAIL  $text"; sed 's/^/      /' "$work/said" | tail -15; failed=1; fi
}
not() { ! "$@"; }
w() { (cd "$c" && HOME=$work timeout 120 "$wine" "$@" </dev/null 2>>"$work/wine.log" | tr -d '\r'; exit "${PIPESTATUS[0]}"); }
program='C:\Program Files\ssm-doctor\ssm-doctor.exe'
unix="$c/Program Files/ssm-doctor/ssm-doctor.exe"
running() { w "$program" service status | tee /dev/stderr | grep -q "$1"; }
metrics() { curl -fsS -m 5 http://127.0.0.1:10776/metrics | grep -E "^ssm_doctor_build_info.*version=\"$1\""; }
registry() { w reg query "HKLM\\SYSTEM\\CurrentControlSet\\Services\\$1"; }

/usr/lib/wine/wineserver64 -p
check "MSI 1.0.0 is installed" w msiexec /i 'C:\1.0.0.msi' /qn
check "the program is there" test -s "$unix"
check "the service is registered" registry ssm-doctor
check "the source of events is registered" registry 'EventLog\Application\ssm-doctor'
check "service status says that it runs" running running
check "metrics are served by 1.0.0" metrics 1.0.0
echo "log: {level: debug}" >"$c/ProgramData/ssm-doctor/ssm-doctor.yml" || true
check "MSI 1.0.1 takes its place" w msiexec /i 'C:\1.0.1.msi' /qn /l*v 'C:\log.txt'
check "metrics are served by 1.0.1" metrics 1.0.1
check "one program is left" test "$(find "$c" -name 'ssm-doctor*.exe' | wc -l)" = 1
# Wine keeps no events; it says when it is given one.
check "events are written" grep -q ReportEventW "$work/wine.log"
check "service stop" w "$program" service stop
check "nobody listens" not curl -fsS -m 2 http://127.0.0.1:10776/metrics
check "service start" w "$program" service start
check "metrics again" metrics 1.0.1
check "MSI is removed" w msiexec /x 'C:\1.0.1.msi' /qn
check "the service is gone" not registry ssm-doctor
check "the source of events is gone" not registry 'EventLog\Application\ssm-doctor'
check "the program is gone" not test -e "$unix"
check "what the administrator wrote is left" test -s "$c/ProgramData/ssm-doctor/ssm-doctor.yml"
check "and nothing else" test "$(find "$c/ProgramData/ssm-doctor" -type f | wc -l)" = 1
# A program that does not start. That an update of this kind puts the release before back
# is not shown: wine does not roll back what a package removed for another.
mkdir "$work/broken"
printf 'package main\n\nimport "os"\n\nfunc main() { os.Exit(1) }\n' >"$work/broken/main.go"
GOOS=windows GOARCH=amd64 CGO_ENABLED=0 GOFLAGS='' go build -o "$work/1.0.2.exe" "$work/broken/main.go"
SOURCE_DATE_EPOCH=1700000000 packaging/windows/msi.sh "$work/1.0.2.exe" 1.0.2 "$c/1.0.2.msi"
check "MSI 1.0.2, which does not start, is refused" not w msiexec /i 'C:\1.0.2.msi' /qn
check "and leaves no program" not test -e "$unix"
check "and no service" not registry ssm-doctor

# Distributor. The service of 1.0.2 does not stay up.
printf 'package main\n\nimport "os"\n\nfunc init() {\n\tif len(os.Args) > 1 && os.Args[1] == "serve" {\n\t\tos.Exit(1)\n\t}\n}\n' >"$work/broken/serve.go"
over+=("\"$PWD/cmd/ssm-doctor/broken.go\": \"$work/broken/serve.go\"")
program 1.0.2
go build -o "$work/distributor" ./packaging/distributor
go build -o "$work/agent" ./packaging/guest/agent
for v in 1.0.0 1.0.1 1.0.2; do
    "$work/distributor" build -version "$v" -out "$work/packages/$v" "windows/amd64=$work/$v.exe" >/dev/null
done
data="$c/ProgramData/Amazon/SSM" hand="$c/tools/ssm-doctor.exe"
mkdir -p "$data" "$c/tools"
# agent DEFAULT ARGUMENTS...: a run of AWS-ConfigureAWSPackage.
agent() { HOME=$work timeout 300 "$work/agent" -data "$data" -wine "$wine" -packages "$work/packages" SSM_DOCTOR_WAIT=2 -default "$@" 2>&1 | tr -d '\r'; return "${PIPESTATUS[0]}"; }
up() { # VERSION PROGRAM: this release runs, of this program, and service status says so
    metrics "$1" && w "$2" service status | tee /dev/stderr | grep -qxF "starts $2"
}
says() { # TEXT COMMAND...
    local text=$1
    shift
    "$@" | tee "$work/out"
    grep -qF "$text" "$work/out"
}
noted() { [[ $("$work/agent" -data "$data" -state) = "$1" ]] || { "$work/agent" -data "$data" -state; return 1; }; }
alone() { [[ $(find "$c/Program Files/ssm-doctor" -type f ! -name rejected ! -name placed -printf '%f\n') = ssm-doctor.exe ]] || { find "$c/Program Files/ssm-doctor"; return 1; }; }
nothing() { ! test -e "$c/Program Files/ssm-doctor" && ! registry ssm-doctor && ! curl -fsS -m 2 http://127.0.0.1:10776/metrics; }
refused() { ! agent "$@" >"$work/refusal" || return 1; cat "$work/refusal"; }
by_hand() { cp "$work/$1.exe" "$hand" && w 'C:\tools\ssm-doctor.exe' service install --wait 1s; }
for type in "" -reinstall; do
    name="Distributor${type:+, uninstall and reinstall}"
    check "$name: fresh" agent 1.0.0 $type
    check "$name: it runs" up 1.0.0 "$program"
    check "$name: same again" says "is already installed" agent 1.0.0 $type
    check "$name: update" agent 1.0.1 $type
    check "$name: it runs" up 1.0.1 "$program"
    check "$name: an update that does not stay up" says "rolled back to ssm-doctor 1.0.1" refused 1.0.2 $type
    check "$name: the earlier release runs" up 1.0.1 "$program"
    check "$name: and is noted" noted "Installed 1.0.1"
    check "$name: again at once" says "rolled back to ssm-doctor 1.0.1" refused 1.0.2 $type
    check "$name: back to what runs" says "is already installed" agent 1.0.1 $type
    check "$name: downgrade" agent 1.0.0 $type
    check "$name: it runs" up 1.0.0 "$program"
    check "$name: one file is left" alone
    check "$name: an update that does not stay up" refused 1.0.2 $type
    check "$name: uninstall right after it" says removed agent 1.0.1 $type -uninstall
    check "$name: nothing is left" nothing
done
check "Distributor: what the administrator wrote is left" test -s "$c/ProgramData/ssm-doctor/ssm-doctor.yml"
check "Distributor: uninstall again" says "is not installed" agent 1.0.0 -uninstall
check "Distributor: a first release that does not stay up" says "nothing was left installed" refused 1.0.2
check "Distributor: nothing is left" nothing
check "Distributor: SSM_DOCTOR_WAIT=abc" says "must be a number of seconds" refused 1.0.0 SSM_DOCTOR_WAIT=abc
check "Distributor: arguments that say no" agent 1.0.0 SSM_DOCTOR_PTRACE=no SSM_DOCTOR_NO_START=no SSM_DOCTOR_KEEP_STATE=no
w "$program" service stop >/dev/null
check "Distributor: repair of a stopped service" says "installed: ssm-doctor 1.0.0" agent 1.0.0
check "Distributor: it runs" up 1.0.0 "$program"
printf 'MZ' >"$c/Program Files/ssm-doctor/x" && mv "$c/Program Files/ssm-doctor/x" "$unix"
check "Distributor: repair of a damaged program" says "installed: ssm-doctor 1.0.0" agent 1.0.0
check "Distributor: it runs" up 1.0.0 "$program"
check "Distributor: the service is given up" says "without the service" agent 1.0.1 SSM_DOCTOR_SERVICE=no
check "Distributor: it is gone" not registry ssm-doctor
check "Distributor: uninstall" says removed agent 1.0.1 -uninstall
check "Distributor: nothing is left" nothing
# Two routes on one host.
check "by hand" by_hand 1.0.1
check "by hand, then Distributor: an older release is refused" says "service uninstall first" refused 1.0.0
check "by hand, then Distributor: what ran runs" up 1.0.1 'C:\tools\ssm-doctor.exe'
check "by hand, then Distributor: a release that does not stay up" says 'C:\tools\ssm-doctor.exe runs again' refused 1.0.2
check "by hand, then Distributor: what ran runs" up 1.0.1 'C:\tools\ssm-doctor.exe'
check "by hand, then Distributor: the same release" says "takes the service over" agent 1.0.1
check "by hand, then Distributor: it runs" up 1.0.1 "$program"
check "Distributor, then MSI" w msiexec /i 'C:\1.0.1.msi' /qn
check "Distributor, then MSI: it runs" up 1.0.1 "$program"
check "Distributor, then MSI: the agent comes again" says "is already installed" agent 1.0.1
check "Distributor, then MSI: uninstall by Distributor" says "of Windows Installer stays" agent 1.0.1 -uninstall
check "MSI, then Distributor: it runs" up 1.0.1 "$program"
check "MSI, then Distributor: an older release" says "is installed by Windows Installer" agent 1.0.0
check "MSI, then Distributor: a newer release is refused" says "update the package" refused 1.0.2
check "MSI, then Distributor: what ran runs" up 1.0.1 "$program"
check "MSI is removed" w msiexec /x 'C:\1.0.1.msi' /qn
check "the service is gone" not registry ssm-doctor

# Signing, with a key of this minute: a real one is the publisher's.
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj '/CN=ssm-doctor test' -addext extendedKeyUsage=codeSigning \
    -keyout "$work/key" -out "$work/cert" 2>/dev/null
printf 'secret' >"$work/pass"
openssl pkcs12 -export -inkey "$work/key" -in "$work/cert" -passout "file:$work/pass" -out "$work/pfx"
export SIGN_PFX=$work/pfx SIGN_PASS_FILE=$work/pass
verify() { osslsigncode verify -CAfile "$work/cert" -TSA-CAfile "$work/cert" -in "$1"; }
packaging/windows/sign.sh "$work/1.0.1.exe"
SOURCE_DATE_EPOCH=1700000000 packaging/windows/msi.sh "$work/1.0.1.exe" 1.0.1 "$work/signed.msi"
check "a signed program verifies" verify "$work/1.0.1.exe"
check "a signed MSI verifies" verify "$work/signed.msi"
printf 'x' | dd of="$work/1.0.1.exe" bs=1 seek=100000 conv=notrunc 2>/dev/null
check "a program that was changed does not" not verify "$work/1.0.1.exe"
exit "$failed"
