"""A key of a proof stands on what a Python file does, not on how it is laid out."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from grader.lab import SourceFile
from grader.proving.meaning import meaning, meanings

LONG = b"def f(a, b):\n    return call(a, b, 'x')\n"


@pytest.mark.parametrize(
    "other",
    [
        b"def f(a, b):\n    return call(\n        a,\n        b,\n        'x',\n    )\n",
        b'# why\ndef f(a, b):  # this\n\n    return (call(a, b, "x"))\n',
    ],
)
def test_the_same_statements_laid_out_in_another_way_mean_the_same(other: bytes) -> None:
    assert meaning(LONG) == meaning(other)


@pytest.mark.parametrize(
    "other",
    [
        LONG.replace(b"'x'", b"'y'"),
        LONG.replace(b"'x'", b"None"),
        LONG.replace(b"'x'", b"b'x'"),
        LONG.replace(b"a, b, 'x'", b"b, a, 'x'"),
        LONG.replace(b"return ", b""),
        LONG.replace(b"def", b"async def"),
        LONG.replace(b"a, b)", b"a, /, b)"),
        LONG.replace(b"return call(a, b, 'x')", b"return"),
    ],
)
def test_another_statement_means_something_else(other: bytes) -> None:
    assert meaning(LONG) != meaning(other)


@pytest.mark.parametrize(
    ("one", "two"), [("x = 1", "x = True"), ("x = 1", "x = 1.0"), ("f(**a)", "f(a)"), ("-1", "+1")]
)
def test_values_and_operators_count(one: str, two: str) -> None:
    assert meaning(one.encode()) != meaning(two.encode())


def test_docstrings_count_where_somebody_may_read_them() -> None:
    with_text, without = b'def f():\n    """Words."""\n    return 1\n', b"def f():\n    return 1\n"
    assert meaning(with_text) != meaning(without)
    assert meaning(with_text, docstrings=False) == meaning(without, docstrings=False)


def test_types_of_local_names_do_nothing_and_others_may() -> None:
    assert meaning(b"def f():\n    x: int = 1\n") == meaning(b"def f():\n    x = 1\n")
    assert meaning(b"class A:\n    x: int = 1\n") != meaning(b"class A:\n    x = 1\n")
    assert meaning(b"x: int = 1\n") != meaning(b"x = 1\n")
    inner = b"def f():\n    class A:\n        x%s = 1\n"
    assert meaning(inner % b": int") != meaning(inner % b""), "a model reads its fields' types"


def test_docstrings_count_by_their_words() -> None:
    one = b'"""First words, then more."""\nx = """a  b"""\n'
    broken = one.replace(b"words, then", b"words,\n    then")
    assert meaning(one) == meaning(broken)
    assert meaning(one) != meaning(one.replace(b"a  b", b"a b")), (
        "any other text counts as it stands"
    )


@pytest.mark.parametrize("source", [b"def (", b"\0", b"\xff\xfe", b"(" * 5000 + b")" * 5000])
def test_what_can_not_be_parsed_stays_as_it_is(source: bytes) -> None:
    assert meaning(source) == source


def test_other_files_stay_as_they_are() -> None:
    files = {
        PurePosixPath("Dockerfile"): SourceFile(b"FROM a\n"),
        PurePosixPath("a.py"): SourceFile(b"x=1", True),
    }
    told = meanings(files, docstrings=True)
    assert told[PurePosixPath("Dockerfile")] == files[PurePosixPath("Dockerfile")]
    assert told[PurePosixPath("a.py")].executable
    assert (
        told[PurePosixPath("a.py")].data
        == b"(Module body=[(Assign targets=[(Name id=str:'x' ctx=(Store))] value=(Constant value=int:1))])"
    )
