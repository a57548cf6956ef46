"""Snapshots and commands, for any contents: nothing is lost on the way, and nothing gets out of its
quotes.
"""

from __future__ import annotations

import subprocess
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from grader.archive import dump, parse
from grader.job import Snapshot
from grader.lab import SourceFile, tree_digest
from grader.result import Exchange
from submissions.present import curl_of

NAME = st.text(
    st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), min_size=1, max_size=12
)
PATH = st.lists(NAME.filter(lambda name: name not in (".", "..")), min_size=1, max_size=3).map(
    "/".join
)
FILE = st.builds(SourceFile, st.binary(max_size=60), st.booleans())
TREE = st.dictionaries(PATH.map(PurePosixPath), FILE, max_size=6)
PRINTABLE = st.text(
    st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=60
)
VALUE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
RUN: Any = SimpleNamespace(
    lab_version=SimpleNamespace(spec_model=SimpleNamespace(service=SimpleNamespace(port=8080)))
)


@given(TREE)
def test_a_snapshot_survives_its_storage(files: dict[PurePosixPath, SourceFile]) -> None:
    again = parse(dump(Snapshot(files, tree_digest(files))))
    assert again.files == files
    assert again.digest == tree_digest(files)


@given(TREE, TREE)
def test_two_trees_have_one_digest_only_when_they_are_one(
    one: dict[PurePosixPath, SourceFile], other: dict[PurePosixPath, SourceFile]
) -> None:
    assert (tree_digest(one) == tree_digest(other)) == (one == other)
    assert tree_digest(dict(reversed(one.items()))) == tree_digest(one)


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(["X-A", "Authorization", "X-b"]), VALUE), PRINTABLE, VALUE)
def test_a_shell_hands_curl_what_was_sent(headers: dict[str, str], body: str, path: str) -> None:
    exchange = Exchange(
        party="app",
        method="POST",
        path=f"/{path}",
        request_headers=headers,
        request_body=body,
        response_headers={},
    )
    script = 'curl() { for word in "$@"; do printf "%s\\0" "$word"; done; }\n' + curl_of(
        exchange, RUN
    )
    out = subprocess.run(["sh", "-c", script], capture_output=True, check=True, timeout=20).stdout
    words = out.decode("utf-8", "surrogateescape").split("\0")[:-1]
    given_headers = [words[i + 1] for i, word in enumerate(words) if word == "-H"]
    assert [line for line in given_headers if line != "Content-Type:"] == [
        f"{k}: {v}" for k, v in headers.items()
    ]
    if body:
        assert words[words.index("--data-raw") + 1] == body
    assert words[-1].startswith("http://localhost:8080/")
    assert sum(word.startswith("http://localhost:8080/") for word in words) >= 1
