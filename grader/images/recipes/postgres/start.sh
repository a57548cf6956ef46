#!/bin/sh
# Copies the prepared cluster on the first start, makes the user and the database, then becomes the server.
# A second start on the same data (a restart of the party) goes straight to the server.
set -eu
: "${PORT:=5432}" "${POSTGRES_USER:=app}" "${POSTGRES_PASSWORD:?set POSTGRES_PASSWORD}"
: "${POSTGRES_DB:=$POSTGRES_USER}"
umask 077
if [ -w /data ]; then data=/data/postgres; else data=/tmp/postgres; fi
if [ ! -f "$data/ready" ]; then
    rm -rf "$data"
    cp -R /opt/seatrial/postgres/template "$data"
    quoted=$(printf %s "$POSTGRES_PASSWORD" | sed "s/'/''/g")
    printf 'create role "%s" login password '"'%s'"'\ncreate database "%s" owner "%s"\n' \
        "$POSTGRES_USER" "$quoted" "$POSTGRES_DB" "$POSTGRES_USER" \
        | postgres --single -D "$data" postgres > /tmp/postgres-setup.log 2>&1 \
        || { cat /tmp/postgres-setup.log >&2; exit 1; }
    if grep -q ERROR /tmp/postgres-setup.log; then cat /tmp/postgres-setup.log >&2; exit 1; fi
    touch "$data/ready"
fi
exec postgres -D "$data" -p "$PORT"
