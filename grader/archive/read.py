"""Reading an upload from the caller's side: start the bounded child, believe only what fits."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from grader.archive.limits import ArchiveLimits
from grader.archive.store import parse
from grader.errors import ArchiveRefused
from grader.job import Snapshot


def read_archive(path: Path, limits: ArchiveLimits | None = None) -> Snapshot:
    """The snapshot in the zip or tar.gz at ``path``. Raises ArchiveRefused with what to do.

    The archive is read in a child process with bounded memory, CPU and time; nothing is ever extracted to disk.
    """
    limits = limits or ArchiveLimits()
    if path.stat().st_size > limits.packed:
        raise ArchiveRefused(
            f"The archive is larger than {limits.packed >> 20} MB.", "Leave out data, models and virtual environments."
        )
    command = [sys.executable, "-I", "-m", "grader.archive.child", str(path), json.dumps(asdict(limits))]
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, timeout=limits.wall_s, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise ArchiveRefused("Reading the archive took too long.", "Pack fewer and smaller files.") from None
    tag, payload = done.stdout[:1], done.stdout[1:]
    if tag == b"R":
        message, advice = json.loads(payload)
        raise ArchiveRefused(str(message), str(advice))
    if tag != b"S" or done.returncode != 0:
        raise ArchiveRefused(
            "The archive could not be read within bounds.", "Pack it again with an ordinary tool, as .zip or .tar.gz."
        )
    return parse(payload)
