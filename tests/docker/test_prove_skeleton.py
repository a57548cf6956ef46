"""What ``lab new`` makes, ``lab verify`` accepts; and a lab whose expectation is wrong is
caught.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path, PurePosixPath

import pytest
from tiny import tiny_lab

from grader.engines.docker.sandbox import DockerSandbox
from grader.lab import SourceFile
from grader.proving.prove import prove

pytestmark = pytest.mark.docker


@pytest.mark.parametrize("name", ["starter", "reference", "wrong_upper"])
def test_the_skeleton_proves_itself(name: str, tmp_path: Path, sandbox: DockerSandbox) -> None:
    proof = prove(
        tiny_lab(tmp_path), name, sandbox, new_seed=lambda: "skeleton", on_event=lambda _event: None
    )
    assert proof.holds, proof.problems


def test_a_wrong_submission_that_passes_is_a_defect_of_the_lab(
    tmp_path: Path, sandbox: DockerSandbox
) -> None:
    lab = tiny_lab(tmp_path)
    files = dict(lab.files)
    files[PurePosixPath("submissions/wrong_upper/app.py")] = files[
        PurePosixPath("submissions/reference/app.py")
    ]
    lab = dataclasses.replace(lab, files=files)
    proof = prove(lab, "wrong_upper", sandbox, new_seed=lambda: "s", on_event=lambda _event: None)
    assert "reverse passed, expected failed" in proof.problems


def test_a_check_that_raises_is_our_fault_and_names_itself(
    tmp_path: Path, sandbox: DockerSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    lab = tiny_lab(tmp_path)
    files = dict(lab.files)
    files[PurePosixPath("checks/cases.py")] = SourceFile(
        b"def contract(ctx): raise RuntimeError('sad lab')\n"
    )
    lab = dataclasses.replace(lab, files=files)
    proof = prove(lab, "reference", sandbox, new_seed=lambda: "s", on_event=lambda _event: None)
    assert proof.result.verdict.value == "errored"
    assert "“Contract”" in proof.result.reason
    assert "sad lab" not in proof.result.reason, (
        "a learner reads the reason; it may tell of hidden data"
    )
    assert "sad lab" in caplog.text, "the author reads the traceback on the terminal"
