"""The context is ours, byte for byte; output of learners is harmless to print."""

from __future__ import annotations

import tarfile
import time
from pathlib import PurePosixPath

import pytest

from grader.dockerfile import Plan
from grader.dockerfile.ignore import Ignore
from grader.dockerfile.plan import ModeCopy
from grader.engines.docker.build import context
from grader.engines.docker.build.text import neutralise
from grader.errors import BuildFailed, RunCancelled
from grader.job import Snapshot
from grader.lab import SourceFile

PLAN = Plan("FROM sha256:aa\n")


def snapshot(**texts: str) -> Snapshot:
    files = {
        PurePosixPath(name.replace("__", "/")): SourceFile(text.encode())
        for name, text in texts.items()
    }
    return Snapshot(files, "d")


def members(given: Snapshot, plan: Plan = PLAN) -> dict[str, tuple[bytes, int, float]]:
    """Every member: its bytes (none for a folder), mode and time."""
    with context.pack(given, plan) as packed, tarfile.open(fileobj=packed) as tar:
        found = {}
        for info in tar:
            body = tar.extractfile(info)
            assert info.name not in found, "the same name twice"
            found[info.name] = (body.read() if body else b"", info.mode, info.mtime)
        return found


def test_the_daemon_gets_our_dockerfile_and_no_times_of_day():
    found = members(snapshot(Dockerfile="FROM evil\n", app="x", src__b="y"))
    assert found[context.DOCKERFILE][0] == PLAN.text.encode()
    assert found["project/src/b"] == (b"y", 0o644, 0)
    assert {mtime for _, _, mtime in found.values()} == {0}


def test_the_same_snapshot_gives_the_same_bytes():
    given = snapshot(b="2", a="1")
    turned = Snapshot(dict(reversed(given.files.items())), "d")
    assert context.pack(given, PLAN).read() == context.pack(turned, PLAN).read()


def test_a_learner_cannot_bring_the_dockerfile_that_the_daemon_reads():
    given = Snapshot({PurePosixPath(context.DOCKERFILE): SourceFile(b"FROM evil")}, "d")
    found = members(given)
    assert found[context.DOCKERFILE][0] == PLAN.text.encode()
    assert found[f"project/{context.DOCKERFILE}"][0] == b"FROM evil"


@pytest.mark.parametrize("folder", [".dockerignore", context.DOCKERFILE, "seatrial", "project"])
def test_a_folder_by_a_name_of_ours_is_an_ordinary_folder(folder: str):
    found = members(Snapshot({PurePosixPath(folder, "x"): SourceFile(b"1")}, "d"))
    assert found[f"project/{folder}/x"][0] == b"1"
    assert set(found) == {context.DOCKERFILE, ".dockerignore", "project", f"project/{folder}/x"}


def test_dockerignore_is_applied_by_us():
    given = snapshot(**{".dockerignore": "*.log\n# note\ndata\n!data/keep\n", "a.log": "", "b": ""})
    found = members(given)
    assert set(found) == {
        context.DOCKERFILE,
        ".dockerignore",
        "project",
        "project/.dockerignore",
        "project/b",
    }
    assert b"*.log" not in found[".dockerignore"][0]


def test_files_with_another_mode_stand_there_a_second_time():
    plan = Plan(
        "x\n",
        modes=(ModeCopy("seatrial/mode-0", 0o750, ("bin", "*.sh")),),
        files={"seatrial/text-0/E": (b"e", 0o600)},
    )
    found = members(
        snapshot(**{"bin__deep__a": "1", "run.sh": "2", "other": "3", "src__b.sh": "4"}), plan
    )
    ours = {
        name: (data, mode)
        for name, (data, mode, _) in found.items()
        if name.startswith("seatrial/")
    }
    assert ours == {
        "seatrial/text-0/E": (b"e", 0o600),
        "seatrial/mode-0/bin": (b"", 0o750),
        "seatrial/mode-0/bin/deep": (b"", 0o750),
        "seatrial/mode-0/bin/deep/a": (b"1", 0o750),
        "seatrial/mode-0/run.sh": (b"2", 0o750),
    }
    assert found["project/bin/deep/a"][1] == 0o644


def test_packing_looks_whether_it_has_to_end():
    def cancelled() -> None:
        raise RunCancelled("now")

    with pytest.raises(RunCancelled):
        context.pack(snapshot(a="x"), PLAN, cancelled)


def test_a_context_that_is_too_large(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(context, "MAX_BYTES", 10)
    with pytest.raises(BuildFailed, match="too large"):
        context.pack(snapshot(a="x" * 11), PLAN)


@pytest.mark.parametrize(
    ("patterns", "path", "expected"),
    [
        ("*.py", "a.py", True),
        ("*.py", "src/a.py", False),
        ("**/*.py", "src/deep/a.py", True),
        ("src", "src/a.py", True),
        ("/src/", "src/a.py", True),
        ("./src", "src/a.py", True),
        ("s?c", "src", True),
        ("*\n!a", "a", False),
        ("!a\n*", "a", True),
        ("src\n!src/a.py", "src/a.py", False),
        ("# a", "a", False),
        ("a/**", "a/b/c", True),
        ("a/**", "ab", False),
        ("**.pyc", "a/b/c.pyc", True),
        ("**/node_modules", "a/node_modules/b/c", True),
        ("**/node_modules", "node_modules/c", True),
        ("a/**/z", "a/b/c/z", True),
        ("a/**/z", "a/z", True),
        ("*\n!*.py\n!src\nsrc/x", "src/x", True),
        ("*\n!*.py\n!src\nsrc/x", "src/y", False),
        ("[a-c]x", "bx", True),
        ("[^a-c]x", "bx", False),
        ("[ax", "[ax", False),
    ],
)
def test_patterns(patterns: str, path: str, expected: bool):
    assert Ignore(patterns.encode()).ignores(PurePosixPath(path)) is expected


def test_hostile_patterns_cost_little():
    hostile = Ignore(("*a" * 4000 + "b\n").encode() + b"**/" * 2000 + b"x")
    began = time.monotonic()
    hostile.ignores(PurePosixPath("a" * 180))
    assert time.monotonic() - began < 2


def test_many_patterns_against_a_deep_project_cost_little():
    """It took the worker over a minute, outside of every limit."""
    many = b"**/a/*b*/**/*c?d*\n" * 200
    hostile = Ignore(b"*/" * 5000 + b"\n" + many + b"never/read\n*\n" * 4000)
    paths = [
        PurePosixPath(*[f"{n}abcabc" for _ in range(19)], f"f{m}")
        for n in range(20)
        for m in range(100)
    ]
    began = time.process_time()
    assert not any(hostile.ignores(path) for path in paths)
    assert time.process_time() - began < 8


def test_escapes_are_shown_and_not_obeyed():
    shown = neutralise("\x1b[2J\x07\x9b1m\u202egnp\u200b\x00\ufeff\U000e0041 ok\tok\n")
    assert shown == "\\x1b[2J\\x07\\x9b1m\\u{202e}gnp\\u{200b}\\x00\\u{feff}\\u{e0041} ok\tok\n"


def test_a_carriage_return_overwrites_nothing():
    assert neutralise("passed\rfailed\r\n") == "passed\nfailed\n"


def test_ordinary_text_of_any_language_stays():
    assert neutralise("naïve 数据 👍\n") == "naïve 数据 👍\n"


def test_lone_surrogates_can_be_stored_afterwards():
    assert neutralise("\ud800").encode() == b"\\u{d800}"
