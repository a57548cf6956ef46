#!/bin/sh
# Writes the configuration that the engine made and becomes the balancer.
set -eu
umask 077
printf '%s' "${HAPROXY_CONFIG:?set HAPROXY_CONFIG}" > /tmp/haproxy.cfg
exec haproxy -db -f /tmp/haproxy.cfg
