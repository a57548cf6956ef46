"""The entry script's own choices: which command runs what, exit codes, and when the environment is
made anew.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def entry() -> ModuleType:
    loader = SourceFileLoader("seatrial_entry", str(ROOT / "seatrial"))
    loader_bytes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    sys.dont_write_bytecode = loader_bytes
    return module


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "seatrial"), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_names_every_command(entry: ModuleType) -> None:
    done = call("--help")
    assert done.returncode == 0
    for name in entry.MODULES:
        assert f"\n  {name} " in done.stdout


def test_no_command_and_a_wrong_one_are_usage_errors() -> None:
    assert call().returncode == 2
    wrong = call("upp")
    assert wrong.returncode == 2
    assert "'upp'" in wrong.stderr


def test_lab_sync_goes_to_the_site_and_other_lab_commands_to_the_grader(entry: ModuleType) -> None:
    assert entry.command_line(["lab", "sync", "content"]) == [
        "-m",
        "launcher",
        "sync",
        "content",
    ]
    with_engine = ["-m", "launcher", "engine", "-m", "grader.cli"]
    assert entry.command_line(["grade", "x", "."]) == [*with_engine, "grade", "x", "."]
    assert entry.command_line(["lab", "verify", "x"]) == [*with_engine, "lab", "verify", "x"]
    assert entry.command_line(["grade", "--help"]) == ["-m", "grader.cli", "grade", "--help"]
    assert entry.command_line(["lab", "list"]) == ["-m", "grader.cli", "lab", "list"]
    assert entry.command_line(["manage", "migrate"])[1:] == ["migrate"]
    assert entry.command_line(["bench", "load"]) == [
        *with_engine[:3],
        "-m",
        "tests.bench.run",
        "load",
    ]
    assert entry.command_line(["bench", "--help"]) == ["-m", "tests.bench.run", "--help"]
    assert entry.command_line(["nothing"]) is None


def test_the_environment_is_current_only_for_the_same_files(
    entry: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, venv = tmp_path / "requirements.lock", tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").touch()
    lock.write_text("a==1")
    for name, value in (("LOCK", lock), ("VENV", venv), ("STAMP", venv / "stamp")):
        monkeypatch.setattr(entry, name, value)
    made: list[str] = []
    monkeypatch.setattr(entry, "make_environment", lambda: made.append(lock.read_text()))
    entry.ensure_environment()
    entry.ensure_environment()
    lock.write_text("a==2")
    entry.ensure_environment()
    assert made == ["a==1", "a==2"]


def test_a_failed_step_shows_the_end_of_its_output(entry: ModuleType) -> None:
    with pytest.raises(entry.Stop, match=r"making it: this failed\.\nbecause of this"):
        entry.run(
            [sys.executable, "-c", "print('because of this'); raise SystemExit(1)"], "making it"
        )


def test_ci_runs_what_a_person_runs() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert "exec ./seatrial test" in script.read_text()
