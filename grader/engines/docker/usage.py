"""What the engine says about a container's CPU and memory: asked for, or followed while it runs."""

from __future__ import annotations

import threading
from typing import Any

import requests
import urllib3
from docker import APIClient
from docker.errors import DockerException

from grader.engines.base import Usage


class UsageMeter:
    """One container's. Safe to call from several threads.

    The engine takes its statistics once a second and makes whoever asks wait for the next time. So
    the end of a run, which everybody waits for, takes the newest that was seen while following.
    """

    def __init__(self, api: APIClient, container: str) -> None:
        self._api, self._container = api, container
        self._seen: Usage | None = None
        self._lock = threading.Lock()

    @property
    def seen(self) -> Usage | None:
        """The newest, at most a second old while the container runs; None before the first."""
        return self._seen

    def read(self) -> Usage:
        """Now. Takes up to a second; raises what the engine's client raises."""
        self._note(self._api.stats(self._container, stream=False, one_shot=True))
        return self._seen or Usage(0.0, 0)

    def follow(self) -> None:
        """Note every second what is in use, until the container is gone."""
        threading.Thread(target=self._follow, name="seatrial-usage", daemon=True).start()

    def _follow(self) -> None:
        try:
            for stats in self._api.stats(self._container, decode=True, stream=True):
                self._note(stats)
        except (
            DockerException,
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            OSError,
            ValueError,
        ):
            return  # gone, or the engine is: what was seen stays, and whoever needs the engine will say so

    def _note(self, stats: dict[str, Any]) -> None:
        memory = stats.get("memory_stats") or {}
        if not memory:  # a stopped party has none, and what was seen before still holds
            return
        cpu_ns = int(stats["cpu_stats"]["cpu_usage"]["total_usage"])
        with self._lock:
            before = self._seen.memory_peak_bytes if self._seen else 0
            # cgroup v2 tells no peak through this API, so ours is the highest that was seen.
            peak = max(before, int(memory.get("max_usage") or 0), int(memory.get("usage") or 0))
            self._seen = Usage(cpu_ns / 1e9, peak, _in_use(memory))


def _in_use(memory: dict[str, Any]) -> int:
    """Bytes in use without the pages of files, by the memory part of the engine's statistics
    (cgroup v1 or v2).
    """
    stats = memory.get("stats") or {}
    files = sum(
        int(stats.get(f"total_{key}", stats.get(key)) or 0)
        for key in ("active_file", "inactive_file")
    )
    return max(0, int(memory.get("usage") or 0) - files)
