"""Reading an upload from the caller's side: start the bounded child, believe only what fits."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading
from dataclasses import asdict, replace
from pathlib import Path

from grader.archive.limits import MIB, ArchiveLimits
from grader.archive.store import parse
from grader.errors import ArchiveRefused
from grader.job import Snapshot

OVERHEAD = 8 << 20
"""Names and sizes come on top of the files themselves."""


def read_archive(path: Path, limits: ArchiveLimits | None = None) -> Snapshot:
    """The snapshot in the zip or tar.gz at ``path``. Raises ArchiveRefused with what to do.

    The archive is read in a child process with bounded memory, CPU and time; nothing is ever
    extracted to disk.
    """
    limits = limits or ArchiveLimits()
    if path.stat().st_size > limits.packed:
        raise too_heavy(path.stat().st_size, limits)
    command = [
        sys.executable,
        "-I",
        "-m",
        "grader.archive.child",
        str(path),
        json.dumps(asdict(limits)),
    ]
    tag, payload = _run_bounded(command, limits)
    if tag == b"R":
        message, advice = json.loads(payload)
        raise ArchiveRefused(str(message), str(advice))
    if tag != b"S":
        raise ArchiveRefused(
            "The archive could not be read within bounds.",
            "Pack it again with an ordinary tool, as .zip or .tar.gz.",
        )
    left, _, snapshot = payload.partition(b"\n")
    return replace(
        parse(snapshot), left_out=tuple(str(text)[:120] for text in json.loads(left)[:20])
    )


def too_heavy(size: int, limits: ArchiveLimits) -> ArchiveRefused:
    """For an archive of ``size`` bytes, as it is, not as far as it was read."""
    return ArchiveRefused(
        (
            f"The archive has {math.ceil(size / MIB * 10) / 10:.1f} MB; {limits.packed // MIB} MB are "
            "allowed."
        ),
        "Leave out models, data sets and virtual environments; a build can install packages.",
    )


def _run_bounded(command: list[str], limits: ArchiveLimits) -> tuple[bytes, bytes]:
    """The child's tag and payload; an empty tag when it failed or said more than any snapshot can
    be.
    """
    most = limits.unpacked + OVERHEAD
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        assert child.stdout is not None
        timer = threading.Timer(limits.wall_s, child.kill)
        timer.start()
        try:
            said = child.stdout.read(most + 1)
            if len(said) > most:
                child.kill()
            code = child.wait()
        finally:
            timed_out = not timer.is_alive()
            timer.cancel()
    if timed_out:
        raise ArchiveRefused("Reading the archive took too long.", "Pack fewer and smaller files.")
    return (said[:1], said[1:]) if code == 0 and len(said) <= most else (b"", b"")
