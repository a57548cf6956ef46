"""``seatrial grade``: the verdict of the site, in a terminal."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from grader.archive import read_archive, read_folder_snapshot
from grader.cli.session import INSTALLATION, Reporter, find_lab, new_seed, open_sandbox
from grader.dockerfile.bases import by_name_alone
from grader.dockerfile.lint import check
from grader.errors import DockerfileRefused, SpecError
from grader.job import GradingJob, Snapshot
from grader.result import Outcome, RunResult, Verdict
from grader.runs.engine import run_to_end
from grader.slots import machine_slot

EXIT = {
    Verdict.PASSED: 0,
    Verdict.FAILED: 1,
    Verdict.NOT_GRADABLE: 1,
    Verdict.ERRORED: 3,
    Verdict.CANCELLED: 3,
    Verdict.INCONCLUSIVE: 4,
}


def run(arguments: argparse.Namespace, content: Path, console: Console) -> int:
    """Grade one project and print why. Returns the exit code."""
    lab = find_lab(content, arguments.lab)
    known = {c.id for c in lab.spec.rubric.criteria}
    if unknown := set(arguments.only) - known:
        raise SpecError(
            f"No criterion {', '.join(sorted(unknown))}.",
            f"This lab has: {', '.join(sorted(known))}.",
        )
    path: Path = arguments.path
    if not path.exists():
        raise SpecError(
            f"{path}: no such file or folder.", "Name a project folder, a .zip or a .tar.gz."
        )
    if not arguments.json and not _can_build(_packed(path), lab.spec.bases, console):
        return EXIT[Verdict.NOT_GRADABLE]
    sandbox = open_sandbox(console)
    console.print(
        f"{lab.spec.title} ({lab.spec.id} {lab.spec.version}, {lab.digest[:12]})", markup=False
    )
    run_id = f"cli-{secrets.token_hex(6)}"
    with machine_slot(lambda line: console.print(line, style="bright_black")):
        # Packed only now: what was mended while this waited is what is graded.
        seed = arguments.seed or new_seed()
        job = GradingJob(lab, _packed(path), seed, run_id, only=frozenset(arguments.only))
        result = run_to_end(job, sandbox, installation=INSTALLATION, on_event=Reporter(console))
    explain(result, console)
    if arguments.json:
        text = json.dumps(as_json(result), indent=2, ensure_ascii=False)
        if str(arguments.json) == "-":
            sys.stdout.write(text + "\n")
        else:
            arguments.json.write_text(text + "\n", "utf-8")
    return EXIT[result.verdict]


def _packed(path: Path) -> Snapshot:
    return read_folder_snapshot(path) if path.is_dir() else read_archive(path)


def _can_build(snapshot: Snapshot, own: list[str], console: Console) -> bool:
    """Say what is wrong with the Dockerfile before anybody waits for a slot."""
    try:
        check({name: file.data for name, file in snapshot.files.items()}, by_name_alone(own))
    except DockerfileRefused as error:
        console.print(error.message, style="bold red", markup=False)
        console.print(error.advice, markup=False)
        return False
    return True


def explain(result: RunResult, console: Console) -> None:
    """The verdict, and for each criterion that did not pass: what happened and what to do."""
    for r in result.criteria:
        if r.outcome in (Outcome.PASSED, Outcome.SKIPPED):
            continue
        console.print(f"\n{r.title}: {r.outcome.value}", style="bold", markup=False)
        console.print(f"  {r.message}", markup=False)
        if r.rule:
            console.print(f"  Rule: {r.rule.text}", markup=False)
        if r.advice:
            console.print(f"  Next: {r.advice}", markup=False)
        if r.exchange:
            e = r.exchange
            answer = e.error or f"{e.status} {e.response_body[:200]!r}"
            console.print(
                f"  {e.method} {e.path} {e.request_body[:200]} -> {answer}",
                style="bright_black",
                markup=False,
            )
    if result.reason:
        console.print(f"\n{result.reason}\n{result.advice}", markup=False)
    line = (
        f"\n{result.verdict.value.replace('_', ' ')}, {result.score:g} of 100, seed {result.seed}"
    )
    console.print(line, style="bold", markup=False)


def as_json(result: RunResult) -> dict[str, Any]:
    """The result for scripts: lab, version, seed, verdict, score and criteria."""
    return {
        "lab": result.lab,
        "version": result.lab_version,
        "grader_version": result.grader_version,
        "seed": result.seed,
        "verdict": result.verdict.value,
        "score": result.score,
        "reason": result.reason,
        "advice": result.advice,
        "image_digest": result.image_digest,
        "seconds": result.seconds,
        "criteria": [
            {
                "id": r.criterion,
                "outcome": r.outcome.value,
                "points": r.points,
                "max_points": r.max_points,
                "measured": r.measured.model_dump(mode="json") if r.measured else None,
                "rule": r.rule.model_dump(mode="json") if r.rule else None,
                "message": r.message,
                "advice": r.advice,
                "gate": r.gate,
                "seconds": r.seconds,
            }
            for r in result.criteria
        ],
    }
