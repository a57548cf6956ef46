"""The context is ours, byte for byte; output of learners is harmless to print."""

from __future__ import annotations

import tarfile
import time
from pathlib import PurePosixPath

import pytest

from grader.build import context
from grader.build.text import neutralise
from grader.dockerfile import Plan
from grader.dockerfile.ignore import Ignore
from grader.errors import BuildFailed
from grader.job import Snapshot
from grader.spec import SourceFile

PLAN = Plan("FROM sha256:aa\n")


def snapshot(**texts: str) -> Snapshot:
    files = {PurePosixPath(name.replace("__", "/")): SourceFile(text.encode()) for name, text in texts.items()}
    return Snapshot(files, "d")


def members(given: Snapshot) -> dict[str, tuple[bytes, int, float]]:
    with context.pack(given, PLAN) as packed, tarfile.open(fileobj=packed) as tar:
        found = {}
        for info in tar:
            body = tar.extractfile(info)
            assert body is not None
            found[info.name] = (body.read(), info.mode, info.mtime)
        return found


def test_the_daemon_gets_our_dockerfile_and_no_times_of_day():
    found = members(snapshot(Dockerfile="FROM evil\n", app="x", src__b="y"))
    assert found[context.DOCKERFILE][0] == PLAN.text.encode()
    assert found["src/b"] == (b"y", 0o644, 0)
    assert {mtime for _, _, mtime in found.values()} == {0}


def test_the_same_snapshot_gives_the_same_bytes():
    given = snapshot(b="2", a="1")
    turned = Snapshot(dict(reversed(given.files.items())), "d")
    assert context.pack(given, PLAN).read() == context.pack(turned, PLAN).read()


def test_a_learner_cannot_bring_the_dockerfile_that_the_daemon_reads():
    given = Snapshot({PurePosixPath(context.DOCKERFILE): SourceFile(b"FROM evil")}, "d")
    with context.pack(given, PLAN) as packed, tarfile.open(fileobj=packed) as tar:
        assert [n for n in tar.getnames() if n == context.DOCKERFILE] == [context.DOCKERFILE]
    assert members(given)[context.DOCKERFILE][0] == PLAN.text.encode()


def test_dockerignore_is_applied_by_us():
    found = members(snapshot(**{".dockerignore": "*.log\n# note\ndata\n!data/keep\n", "a.log": "", "b": ""}))
    assert set(found) == {context.DOCKERFILE, ".dockerignore", "b"}
    assert b"*.log" not in found[".dockerignore"][0]


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
    ],
)
def test_patterns(patterns: str, path: str, expected: bool):
    assert Ignore(patterns.encode()).ignores(PurePosixPath(path)) is expected


def test_hostile_patterns_cost_little():
    hostile = Ignore(("*a" * 4000 + "b\n").encode() + b"**/" * 2000 + b"x")
    began = time.monotonic()
    hostile.ignores(PurePosixPath("a" * 180))
    assert time.monotonic() - began < 2


def test_escapes_are_shown_and_not_obeyed():
    shown = neutralise("\x1b[2J\x07\x9b1m\u202egnp\u200b\x00\ufeff\U000e0041 ok\tok\n")
    assert shown == "\\x1b[2J\\x07\\x9b1m\\u{202e}gnp\\u{200b}\\x00\\u{feff}\\u{e0041} ok\tok\n"


def test_a_carriage_return_overwrites_nothing():
    assert neutralise("passed\rfailed\r\n") == "passed\nfailed\n"


def test_ordinary_text_of_any_language_stays():
    assert neutralise("naïve 数据 👍\n") == "naïve 数据 👍\n"


def test_lone_surrogates_can_be_stored_afterwards():
    assert neutralise("\ud800").encode() == b"\\u{d800}"
