"""The dispatcher of the benches, and how bench load searches for a rate."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path

import pytest

from tests.bench import load, run


def rows(*holds: bool) -> list[dict[str, object]]:
    return [
        {"figure": f"f{i}", "asked": "x", "seen": 1.5, "holds": each}
        for i, each in enumerate(holds)
    ]


@pytest.mark.parametrize(("holds", "code"), [((True, True), 0), ((True, False), 1)])
def test_the_table_is_printed_and_the_exit_code_says_whether_all_holds(
    holds: tuple[bool, ...],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fake = types.ModuleType("fake_bench")
    fake.run = lambda report: {"figures": rows(*holds), "more": [1]}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fake_bench", fake)
    monkeypatch.setitem(run.BENCHES, "fake", ("fake_bench", "for this test"))
    monkeypatch.setenv("SEATRIAL_SLOT_DIR", str(tmp_path))
    assert run.main(["fake", "--json", str(tmp_path / "out.json")]) == code
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["|", "figure", "|", "asked", "|", "seen", "|", "holds", "|"]
    assert [line.split("|")[4].strip() for line in lines[2:]] == [
        "yes" if each else "NO" for each in holds
    ]
    assert json.loads((tmp_path / "out.json").read_text())["more"] == [1]


def test_a_spread_stands_behind_the_value() -> None:
    assert "1.01 (0.98 to 1.04)" in run.table(
        [{**rows(True)[0], "seen": 1.01, "spread": [0.98, 1.04]}]
    )


def test_the_search_for_a_rate_survives_one_bad_step_and_ends_after_two() -> None:
    tried: list[float] = []

    def holds(rate: float) -> bool:
        tried.append(rate)
        return rate < 3000 and rate != 1440

    assert load.sustained(1000, holds) == 2987
    assert tried.count(1440) == load.TRIES
    assert max(tried) == 4301
    assert load.sustained(1000, lambda _rate: False) == 0
