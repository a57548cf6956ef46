"""Proofs go on as many at once as there are slots, come out in order, and end together."""

from __future__ import annotations

import argparse
import io
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from results_kit import result
from rich.console import Console
from tiny import tiny_lab

from grader.cli import verify
from grader.errors import SandboxError, SpecError
from grader.lab import Expectation
from grader.proving.departures import Departure
from grader.proving.prove import Proof
from grader.result import Verdict

EXPECTED = Expectation(verdict="failed")


@pytest.fixture(autouse=True)
def two_slots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATRIAL_SLOT_DIR", str(tmp_path))
    monkeypatch.setenv("SEATRIAL_SLOTS", "2")
    monkeypatch.setattr(verify, "open_sandbox", lambda _console: None)
    tiny_lab(tmp_path)


def verified(
    content: Path, monkeypatch: pytest.MonkeyPatch, prove: Callable[..., Proof], **more: Any
) -> int:
    values = {
        "lab": "tiny",
        "all": False,
        "seed": None,
        "only": [],
        "json": content / "proofs.json",
    }
    monkeypatch.setattr(verify, "prove", prove)
    return verify.run(
        argparse.Namespace(**{**values, **more}), content, Console(file=io.StringIO())
    )


def proof(name: str, problems: list[str]) -> Proof:
    return Proof(
        "tiny", name, EXPECTED, result(Verdict.FAILED), [Departure(text) for text in problems]
    )


def test_two_go_on_at_once_and_stand_in_the_file_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = threading.Barrier(2, timeout=10)

    def prove(_lab: Any, name: str, _sandbox: Any, **_: Any) -> Proof:
        if name != "wrong_upper":
            both.wait()  # the starter and the reference are proved side by side, or this breaks
        return proof(name, [])

    assert verified(tmp_path, monkeypatch, prove) == 0
    rows = json.loads((tmp_path / "proofs.json").read_text())
    assert [row["submission"] for row in rows] == ["starter", "reference", "wrong_upper"]


def test_one_proof_that_does_not_hold_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prove(_lab: Any, name: str, _sandbox: Any, **_: Any) -> Proof:
        return proof(name, ["reverse passed"] if name == "reference" else [])

    assert verified(tmp_path, monkeypatch, prove) == 1
    assert verified(tmp_path, monkeypatch, prove, only=["starter"]) == 0


def test_an_error_of_ours_ends_the_others_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []

    def prove(
        _lab: Any, name: str, _sandbox: Any, *, cancelled: Callable[[], bool], **_: Any
    ) -> Proof:
        if name == "reference":
            raise SandboxError("the engine is gone")
        waited = threading.Event()
        for _ in range(1000):
            if cancelled():
                ended.append(name)
                break
            waited.wait(0.01)
        return proof(name, [])

    with pytest.raises(SandboxError, match="the engine is gone"):
        verified(tmp_path, monkeypatch, prove)
    assert "starter" in ended  # and perhaps the next one, which may have begun by then


def test_a_lab_or_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for lab, every in ((None, False), ("tiny", True)):
        with pytest.raises(SpecError, match="Name one lab, or --all"):
            verified(tmp_path, monkeypatch, lambda *_, **__: proof("x", []), lab=lab, all=every)
