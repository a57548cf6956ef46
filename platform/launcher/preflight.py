"""What must hold before anything starts: a home that can be written, that nobody else uses, space,
a free port.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import stat
from pathlib import Path
from typing import IO

from launcher.problem import LaunchError

FIRST_GB = 6.0
"""Free space that the first set-up needs: images, their first stages, the database and a learner's
build.
"""
LATER_GB = 0.5
LOCK = "up.lock"


def make_home(home: Path) -> None:
    """Make the data folder, for this user alone.

    Raises LaunchError when it can't be made or written.

    What is made from now on is private; what an earlier version left readable for others is closed.
    """
    os.umask(0o077)
    try:
        home.mkdir(parents=True, exist_ok=True)
        _close(home)
        probe = home / f".write-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise LaunchError(
            f"The data folder {home} can't be written: {error.strerror}.",
            (
                "Give yourself the right to write there, or name another folder with --home DIR or "
                "SEATRIAL_HOME."
            ),
        ) from error


def _close(home: Path) -> None:
    """Take the rights of group and others away: the database and the broker hold sessions and
    password hashes.
    """
    inside = [path for path in home.iterdir() if not path.is_symlink()]
    for path in (home, *inside):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            path.chmod(mode & 0o700)


def lock_home(home: Path) -> IO[str]:
    """Hold the home for this process; the lock ends with the returned file.

    Raises LaunchError when another has it.
    """
    lock = (home / LOCK).open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        owner = lock.read().strip() or "unknown"
        lock.close()
        raise LaunchError(
            f"Another './seatrial up' (process {owner}) uses {home}.",
            (
                "Stop it first with Ctrl-C or 'kill', or start a second site with its own --home DIR "
                "and --port."
            ),
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def check_port(host: str, port: int) -> None:
    """Raise LaunchError unless the site can listen on ``host:port``."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise LaunchError(
            f"There is no address {host}.", "Write --host 127.0.0.1 or an address of this machine."
        ) from error
    try:
        with socket.socket(family, kind, proto) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        reason = (
            "is in use by another program"
            if error.errno == 98
            else f"can't be opened: {error.strerror}"
        )
        raise LaunchError(
            f"Port {port} on {host} {reason}.",
            f"Stop that program, or choose another port: ./seatrial up --port {port + 1}",
        ) from error


def check_space(folder: Path, *, first: bool) -> None:
    """Raise LaunchError when too little is free: 6 GB for the first set-up, 0.5 GB later."""
    need = FIRST_GB if first else LATER_GB
    try:
        free = shutil.disk_usage(folder).free / 1e9
    except OSError:
        return
    if free < need:
        what = "The first set-up" if first else "Running"
        raise LaunchError(
            f"{what} needs {need:g} GB free on the disk of {folder}; there are {free:.1f} GB.",
            "Free some space, or put the data elsewhere with --home DIR.",
        )
