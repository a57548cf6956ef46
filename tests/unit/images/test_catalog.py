"""The digest that tells a stale image from a current one."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from grader.images import catalog
from grader.images.catalog import NAMES, Recipe, full_name, recipes

HASHED = re.compile(r"^[a-z0-9][a-z0-9._-]*==\S+ \\$")


def recipe(folder: Path, parent: Recipe | None = None) -> Recipe:
    return Recipe("seatrial/x:1", folder, parent)


def test_parents_come_first() -> None:
    seen: set[str] = set()
    for name, one in recipes().items():
        assert one.parent is None or one.parent.name in seen
        seen.add(name)
    assert seen == set(NAMES)


def test_digest_changes_with_content_name_and_parent(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM x")
    first = recipe(tmp_path).digest
    assert recipe(tmp_path).digest == first
    (tmp_path / "Dockerfile").write_text("FROM y")
    second = recipe(tmp_path).digest
    (tmp_path / "Dockerfile").rename(tmp_path / "Other")
    third = recipe(tmp_path).digest
    assert len({first, second, third, recipe(tmp_path, recipe(tmp_path)).digest}) == 4


def test_digest_does_not_depend_on_how_bytes_are_split(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder, contents in ((one, ("ab", "c")), (two, ("a", "bc"))):
        folder.mkdir()
        for name, text in zip(("first", "second"), contents, strict=True):
            (folder / name).write_text(text)
    assert recipe(one).digest != recipe(two).digest


def test_the_probe_carries_the_grader_but_not_the_recipes() -> None:
    names = [name for name, _ in recipes()["seatrial/probe:1"].files()]
    assert "grader/probe/__main__.py" in names
    assert not [
        name for name in names if name.startswith("grader/images/") or "__pycache__" in name
    ]
    assert "probe.in" not in names


@pytest.mark.parametrize("short", ["runtime", "seatrial/runtime", "seatrial/runtime:1"])
def test_short_names(short: str) -> None:
    assert full_name(short) == "seatrial/runtime:1"


@pytest.mark.parametrize("wrong", ["fedora", "seatrial/runtime:2", "other/runtime:1", ""])
def test_other_images_are_not_ours(wrong: str) -> None:
    with pytest.raises(KeyError):
        full_name(wrong)


@pytest.mark.parametrize(
    "lock", sorted((catalog.PACKAGE / "recipes").glob("*/*.lock")), ids=lambda path: path.name
)
def test_locks_pin_hash_and_name_no_address(lock: Path) -> None:
    lines = lock.read_text().splitlines()
    packages = [line for line in lines if line and not line.startswith((" ", "#"))]
    assert packages
    for line in packages:
        assert HASHED.match(line), line
    assert "://" not in lock.read_text()
    hashed = sum(
        1 for above, below in pairwise(lines) if HASHED.match(above) and "--hash=sha256:" in below
    )
    assert hashed == len(packages)


def test_the_probe_adds_nothing_that_the_runtime_has() -> None:
    folder = catalog.PACKAGE / "recipes"
    names = [
        {
            line.split("==")[0]
            for line in (folder / path).read_text().splitlines()
            if HASHED.match(line)
        }
        for path in ("runtime/runtime.lock", "probe/probe.lock")
    ]
    assert not names[0] & names[1]
