"""The child process that reads an untrusted archive:

``python -m grader.archive.child PATH LIMITS``.

Writes one tag byte and a payload to standard output: ``S``, what was left out as a line of JSON,
and a snapshot; or
``R`` and a refusal as JSON.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from grader.archive.collect import Collector, too_large
from grader.archive.formats import read
from grader.archive.limits import ArchiveLimits
from grader.archive.store import dump
from grader.errors import ArchiveRefused


def _bound(limits: ArchiveLimits) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory, limits.memory))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main(path: str, limits_json: str) -> None:
    limits = ArchiveLimits(**json.loads(limits_json))
    _bound(limits)
    out = sys.stdout.buffer
    try:
        snapshot = read(Path(path), Collector(limits))
        payload = b"S" + json.dumps(snapshot.left_out).encode() + b"\n" + dump(snapshot)
    except ArchiveRefused as error:
        payload = b"R" + json.dumps([error.message, error.advice]).encode()
    except (MemoryError, RecursionError):
        refused = too_large(limits)
        payload = b"R" + json.dumps([refused.message, refused.advice]).encode()
    out.write(payload)
    out.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
