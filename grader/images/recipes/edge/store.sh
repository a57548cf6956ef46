#!/bin/sh
# A store in memory. Nothing is written down: a restart is empty, as a cache is.
set -eu
: "${PORT:=6379}" "${VALKEY_MAXMEMORY:=48mb}"
exec valkey-server --port "$PORT" --bind 0.0.0.0 --protected-mode no --dir /tmp --save '' --appendonly no \
    --maxmemory "$VALKEY_MAXMEMORY" --maxmemory-policy noeviction ${VALKEY_PASSWORD:+--requirepass "$VALKEY_PASSWORD"}
