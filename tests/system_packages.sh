#!/bin/sh
# Finds the programs named as arguments; as root on Debian it installs those that are missing, else it says which.
set -u
missing=""
for program in "$@"; do
    command -v "$program" >/dev/null || case $program in
        node) missing="$missing nodejs" ;;
        *) missing="$missing $program" ;;
    esac
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    # shellcheck disable=SC2086
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null && exit 0
fi
echo "make: missing:$missing. Install it and call make again (Debian: apt-get install$missing)." >&2
exit 1
