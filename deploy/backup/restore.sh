#!/usr/bin/env bash
# restore.sh BACKUP: a backup into an empty database and an empty data folder. Nothing of the centre runs meanwhile.
#
# Environment as for backup.sh. The settings are unpacked when their folder is empty, else left as they are; they must
# name the database that is restored to, for it is the program that migrates and checks it.
set -euo pipefail
umask 077
[ $# -eq 1 ] || { echo "usage: restore.sh BACKUP" >&2; exit 2; }
backup=$(cd "$1" && pwd)
data=${XUELIANG_DATA:-/var/lib/xueliang/centre}
settings=${XUELIANG_SETTINGS:-/etc/xueliang}
read -ra centre <<<"${XUELIANG_CENTRE:-/opt/xueliang/bin/xueliang-centre}"
is_empty() { [ ! -e "$1" ] || [ -z "$(find "$1" -mindepth 1 -print -quit)" ]; }

(cd "$backup" && sha256sum --check --quiet SHA256SUMS)
is_empty "$data" || { echo "$data: expected an empty folder; move what is there away first" >&2; exit 1; }
tables=$(psql -XAtc "select count(*) from pg_tables where schemaname = 'public'")
[ "$tables" = 0 ] || { echo "database ${PGDATABASE:-}: expected an empty one, it has $tables tables; create another" >&2; exit 1; }

(umask 022 && mkdir -p "$(dirname "$data")" "$(dirname "$settings")") # the account of the centre must come through
mkdir -p "$data" "$settings"
if is_empty "$settings"; then tar -C "$settings" -xpf "$backup/settings.tar"; fi
grep -Eq "^[^#]*database:[^?]*/${PGDATABASE:?}([\"'?[:space:]]|\$)" "$settings/centre.yaml" ||
    { echo "$settings/centre.yaml: database: expected $PGDATABASE, which is restored to; write it there and begin again" >&2; exit 1; }
tar -C "$data" -xpf "$backup/keys.tar"
rsync -a "$backup/pictures" "$data/"
pg_restore --no-owner --no-privileges --exit-on-error --single-transaction --dbname="${PGDATABASE:?}" "$backup/database.dump"
"${centre[@]}" --config "$settings/centre.yaml" --log-level ERROR migrate
"${centre[@]}" --config "$settings/centre.yaml" --log-level ERROR verify-audit --known-head "$(cat "$backup/audit-head")"
