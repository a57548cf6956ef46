"""Cheats are laid over submissions whole, and a proof says what they gained."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from results_kit import F, P, S, U, result
from tiny import tiny_lab

from grader.errors import SpecError
from grader.lab import Expectation
from grader.proving.cheats import load_cheats
from grader.proving.departures import of_cheat
from grader.proving.prove import submission_snapshot
from grader.result import RunResult, Verdict

CONTENT = Path(__file__).parents[3] / "content"
BROKEN = Expectation(verdict="failed", fails=["b"])


def test_the_library_is_laid_over_a_submission_of_any_lab(tmp_path: Path) -> None:
    lab = tiny_lab(tmp_path)
    cheats = {cheat.name: cheat for cheat in load_cheats(CONTENT)}
    assert {"forger", "replayer"} <= set(cheats)
    assert cheats["replayer"].base(lab, "1") == "reference"
    base = cheats["forger"].base(lab, "1")
    assert base == "wrong_upper"
    snapshot = submission_snapshot(lab, base)
    laid = cheats["forger"].over(snapshot)
    assert PurePosixPath("cheat/sitecustomize.py") in laid.files
    assert laid.files[PurePosixPath("Dockerfile")].data.startswith(
        snapshot.files[PurePosixPath("Dockerfile")].data
    )
    assert laid.digest != snapshot.digest
    assert cheats["forger"].expectation(lab, base).fails == ["reverse"]
    assert cheats["replayer"].expectation(lab, "reference").fails == []


def gained(expectation: Expectation, got: RunResult) -> list[str]:
    return [d.text for d in of_cheat(expectation, got)]


def test_a_cheat_must_not_pass_nor_mend_what_is_broken() -> None:
    assert gained(BROKEN, result(Verdict.FAILED, ("a", F, False), ("b", F, False))) == []
    assert gained(BROKEN, result(Verdict.FAILED, ("a", F, True), ("b", S, False))) == []
    assert gained(BROKEN, result(Verdict.FAILED, ("a", F, False), ("b", P, False))) == [
        "b passed, expected failed"
    ]
    assert len(gained(BROKEN, result(Verdict.PASSED, ("a", P, False), ("b", P, False)))) == 2
    assert gained(BROKEN, result(Verdict.INCONCLUSIVE, ("b", U, False))) == [
        "verdict inconclusive, expected failed"
    ]
    assert gained(BROKEN, result(Verdict.NOT_GRADABLE)) == ["verdict not_gradable, expected failed"]


def test_a_cheat_without_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cheats" / "empty").mkdir(parents=True)
    (tmp_path / "cheats" / "empty" / "cheat.yaml").write_text("because: nothing\nover: wrong\n")
    with pytest.raises(SpecError, match="has files"):
        load_cheats(tmp_path)
