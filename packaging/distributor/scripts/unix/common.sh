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
# Without /usr/local, which belongs to a group on some hosts.
PATH=${root:+$root/stub:}/usr/sbin:/usr/bin:/sbin:/bin
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
# rejected holds the SHA-256 of a payload whose service did not stay up, until another
# is installed. It is beside the program, which belongs to root, unlike the state
# folder of the service.
rejected=$home/rejected
unit=$root/etc/systemd/system/ssm-doctor.service
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

# Every argument is unset once it is read: the program takes variables of such names
# for its own flags.
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
    for name in $(env | sed -n 's/^\(SSM_DOCTOR_[A-Za-z0-9_]*\)=.*/\1/p'); do
        unset "$name"
    done
    release=$(cat ./release) || fail "the package does not say which release it is"
}

# agent_is WORD: whether the agent is at this point of its work with the package. It
# notes that beside the folders of the releases before it runs a script.
agent_is() {
    case $1 in
    upgrading) want=6 ;;          # removes one release to install another
    rolling-back-removal) want=9 ;; # removes the release that it could not install
    rolling-back-install) want=10 ;; # installs the release before it again
    installed) want=8 ;;
    esac
    [ "$(sed -n 's/.*"state": *\([0-9]*\).*/\1/p' ../installstate 2>/dev/null)" = "$want" ]
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

# older A B: whether release A came before release B. Unknown words are not older.
older() {
    a=$1. b=$2.
    while [ -n "$a$b" ]; do
        x=${a%%.*} y=${b%%.*}
        a=${a#"$x"} b=${b#"$y"}
        a=${a#.} b=${b#.}
        x=${x:-0} y=${y:-0}
        case $x$y in *[!0-9]*) return 1 ;; esac
        [ "$x" -eq "$y" ] || {
            [ "$x" -lt "$y" ]
            return
        }
    done
    return 1
}

# only_ours PATH: nobody but root could have put something else there. Neither it nor a
# folder on the way is a link, belongs to somebody else, or can be written to by others.
only_ours() {
    [ "$(readlink -f "$1" 2>/dev/null)" = "$1" ] || return 1
    at=$1
    while :; do
        # Owner and mode: no group and nobody else may write; with an access list the group's
        # bits are the most that it gives.
        case $(stat -c '%u %a' "${at:-/}" 2>/dev/null) in
        "$(id -u) "*[0145][0145]) ;;
        *) return 1 ;;
        esac
        [ "$at" != "$root" ] || return 0
        at=${at%/*}
    done
}

# release_of PROGRAM: the release it says it is; nothing where it is not run, since
# others could have replaced it.
release_of() { ! only_ours "$1" || "$1" version 2>/dev/null | sed -n 's/^ssm-doctor \([^ ]*\).*/\1/p'; }

# unit_program: what the unit of another install than a package's starts.
unit_program() { sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$unit" 2>/dev/null | head -n 1; }

# remove_own takes away the program, its name on the path, and what updates leave.
remove_own() {
    if [ "$(readlink "$link" 2>/dev/null)" = "${bin#"$root"}" ]; then
        rm -f "$link"
    fi
    rm -f "$bin" "$bin.new" "$bin.prev" "$rejected" || fail "cannot remove the program: is the file system read-only?"
    rmdir "$home/bin" "$home" 2>/dev/null || :
}

# packaged: a package of the system has ssm-doctor. Sets owner and theirs (its release).
packaged() {
    owner=$(os_package)
    [ -n "$owner" ] || return 1
    theirs=$(release_of "$root/usr/bin/ssm-doctor")
}

# shadowed: an install of this package hides the one of the system's package.
shadowed() { [ -e "$bin" ] || [ "$(unit_program)" = "${bin#"$root"}" ]; }

# hand_over leaves the host to the system's package, whose service runs from then on.
hand_over() {
    if [ "$(unit_program)" = "${bin#"$root"}" ]; then
        set -- service install --wait "${wait_s}s"
        [ ! -e "$unit.d/ptrace.conf" ] || set -- "$@" --ptrace
        call "$root/usr/bin/ssm-doctor" "$@" || fail "the service of the $owner package could not be restored"
    fi
    remove_own
}

# yield ends a script where a package of the system has ssm-doctor: one program runs,
# and it is never an older one than was asked for.
yield() {
    packaged || return 0
    if shadowed; then
        hand_over
        say "the $owner package was installed as well; its service has taken over"
    fi
    if older "${theirs:-0}" "$release"; then
        fail "ssm-doctor ${theirs:-of an unknown release} is installed by $owner, and this release is $release: update the package, or remove it and run this again"
    fi
    say "ssm-doctor $theirs is installed by $owner, which keeps it up to date; nothing to do"
    exit 0
}

# yield_by_hand refuses to put an older release in place of one that an administrator
# has installed with "service install".
yield_by_hand() {
    other=$(unit_program)
    case $other in
    '' | "${bin#"$root"}" | /usr/bin/ssm-doctor)
        other=''
        return 0
        ;;
    esac
    if [ -e "$root$other" ] && ! only_ours "$root$other"; then
        fail "the service starts $other, which others than root could have replaced; it is not run here: remove that service, or make file and folders root's alone, and run this again"
    fi
    theirs=$(release_of "$root$other")
    if older "$release" "${theirs:-0}"; then
        fail "$other, release $theirs, was installed by hand and is newer than this release, $release: run \"$other service uninstall\" first"
    fi
    say "takes the service over from $other, which stays on the disk"
}

# call PROGRAM ARGUMENTS: what it says of a success is no error in the agent's output.
call() {
    if out=$("$@" 2>&1); then
        printf '%s\n' "$out"
    else
        printf '%s\n' "$out" >&2
        return 1
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
    only_ours "$1" || {
        said="others than root could have replaced it"
        return 1
    }
    said=$("$1" version 2>&1) || return 1
    case $said in
    "ssm-doctor "*) return 0 ;;
    esac
    return 1
}

# refused: the payload of this folder did not stay up on this host.
refused() { [ -f "$bin" ] && [ -f "$rejected" ] && [ "$(cat "$rejected")" = "$(hash "$payload")" ]; }

# service_install: the program installs, starts and watches its own service.
service_install() {
    set -- service install --wait "${wait_s}s"
    [ "$no_start" = no ] || set -- "$@" --no-start
    [ "$ptrace" = no ] || set -- "$@" --ptrace
    call "$bin" "$@"
}

# put PROGRAM: copies it beside the one in place and tries it there. Copied, not
# moved: a moved file would keep the SELinux label of the agent's folder.
put() {
    new=$bin.new
    mkdir -p "$home/bin" || fail "cannot make $home/bin: is the file system read-only or full?"
    only_ours "$home/bin" || fail "$home/bin is not taken: others than root may write there or have made it, or a link leads there"
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
        # After a cut off update the program in place is this one, which nothing has
        # tried; the copy is of the one that ran.
        if [ ! -f "$bin.prev" ] || [ "$(hash "$bin")" != "$(hash "$payload")" ]; then
            rm -f "$bin.prev"
            ln "$bin" "$bin.prev" 2>/dev/null || cp -p "$bin" "$bin.prev" || fail "cannot keep the present program"
        fi
    fi
    mv -f "$new" "$bin" || fail "cannot put the program in place"
    if [ "$service" = no ]; then
        # A service of an earlier install would go on with the program that was replaced.
        if [ "$(unit_program)" = "${bin#"$root"}" ]; then
            call "$bin" service uninstall --keep-state || fail "the service that is there could not be removed"
        fi
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
    # The administrator's program refuses to take the service from a newer one.
    if [ -n "$other" ] && call "$bin" service uninstall --keep-state && call "$root$other" service install --wait "${wait_s}s"; then
        [ "$had" = yes ] || remove_own
        [ "$had" = no ] || mv -f "$bin.prev" "$bin"
        say "the new release does not stay up; $other runs again" >&2
        return
    fi
    if [ "$had" = no ]; then
        set -- service uninstall
        [ "$had_state" = no ] || set -- "$@" --keep-state
        if ! call "$bin" "$@"; then
            # It must not be started again and again.
            ! have systemctl || systemctl disable --now ssm-doctor.service >/dev/null 2>&1 || :
            say "the service does not stay up and could not be removed; its program was left in place: run \"${bin#"$root"} service uninstall\"" >&2
            return
        fi
        remove_own
        say "the service does not stay up; nothing was left installed" >&2
        return
    fi
    sum=$(hash "$payload")
    mv -f "$bin.prev" "$bin" || {
        say "the previous release could not be put back" >&2
        return
    }
    printf '%s\n' "${sum:-unknown}" >"$rejected" || say "cannot note the refused release" >&2
    if service_install; then
        say "the new release does not stay up; the previous one runs again" >&2
    else
        say "neither the new nor the previous release stays up; the previous one is in place" >&2
    fi
}
