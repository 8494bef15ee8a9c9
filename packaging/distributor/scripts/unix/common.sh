# Shared by install.sh, update.sh, uninstall.sh and validate.sh of the Distributor
# package: read by them from the folder into which the agent unpacked it.
# POSIX sh only. Nothing here needs the network, /tmp or an execute bit.
#
# Additional arguments (all optional):
#   SSM_DOCTOR_WAIT=10        seconds the service must stay up to count as started (0-300)
#   SSM_DOCTOR_SERVICE=no     put the program in place, without the service
#   SSM_DOCTOR_NO_START=yes   install and enable the service, do not start it
#   SSM_DOCTOR_PTRACE=yes     let the service read process environments (CAP_SYS_PTRACE);
#                             without it, that is taken back
#   SSM_DOCTOR_KEEP_STATE=yes uninstall leaves the state folder
# shellcheck shell=sh disable=SC2034 # variables that the other scripts read

# The root file system, another folder in tests. Not a name that the agent lets
# additional arguments set: those begin with SSM_.
root=${DOCTOR_TEST_ROOT-}
PATH=${root:+$root/stub:}/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin
LC_ALL=C
export PATH LC_ALL
umask 022
# The agent sets these even when there is no proxy.
[ -n "${http_proxy-}" ] || unset http_proxy
[ -n "${https_proxy-}" ] || unset https_proxy
[ -n "${no_proxy-}" ] || unset no_proxy

home=$root/opt/ssm-doctor
bin=$home/bin/ssm-doctor
link=$root/usr/local/bin/ssm-doctor
# rejected holds "SHA256 EPOCH STAGES" of a payload that an update has just refused:
# the agent then runs uninstall.sh and install.sh of its own accord, from folders that
# may hold the refused release, and would leave nothing or the wrong thing installed.
# Each of them stands back once; STAGES (-, u, ui) tells which have. The file is
# beside the program, which belongs to root, unlike the state folder of the service.
rejected=$home/rejected
rejected_for=900 # seconds
payload=./ssm-doctor

say() { printf 'ssm-doctor: %s\n' "$*"; }
fail() {
    printf 'ssm-doctor: %s\n' "$*" >&2
    exit 1
}

# Only 0 and 1 leave a script: 194, 168 and 169 of a child would make the agent
# reboot the host or report what did not happen.
trap '[ "$?" -eq 0 ] || exit 1' EXIT

# flag NAME VALUE: whether a switch is on; anything but a clear word is an error.
flag() {
    case $2 in
    yes | true | 1) return 0 ;;
    no | false | 0 | '') return 1 ;;
    esac
    fail "$1 must be yes or no"
}

read_arguments() {
    wait_s=${SSM_DOCTOR_WAIT:-10}
    case $wait_s in
    *[!0-9]* | ????*) fail "SSM_DOCTOR_WAIT must be a number of seconds, at most 300" ;;
    esac
    [ "$wait_s" -le 300 ] || fail "SSM_DOCTOR_WAIT must be a number of seconds, at most 300"
    service=yes no_start=no ptrace=no keep_state=''
    flag SSM_DOCTOR_SERVICE "${SSM_DOCTOR_SERVICE:-yes}" || service=no
    ! flag SSM_DOCTOR_NO_START "${SSM_DOCTOR_NO_START-}" || no_start=yes
    ! flag SSM_DOCTOR_PTRACE "${SSM_DOCTOR_PTRACE-}" || ptrace=yes
    ! flag SSM_DOCTOR_KEEP_STATE "${SSM_DOCTOR_KEEP_STATE-}" || keep_state=--keep-state
}

# have COMMAND
have() { command -v "$1" >/dev/null 2>&1; }

# os_package names the package manager that has installed ssm-doctor.
os_package() {
    if have dpkg-query && [ "$(dpkg-query -W -f '${db:Status-Status}' ssm-doctor 2>/dev/null)" = installed ]; then
        echo dpkg
    elif have rpm && rpm -q ssm-doctor >/dev/null 2>&1; then
        echo rpm
    elif have apk && apk info -e ssm-doctor >/dev/null 2>&1; then
        echo apk
    elif have pacman && pacman -Q ssm-doctor >/dev/null 2>&1; then
        echo pacman
    fi
}

# hash FILE: its SHA-256, or nothing.
hash() {
    if have sha256sum; then
        sha256sum <"$1" | cut -d ' ' -f 1
    elif have shasum; then
        shasum -a 256 <"$1" | cut -d ' ' -f 1
    fi
}

# runs PROGRAM: whether this host can execute it. What it says instead goes to $said.
runs() {
    said=$("$1" version 2>&1) || return 1
    case $said in
    "ssm-doctor "*) return 0 ;;
    esac
    return 1
}

# refused: an update has refused a payload a moment ago; sets sum, at and stages.
refused() {
    sum='' at='' stages=''
    [ -f "$rejected" ] && read -r sum at stages <"$rejected" || return 1
    case $at in
    '' | *[!0-9]*) return 1 ;;
    esac
    age=$(($(date +%s) - at))
    [ "$age" -ge 0 ] && [ "$age" -lt "$rejected_for" ]
}

# note SUM EPOCH STAGES
note() { printf '%s %s %s\n' "$1" "$2" "$3" >"$rejected" || say "cannot note the refused release"; }

# service_install: the program installs, starts and watches its own service.
service_install() {
    set -- service install --wait "${wait_s}s"
    [ "$no_start" = no ] || set -- "$@" --no-start
    [ "$ptrace" = no ] || set -- "$@" --ptrace
    "$bin" "$@"
}

# put PROGRAM: copies it beside the one in place and tries it there. Copied, not
# moved: a moved file would keep the SELinux label of the agent's folder.
put() {
    new=$bin.new
    mkdir -p "$home/bin" || fail "cannot make $home/bin: is the file system read-only or full?"
    chmod 755 "$home" "$home/bin" || fail "cannot change $home"
    rm -f "$new" || fail "cannot write to $home/bin: is the file system read-only?"
    if ! cp "$1" "$new" || ! chmod 755 "$new"; then
        rm -f "$new"
        fail "cannot write to $home/bin: is the file system read-only or full?"
    fi
    ! have restorecon || restorecon -F "$new" || say "restorecon failed, going on"
    if ! runs "$new"; then
        rm -f "$new"
        fail "cannot run the program from $home/bin (mounted noexec, another architecture, or forbidden by a policy): $said"
    fi
}

# deploy: puts the payload in place, starts it, and puts back what was there before
# when it does not stay up.
deploy() {
    [ -f "$payload" ] || fail "the package holds no program"
    put "$payload"
    had=no had_state=no
    [ ! -d "$root/var/lib/ssm-doctor" ] || had_state=yes
    if [ -f "$bin" ]; then
        had=yes
        rm -f "$bin.prev"
        ln "$bin" "$bin.prev" 2>/dev/null || cp -p "$bin" "$bin.prev" || fail "cannot keep the present program"
    fi
    mv -f "$new" "$bin" || fail "cannot put the program in place"
    if [ "$service" = no ]; then
        say "program installed, without the service"
    elif ! service_install; then
        back
        exit 1
    fi
    rm -f "$bin.prev" "$rejected"
    # A name on the usual path; never in place of somebody else's file.
    if [ -d "${link%/*}" ] && [ ! -e "$link" ] && [ ! -L "$link" ]; then
        ln -s "${bin#"$root"}" "$link" || say "no link in ${link%/*}"
    fi
    say "installed: $said"
}

# back: after a failed start.
back() {
    if [ "$had" = no ]; then
        set -- service uninstall
        [ "$had_state" = no ] || set -- "$@" --keep-state
        "$bin" "$@" || say "the service could not be removed"
        rm -f "$bin"
        rmdir "$home/bin" "$home" 2>/dev/null || :
        say "the service does not stay up; nothing was left installed"
        return
    fi
    sum=$(hash "$payload")
    mv -f "$bin.prev" "$bin" || {
        say "the previous release could not be put back"
        return
    }
    note "${sum:-unknown}" "$(date +%s)" -
    if service_install; then
        say "the new release does not stay up; the previous one runs again"
    else
        say "neither the new nor the previous release stays up; the previous one is in place"
    fi
}
