"""The reaper: removes what dead runs left in the engine. It goes by labels alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from docker import APIClient
from docker.errors import APIError

from grader.engines.docker.errors import GONE, engine_call
from grader.engines.labels import LABEL_HELD, LABEL_RUN, from_labels
from grader.errors import SandboxError

MAX_ROUNDS = 10
MOST_HELD = 24
"""Baselines that are kept; they share nearly all their layers."""
ROUND_PAUSE_S = 0.2
_ALL = {"label": LABEL_RUN}


class Sweep:
    """One sweep. ``installation`` None: only what has expired, of anybody."""

    def __init__(
        self, api: APIClient, installation: str | None, is_alive: Callable[[str, int], bool]
    ) -> None:
        self._api, self._installation, self._is_alive = api, installation, is_alive
        self._now = time.time()
        self.removed = 0

    def run(self) -> int:
        """How many objects were removed.

        Raises EngineUnavailable when the engine does not answer.
        """
        with engine_call("sweep"):
            # Containers first: they hold volumes and images. In rounds: a removal that a killed
            # worker asked for may be under way still, and the engine refuses a second one
            # meanwhile.
            for _ in range(MAX_ROUNDS):
                containers, volumes = self._containers(), self._volumes()
                if not containers and not volumes:
                    break
                before = self.removed
                self._each(containers, self._remove_container)
                self._each(volumes, self._remove_volume)
                if self.removed - before < len(containers) + len(volumes):
                    time.sleep(ROUND_PAUSE_S)
            self._images()
        return self.removed

    def _dead(self, labels: dict[str, str] | None) -> bool:
        run = from_labels(labels or {})
        if run is None:
            return False
        if run.expires_at < self._now:
            return True
        return run.installation == self._installation and not self._is_alive(run.run_id, run.fence)

    def _containers(self) -> list[str]:
        # A plain listing: docker-py's own ``ignore_removed`` inspects every container and stumbles
        # over vanishing ones.
        found: list[dict[str, Any]] = self._api.containers(all=True, filters=_ALL)
        return [c["Id"] for c in found if self._dead(c.get("Labels"))]

    def _volumes(self) -> list[str]:
        found: list[dict[str, Any]] = self._api.volumes(filters=_ALL).get("Volumes") or []
        return [v["Name"] for v in found if self._dead(v.get("Labels"))]

    def _images(self) -> None:
        """In rounds: stage images lie behind the tagged ones and show when those are gone."""
        for _ in range(MAX_ROUNDS):
            found: list[dict[str, Any]] = self._api.images(all=True, filters=_ALL)
            before = self.removed
            kept = kept_images(found)
            dead = [i for i in found if self._dead(i.get("Labels")) and i["Id"] not in kept]
            self._each([i["Id"] for i in dead], self._remove_image)
            if self.removed == before:
                return

    def _each(self, names: list[str], remove: Callable[[str], None]) -> None:
        if names:
            with ThreadPoolExecutor(max_workers=4) as pool:
                self.removed += sum(pool.map(lambda name: self._gone(remove, name), names))

    def _gone(self, remove: Callable[[str], None], name: str) -> bool:
        """True when this call removed it.

        One object that can't be removed must not stop the sweep.
        """
        try:
            with engine_call("remove"):
                try:
                    remove(name)
                except APIError as error:
                    if error.status_code in GONE:
                        return False
                    raise
        except SandboxError:
            return False
        return True

    def _remove_container(self, name: str) -> None:
        self._api.remove_container(name, force=True, v=True)

    def _remove_volume(self, name: str) -> None:
        self._api.remove_volume(name, force=True)

    def _remove_image(self, name: str) -> None:
        self._api.remove_image(name, force=True)


def kept_images(found: list[dict[str, Any]]) -> set[str]:
    """Ids of the newest ``MOST_HELD`` images that are held: older ones belong to lab versions that
    have gone by, and are built again if one of them comes back.
    """
    held = sorted((i for i in found if _held(i)), key=lambda i: -int(i.get("Created") or 0))
    return {image["Id"] for image in held[:MOST_HELD]}


def _held(image: dict[str, Any]) -> bool:
    """Kept between runs: it has its key and its tag.

    Without a tag its worker died before it was finished.
    """
    tags = [tag for tag in image.get("RepoTags") or [] if tag != "<none>:<none>"]
    return LABEL_HELD in (image.get("Labels") or {}) and bool(tags)
