#!/bin/sh
# Writes the hash-locked requirement files of the images anew, without the address of any index. Needs uv.
set -eu
cd "$(dirname "$0")"
compile() {
    uv pip compile -q --python-version 3.13 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links "$@"
}
compile runtime/runtime.in -o runtime/runtime.lock
compile --no-deps runtime/models.in -o runtime/models.lock
# The probe's image is built on the runtime, so its list leaves out what is there already.
leave_out=$(sed -n 's/^\([a-z0-9-]*\)==.*/--no-emit-package \1/p' runtime/runtime.lock)
# shellcheck disable=SC2086
compile -c runtime/runtime.lock $leave_out probe/probe.in -o probe/probe.lock
compile node/node.in -o node/node.lock
