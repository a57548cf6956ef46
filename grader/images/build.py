"""Builds whichever of our images is missing or stale.

These builds are trusted: the recipes are ours.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import re
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, ImageNotFound

from grader.engines.labels import LABEL_RUN
from grader.errors import EngineUnavailable
from grader.images import host
from grader.images.catalog import DIGEST_LABEL, Recipe, full_name, recipes
from grader.images.rootfs import root_image

Progress = Callable[[str], None]
SLOW = re.compile(r"^Step \S+ : (RUN|COPY) ")
"""Instructions that take time; the others are not worth a line."""
STAGE_LABEL = "seatrial.stage"
STAGES = {"install": 0, "cache": 1}
"""How many first stages of a kind to keep.

The probe's is kept: a change of ``grader`` then installs nothing anew.
"""
ADVICE = (
    "Look at the lines above. Most often the package index or Debian's mirror could not be "
    "reached; try again."
)


def current(client: docker.DockerClient) -> dict[str, str]:
    """Return name -> image id of the images that the engine holds and that match the sources."""
    found = {}
    for name, recipe in recipes().items():
        with suppress(ImageNotFound):
            image = client.images.get(name)
            if image.labels.get(DIGEST_LABEL) == recipe.digest:
                found[name] = str(image.id)
    return found


def ensure(
    client: docker.DockerClient, progress: Progress, names: Iterable[str] | None = None
) -> dict[str, str]:
    """Build what is missing or stale of ``names`` and of their parents; return name -> image id.

    The default is all but those on demand.

    ``progress`` gets one line per step and per instruction that takes time. Raises
    EngineUnavailable when a build
    fails; what was built before stays. Two processes that call this at once build one after the
    other.
    """
    wanted = _with_parents(names)
    held = current(client)
    if all(recipe.name in held for recipe in wanted):
        return {recipe.name: held[recipe.name] for recipe in wanted}
    with _one_at_a_time(progress):
        held = current(client)
        for recipe in wanted:
            if recipe.name not in held:
                started = time.monotonic()
                progress(f"building {recipe.name}")
                held[recipe.name] = _build(client, recipe, held, progress)
                progress(f"built {recipe.name} in {time.monotonic() - started:.0f} s")
    return {recipe.name: held[recipe.name] for recipe in wanted}


def _with_parents(names: Iterable[str] | None) -> list[Recipe]:
    table = recipes()
    always = {name for name, recipe in table.items() if not recipe.on_demand}
    chosen = always if names is None else {full_name(name) for name in names}
    for name in reversed(table):
        parent = table[name].parent
        if name in chosen and parent:
            chosen.add(parent.name)
    return [recipe for name, recipe in table.items() if name in chosen]


@contextmanager
def _one_at_a_time(progress: Progress) -> Iterator[None]:
    path = Path(tempfile.gettempdir()) / f"seatrial-images-{os.getuid()}.lock"
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another process that is building images")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(
    client: docker.DockerClient, recipe: Recipe, held: dict[str, str], progress: Progress
) -> str:
    args = host.build_args()
    if recipe.parent:
        args["PARENT"] = held[recipe.parent.name]
    else:
        args["ROOT"] = root_image(client, progress)
    old = _id(client, recipe.name)
    _watch(
        client.api.build(
            fileobj=_context(recipe),
            custom_context=True,
            tag=recipe.name,
            rm=True,
            forcerm=True,
            decode=True,
            network_mode="host",
            buildargs=args,
            labels={DIGEST_LABEL: recipe.digest},
        ),
        recipe.name,
        progress,
    )
    new = _id(client, recipe.name)
    if new is None:
        raise EngineUnavailable(f"The engine built {recipe.name}, but does not hold it.", ADVICE)
    if old and old != new:
        _remove(client, old)
    _remove_stages(client)
    return new


def _remove_stages(client: docker.DockerClient) -> None:
    """Remove first stages: all that are used once, and all but the newest of those that spare the
    next build work.

    And images of ours that lost their name while something still ran on them. A learner's image
    has the labels of its base, and no name: between its build and its deployment nothing else
    tells that it is needed.
    """
    for image in client.images.list(all=True, filters={"dangling": True, "label": DIGEST_LABEL}):
        if LABEL_RUN not in image.labels:
            _remove(client, str(image.id))
    for kind, keep in STAGES.items():
        filters = {"dangling": True, "label": f"{STAGE_LABEL}={kind}"}
        stages = sorted(
            client.images.list(all=True, filters=filters),
            key=lambda image: str(image.attrs["Created"]),
        )
        for stage in stages[: len(stages) - keep]:
            _remove(client, str(stage.id))


def _remove(client: docker.DockerClient, image: str) -> None:
    """Remove an image that nothing needs any more.

    Something that still runs may stand on it; then it stays.
    """
    with suppress(APIError):
        client.images.remove(image)


def _id(client: docker.DockerClient, name: str) -> str | None:
    try:
        return str(client.images.get(name).id)
    except ImageNotFound:
        return None


def _context(recipe: Recipe) -> io.BytesIO:
    """Pack the recipe's files and the host's certificates.

    Equal files give equal members, so the cache holds.
    """
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, path in recipe.files():
            _add(tar, name, path.read_bytes(), 0o755 if os.access(path, os.X_OK) else 0o644)
        if recipe.parent:
            _add(tar, "ca.crt", host.ca_bundle(), 0o644)
    stream.seek(0)
    return stream


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), mode
    tar.addfile(member, io.BytesIO(content))


def _watch(lines: Iterable[dict[str, Any]], name: str, progress: Progress) -> None:
    """Report each instruction; raise EngineUnavailable with the last output lines when the build
    fails.
    """
    tail: list[str] = []
    for line in lines:
        text = str(line.get("stream", "")).strip()
        if text.startswith("Step "):
            if SLOW.search(text):
                progress(f"  {name}: {text[:100]}")
        elif text:
            tail = [*tail, text][-12:]
        if "error" in line:
            detail = "\n".join([*tail, str(line["error"]).strip()])
            raise EngineUnavailable(f"Building {name} failed:\n{detail}", ADVICE)


def describe(images: dict[str, str]) -> str:
    """Return the images as JSON, for scripts."""
    return json.dumps(images, indent=2, sort_keys=True)
