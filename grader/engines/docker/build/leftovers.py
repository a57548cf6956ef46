"""What a build leaves in the engine: found by the labels that we wrote into the Dockerfile,
measured, and removed.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from docker import APIClient
from docker.errors import APIError

LABEL_BUILD = "seatrial.build"
"""A value of its own for every build: one run may build twice (the learner's image, the lab's
baseline).
"""
LOG = logging.getLogger(__name__)
PATIENCE_S = 10.0


class Leftovers:
    """Containers and images of one build."""

    def __init__(self, api: APIClient, labels: Mapping[str, str]) -> None:
        self._api = api
        self._filter = {"label": f"{LABEL_BUILD}={labels[LABEL_BUILD]}"}
        self._base_bytes: int | None = None

    def disk_bytes(self) -> int:
        """Bytes that the build wrote: the running step, and what earlier steps added to the
        image.
        """
        running = sum(
            int(c.get("SizeRw") or 0)
            for c in self._api.containers(all=True, size=True, filters=self._filter)
        )
        sizes = [int(i.get("Size") or 0) for i in self._api.images(all=True, filters=self._filter)]
        if not sizes:
            return running
        if self._base_bytes is None:
            self._base_bytes = min(sizes)
        return running + max(sizes) - self._base_bytes

    def layers(self) -> tuple[list[Path], list[Path]]:
        """Folders on the engine's machine: those that running steps write, and those that finished
        steps left.

        Empty where the engine does not say.
        """
        running = [
            _layer(self._api.inspect_container, c["Id"])
            for c in self._api.containers(filters=self._filter)
        ]
        images = self._api.images(all=True, filters=self._filter)
        finished = [_layer(self._api.inspect_image, image["Id"]) for image in images]
        return [path for path in running if path], [path for path in finished if path]

    def remove(self, keep: str | None) -> None:
        """Remove all of them but the image ``keep`` and what it stands on.

        Never raises: a sweep comes later.
        """
        try:
            for container in self._api.containers(all=True, filters=self._filter):
                self._remove_container(container["Id"])
            deadline = time.monotonic() + PATIENCE_S
            while ids := [
                i["Id"] for i in self._api.images(all=True, filters=self._filter) if i["Id"] != keep
            ]:
                # Parents of the kept image refuse to go, which is what we want; without one, a
                # refusal means that the engine has not yet let go of a container, and asking again
                # helps.
                if sum(self._remove_image(i) for i in ids) == 0:
                    if keep is not None or time.monotonic() > deadline:
                        return
                    time.sleep(0.2)
        except Exception as error:
            LOG.warning("could not remove what a build left: %s", error)

    def _remove_container(self, container: str) -> None:
        with contextlib.suppress(APIError):
            self._api.remove_container(container, force=True, v=True)

    def _remove_image(self, image: str) -> bool:
        try:
            self._api.remove_image(image, force=False, noprune=True)
        except APIError:
            return False
        return True


def _layer(inspect: Callable[[str], dict[str, Any]], name: str) -> Path | None:
    """The uppermost layer of a container or an image;

    None when it is gone or the engine keeps it otherwise.
    """
    with contextlib.suppress(APIError, KeyError, TypeError):
        return Path(inspect(name)["GraphDriver"]["Data"]["UpperDir"])
    return None
