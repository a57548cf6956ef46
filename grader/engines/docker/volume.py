"""The bounded /data of a party: a volume in memory, and the container that keeps it mounted while
its party restarts.

The keeper is also where the volume is filled from, for a fault: its file has no name, so the party
can neither see nor delete it, and its pages count against the keeper.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from docker import APIClient

from grader.engines.docker.errors import engine_call
from grader.engines.docker.settings import DATA_PATH
from grader.errors import SandboxError, SeatrialError

LOG = logging.getLogger(__name__)
FILL = f"""\
exec 3>{DATA_PATH}/.filling 2>/dev/null || exit 1
rm {DATA_PATH}/.filling
cat /dev/zero >&3 2>/dev/null
sleep infinity >/dev/null 2>&1 &
"""
"""Whoever sleeps with the descriptor open holds the space."""
FREE = "kill -9 -1"
"""Everything of the keeper but its first process, which the kernel spares, and this shell's own
end.
"""


class DataVolume:
    """``create(name)`` makes the volume, ``make_keeper`` its container; both belong to the pod that
    asks.
    """

    def __init__(self, api: APIClient, name: str, keeper: str, user: str) -> None:
        self.name, self._user = name, user
        self._api, self._keeper = api, keeper
        self._starting = threading.Thread(target=self._start_keeper, daemon=True)

    @property
    def keeper(self) -> str:
        """The container that keeps the volume mounted."""
        return self._keeper

    def begin(self) -> DataVolume:
        """Start the keeper beside whatever else is started."""
        self._starting.start()
        return self

    def join(self) -> None:
        self._starting.join()

    def fill(self) -> None:
        """Take all the space that is left. Raises SandboxError."""
        self._run(FILL, lambda code: code == 0)

    def free(self) -> None:
        """Give the space back; nothing to do is fine. Raises SandboxError."""
        self._run(FREE, lambda code: code in (0, 137))

    def _run(self, script: str, fine: Callable[[int], bool]) -> None:
        with engine_call("fill /data"):
            made = self._api.exec_create(self._keeper, ["sh", "-c", script], user=self._user)
            self._api.exec_start(
                made["Id"]
            )  # until its output is closed; what goes on in the background has none
            code = self._api.exec_inspect(made["Id"])["ExitCode"]
        if not fine(-1 if code is None else int(code)):
            raise SandboxError(f"/data could not be filled or freed (exit code {code})")

    def _start_keeper(self) -> None:
        try:
            with engine_call("keep /data"):
                self._api.start(self._keeper)
        except SeatrialError as error:
            LOG.warning("%s", error.message)
