"""Public base images: held by the engine, pulled where a registry answers, served by one of ours
where none does.
"""

from __future__ import annotations

import logging
import queue
import re
import threading
import time
from collections.abc import Callable, Mapping

import docker
from docker.errors import DockerException, NotFound
from requests.exceptions import RequestException

from grader.dockerfile.bases import ADVISED, Allowed, Found, operators_patterns
from grader.images.build import ensure

PULL_SECONDS = 240.0
SILENT_S = 600.0
"""How long a registry that did not answer is left alone."""
LOG = logging.getLogger(__name__)
STAND_INS = (
    (re.compile(r"python:.*"), "seatrial/python:1", "Debian trixie with Python 3.13"),
    (re.compile(r"debian:.*"), "seatrial/debian:1", "Debian trixie"),
    (re.compile(r"node:.*"), "seatrial/node:1", "Debian trixie with Node 22"),
    (re.compile(r"golang:.*"), "seatrial/golang:1", "Debian trixie with its Go"),
    (
        re.compile(r".+/distroless/python3.*"),
        "seatrial/distroless:1",
        "Python 3.13 of Debian trixie without a shell",
    ),
    (
        re.compile(r".+/distroless/(static|base).*"),
        "seatrial/static:1",
        "certificates, time zones and users alone",
    ),
)
"""(public names, image of ours, what it is).

Each has the layout of the image that it stands in for.
"""
_silent_until: dict[str, float] = {}


def allowed_bases(
    client: docker.DockerClient, own: Mapping[str, str], progress: Callable[[str], None]
) -> Allowed:
    """What a Dockerfile may name on this engine:

    ``own`` (name to id), and public images by the operator's patterns.
    """
    return Allowed(own, operators_patterns(), lambda name: find(client, name, progress))


def find(client: docker.DockerClient, name: str, progress: Callable[[str], None]) -> Found:
    """The image behind an allowed public name.

    Raises EngineUnavailable when an image of ours can't be built.
    """
    held = _held(client, name)
    if held is None and time.monotonic() >= _silent_until.get(_registry(name), 0.0):
        progress(f"looking for {name} in a registry")
        if not _pull(client, name):
            return Found(None, advice=f"The registry has no such image. Use {ADVISED}.")
        held = _held(client, name)
    if held is not None:
        return Found(held, f"{name} is {held[:19]}, as this engine holds it")
    for pattern, image, what in STAND_INS:
        if pattern.fullmatch(name):
            made = ensure(client, progress, [image])[image]
            return Found(made, f"No registry answers, so {name} is served by {image}: {what}")
    return Found(
        None,
        advice=f"No registry answers here, and nothing of ours can stand in for it. Use {ADVISED}.",
    )


def _held(client: docker.DockerClient, name: str) -> str | None:
    try:
        return str(client.images.get(name).id)
    except DockerException:
        return None


def _registry(name: str) -> str:
    host, slash, _ = name.partition("/")
    return host if slash and ("." in host or ":" in host) else ""


def _pull(client: docker.DockerClient, name: str) -> bool:
    """Try to pull; False only when a registry answered that it has no such image.

    In a thread of its own, because an engine without a way out may hang in a name lookup.
    """
    ended: queue.Queue[Exception | None] = queue.Queue()

    def work() -> None:
        repository, _, tag = name.rpartition(":")
        try:
            client.api.pull(repository, tag=tag)
            ended.put(None)
        except (DockerException, RequestException) as error:
            ended.put(error)

    threading.Thread(target=work, daemon=True).start()
    try:
        error = ended.get(timeout=PULL_SECONDS)
    except queue.Empty:
        error = TimeoutError(f"no end within {PULL_SECONDS:.0f} s")
    if error is None or isinstance(error, NotFound):
        return error is None
    LOG.info("pull of %s: %s", name, error)
    _silent_until[_registry(name)] = time.monotonic() + SILENT_S
    return True
