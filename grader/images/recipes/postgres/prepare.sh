#!/bin/sh
# Makes the cluster that every start copies. Small WAL segments keep the copy small: data lives in memory-backed /tmp.
set -eu
template=$1
/usr/lib/postgresql/17/bin/initdb --pgdata="$template" --username=postgres --encoding=UTF8 --locale=C.UTF-8 \
    --auth-local=trust --auth-host=scram-sha-256 --wal-segsize=1 --no-sync --no-instructions
cat >> "$template/postgresql.conf" <<'EOF'
listen_addresses = '*'
unix_socket_directories = '/tmp'
max_connections = 60
shared_buffers = 32MB
dynamic_shared_memory_type = mmap
max_wal_size = 64MB
min_wal_size = 5MB
jit = off
logging_collector = off
EOF
# Every party of a pod reaches the server over the loopback interface, so every loopback address needs the password.
cat > "$template/pg_hba.conf" <<'EOF'
local all all trust
host  all all all scram-sha-256
EOF
