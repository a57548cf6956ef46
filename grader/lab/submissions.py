"""Proving submissions: what is expected of one, and the files that a learner would upload."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from grader.errors import SpecError
from grader.lab.content import LabContent, SourceFile
from grader.lab.models import Edit, Expectation
from grader.lab.parse import parse

STARTER, REFERENCE = "starter", "reference"
EXPECT = PurePosixPath("expect.yaml")
OF_STARTER = Expectation(
    verdict="failed", because="the starter builds, runs, and does not do the work yet"
)

Files = dict[PurePosixPath, SourceFile]


def load_expectation(lab: LabContent, submission: str) -> Expectation:
    """``submissions/<name>/expect.yaml``; what every starter has to do for the starter.

    Raises SpecError.
    """
    if submission == STARTER:
        return OF_STARTER
    path = PurePosixPath("submissions", submission) / EXPECT
    if path not in lab.files:
        raise SpecError(
            f"{lab.spec.id}/{path}: no such file", "Say which criteria this submission fails."
        )
    return parse(Expectation, lab.files[path].data.decode(), f"{lab.spec.id}/{path}")


def submission_files(lab: LabContent, name: str) -> Files:
    """The starter or a proving submission, as a learner would upload it. Raises SpecError.

    A wrong one is the reference with the edits of its ``expect.yaml``, and its own files laid over
    that: so nothing but what it says can be what makes it fail, and a change of the reference
    reaches it too.
    """
    if name == STARTER:
        return lab.under(STARTER)
    files = lab.under(f"submissions/{REFERENCE}")
    if name != REFERENCE:
        files = _edited(
            files, load_expectation(lab, name).edits, f"{lab.spec.id}/submissions/{name}/{EXPECT}"
        )
        files |= lab.under(f"submissions/{name}")
    return {path: file for path, file in files.items() if path != EXPECT}


def _edited(files: Files, edits: Sequence[Edit], where: str) -> Files:
    out = dict(files)
    for edit in edits:
        path = PurePosixPath(edit.file)
        if path not in out:
            raise SpecError(
                f"{where}: the reference has no {edit.file}",
                "Put a new file beside expect.yaml instead.",
            )
        text = out[path].data.decode()
        if (times := text.count(edit.old)) != 1:
            quoted = edit.old.strip().splitlines()[0][:60]
            raise SpecError(
                (
                    f"{where}: the text from {quoted!r} on stands {times} times in the reference's "
                    f"{edit.file}"
                ),
                "Quote lines that stand there once: the reference may have changed since.",
            )
        out[path] = SourceFile(text.replace(edit.old, edit.new).encode(), out[path].executable)
    return out
