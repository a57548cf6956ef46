#!/bin/bash
set -eu
. ./settings.env
exec waitress-serve --listen="0.0.0.0:$PORT" --threads="$THREADS" app:app
