#!/usr/bin/env bash
# backup.sh FOLDER: one whole backup of a centre, as a new folder below FOLDER, whose path is printed at the end.
#
# The centre goes on running. The order matters: the database is read first, as it is at one instant, the pictures after
# it; so every picture that the database names is there, or was removed by retention in between. Pictures that the
# backup before has too are hard links to it: each backup is whole, and costs what is new.
#
# Environment: PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE as psql takes them;
#   XUELIANG_DATA      data_dir of centre.yaml           (/var/lib/xueliang/centre)
#   XUELIANG_SETTINGS  folder of centre.yaml             (/etc/xueliang)
#   XUELIANG_CENTRE    the program                       (/opt/xueliang/bin/xueliang-centre)
set -euo pipefail
umask 077
[ $# -eq 1 ] || { echo "usage: backup.sh FOLDER" >&2; exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd)
data=${XUELIANG_DATA:-/var/lib/xueliang/centre}
settings=${XUELIANG_SETTINGS:-/etc/xueliang}
read -ra centre <<<"${XUELIANG_CENTRE:-/opt/xueliang/bin/xueliang-centre}"

exec 9>"$folder/.lock"
flock -n 9 || { echo "$folder: another backup is running" >&2; exit 1; }
rm -rf "$folder"/unfinished-*
name=$(date -u +%Y%m%dT%H%M%SZ)
before=$(find "$folder" -mindepth 1 -maxdepth 1 -type d -name '2*Z' | sort | tail -n 1)
made=$folder/unfinished-$name
mkdir -p "$made/pictures"

# The end of the audit chain, before the dump: what is restored must still hold it.
"${centre[@]}" --config "$settings/centre.yaml" --log-level ERROR verify-audit | sed -n 's/^head //p' >"$made/audit-head"
pg_dump --format=custom --no-owner --no-privileges --file="$made/database.dump"
# 24: something was removed while it was copied, by retention. What is half received has no name yet.
rsync -a --exclude=/incoming/ ${before:+--link-dest="$before/pictures"} "$data/pictures/" "$made/pictures/" || [ $? -eq 24 ]
tar -C "$data" --exclude=./pictures -cf "$made/keys.tar" .
tar -C "$settings" --exclude=./tls -cf "$made/settings.tar" .
(cd "$made" && sha256sum audit-head database.dump keys.tar settings.tar >SHA256SUMS)
sync
mv "$made" "$folder/$name"
echo "$folder/$name"
