"""What a worker does beside its tasks: it keeps a housekeeping process, and tells those that wait
when it stops.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import subprocess
import sys
import threading
from multiprocessing.synchronize import Event as SharedEvent
from pathlib import Path

from celery.signals import worker_init, worker_shutdown, worker_shutting_down

log = logging.getLogger(__name__)
MANAGE = Path(__file__).resolve().parents[2] / "manage.py"
PAUSE_S = 5.0
KEEPER_S = 10.0
"""So long a worker that ends waits for its housekeeping process."""


class _Worker:
    """Of this process tree: the flag is made before the pool is forked, so all of the pool see
    it.
    """

    stopping: threading.Event | SharedEvent = threading.Event()
    keeper: threading.Thread | None = None


def stops() -> bool:
    """Whether the worker was asked to stop: whoever only waits for a slot then gives up its
    place.
    """
    return _Worker.stopping.is_set()


@worker_init.connect  # type: ignore[untyped-decorator]
def begin(**_: object) -> None:
    _Worker.stopping = multiprocessing.get_context("fork").Event()
    _Worker.keeper = threading.Thread(target=keep_housekeeper, name="housekeeper", daemon=True)
    _Worker.keeper.start()


@worker_shutting_down.connect  # type: ignore[untyped-decorator]
def end(**_: object) -> None:
    _Worker.stopping.set()


@worker_shutdown.connect  # type: ignore[untyped-decorator]
def ended(**_: object) -> None:
    """Leave nothing behind: the worker ends after its housekeeping process."""
    _Worker.stopping.set()
    if _Worker.keeper is not None:
        _Worker.keeper.join(KEEPER_S)


def keep_housekeeper() -> None:
    """Start it, and start it again when it dies.

    It ends by itself when this process is gone, also after kill -9.
    """
    command = [sys.executable, str(MANAGE), "housekeeping", "--worker", str(os.getpid())]
    while not stops():
        with subprocess.Popen(command, stdin=subprocess.DEVNULL) as keeper:
            while keeper.poll() is None:
                if _Worker.stopping.wait(1.0):
                    keeper.terminate()
                    return
        log.warning("Housekeeping ended with code %s; starting it again.", keeper.returncode)
        _Worker.stopping.wait(PAUSE_S)
