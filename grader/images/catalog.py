"""The images, what each is built from, and the digest that tells a stale one from a current one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
GRADER = PACKAGE.parent
DIGEST_LABEL = "seatrial.source-digest"


@dataclass(frozen=True)
class Recipe:
    """One image: the folder of its Dockerfile, the image it stands on, and whether it carries
    ``grader``.
    """

    name: str
    folder: Path
    parent: Recipe | None = None
    with_grader: bool = False
    only: tuple[str, ...] = ()
    """Parts of ``grader`` to carry (names at its top), so that a change elsewhere rebuilds nothing;
    empty: all.
    """
    on_demand: bool = False
    """Built when a Dockerfile first names it, not when Seatrial is set up."""

    def files(self) -> Iterator[tuple[str, Path]]:
        """Yield (path in the build context, file), in a fixed order."""
        for path in sorted(self.folder.iterdir()):
            if path.is_file() and path.suffix != ".in":
                yield path.name, path
        if self.with_grader:
            yield from grader_files(self.only)

    @cached_property
    def digest(self) -> str:
        """Hex SHA-256 over the files and over the digest of the parent: a change below rebuilds
        what stands on it.
        """
        digest = hashlib.sha256(self.parent.digest.encode() if self.parent else b"")
        for name, path in self.files():
            content = path.read_bytes()
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        return digest.hexdigest()


def grader_files(only: tuple[str, ...] = ()) -> Iterator[tuple[str, Path]]:
    """Yield the files of ``grader`` that an image carries:

    ``only`` these parts, never recipes or compiled files.
    """
    for path in sorted(GRADER.rglob("*")):
        inside = path.relative_to(GRADER)
        if "__pycache__" in inside.parts or inside.parts[0] == PACKAGE.name or not path.is_file():
            continue
        if not only or inside.parts[0] in only:
            yield f"grader/{inside.as_posix()}", path


def _recipes() -> dict[str, Recipe]:
    folder = PACKAGE / "recipes"
    base = Recipe("seatrial/base:1", folder / "base")
    runtime = Recipe("seatrial/runtime:1", folder / "runtime", base)
    probe = Recipe("seatrial/probe:1", folder / "probe", runtime, with_grader=True)
    postgres = Recipe("seatrial/postgres:1", folder / "postgres", base)
    edge = Recipe("seatrial/edge:1", folder / "edge", base)
    spoken = ("__init__.py", "errors.py", "result.py", "sidecars", "sound.py", "lab", "wire")
    observe = Recipe(
        "seatrial/observe:1", folder / "observe", runtime, with_grader=True, only=spoken
    )
    packages = Recipe("seatrial/packages:1", folder / "packages", base)
    debian = Recipe("seatrial/debian:1", folder / "debian", base)
    python = Recipe("seatrial/python:1", folder / "python", debian)
    node = Recipe("seatrial/node:1", folder / "node", debian, on_demand=True)
    golang = Recipe("seatrial/golang:1", folder / "golang", debian, on_demand=True)
    distroless = Recipe("seatrial/distroless:1", folder / "distroless", debian, on_demand=True)
    static = Recipe("seatrial/static:1", folder / "static", debian, on_demand=True)
    ours = (base, runtime, probe, postgres, edge, observe, packages)
    return {
        recipe.name: recipe for recipe in (*ours, debian, python, node, golang, distroless, static)
    }


NAMES = tuple(_recipes())


def recipes() -> dict[str, Recipe]:
    """Return all recipes by image name, parents first, with digests of the files as they are
    now.
    """
    return _recipes()


def full_name(name: str) -> str:
    """Return the image's name for ``runtime``, ``seatrial/runtime`` or ``seatrial/runtime:1``.

    Raises KeyError for an image that is not ours.
    """
    full = name if name.startswith("seatrial/") else f"seatrial/{name}"
    full = full if ":" in full else f"{full}:1"
    if full not in NAMES:
        raise KeyError(name)
    return full
