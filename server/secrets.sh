#!/bin/sh
# Makes the passwords of compose.yaml, once; what is there is kept. To change one see docs/runbook.md.
#
#     sh secrets.sh [folder]
set -eu
folder=${1:-$(dirname "$0")/secrets}
mkdir -p "$folder"
chmod 700 "$folder" # who may not enter reads nothing in it; the containers are given the files alone
umask 022           # and are users of their own
password() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
[ -s "$folder/postgres" ] || password >"$folder/postgres"
[ -s "$folder/redis" ] || password >"$folder/redis"
cat >"$folder/relay.toml" <<END
database-url = "postgresql://relay:$(cat "$folder/postgres")@postgres:5432/relay"
backplane = "redis://:$(cat "$folder/redis")@redis:6379/0"
END
cat >"$folder/redis.conf" <<END
requirepass $(cat "$folder/redis")
save ""
appendonly no
maxmemory 256mb
maxmemory-policy noeviction
END
