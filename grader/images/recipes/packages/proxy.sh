#!/bin/sh
# Starts nginx with the configuration that the worker has put into the volume.
set -eu
conf=/srv/packages/conf
servers=$(awk '$1 == "nameserver" { print ($2 ~ /:/ ? "[" $2 "]" : $2) }' /etc/resolv.conf | head -n 3 | tr '\n' ' ')
echo "resolver ${servers:-127.0.0.1} valid=60s;" > /tmp/resolver.conf
rm -f /run/packages/*.sock
exec nginx -c "$conf/nginx.conf" -e stderr
