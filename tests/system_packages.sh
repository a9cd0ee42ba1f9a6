#!/bin/sh
# Finds the programs and libraries named as arguments; as root on Debian it installs those that are missing, else it
# says which.
set -u
PATH="$PATH:/usr/sbin:/sbin"
is_there() {
    case $1 in
        postgres) command -v postgres >/dev/null || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 ;;
        redis-server) command -v redis-server >/dev/null || command -v valkey-server >/dev/null ;;
        *.so.*) ! command -v ldconfig >/dev/null || ldconfig -p | grep -qF "$1" ;;
        *) command -v "$1" >/dev/null ;;
    esac
}
missing=""
for part in "$@"; do
    is_there "$part" || case $part in
        node) missing="$missing nodejs" ;;
        nginx) missing="$missing nginx-light" ;;
        postgres) missing="$missing postgresql" ;;
        promtool) missing="$missing prometheus" ;;
        systemd-analyze) missing="$missing systemd" ;;
        libdbus-1.so.3) missing="$missing libdbus-1-3" ;;
        libEGL.so.1) missing="$missing libegl1" ;;
        libfontconfig.so.1) missing="$missing libfontconfig1" ;;
        libGL.so.1) missing="$missing libgl1" ;;
        libglib-2.0.so.0) missing="$missing libglib2.0-0" ;;
        libxkbcommon.so.0) missing="$missing libxkbcommon0" ;;
        *) missing="$missing $part" ;;
    esac
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    exec 9<"$0" && flock 9 # make may ask for several things at once
    # shellcheck disable=SC2086
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null && exit 0
fi
echo "make: missing:$missing. Install it and call make again (Debian: apt-get install$missing)." >&2
exit 1
