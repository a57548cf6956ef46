"""Labs prove their grading on the real engine: the reference passes, a wrong submission fails on
what it breaks.

All of them take a while on two cores: `./seatrial lab verify --all` runs every one. Here each lab
that is not proven on record is represented by its reference, and so is a third of the proven ones;
a third of the labs by their starter or one wrong submission too, unless it is proven. It is others
whenever a lab changes.
"""

from __future__ import annotations

import hashlib
import secrets

import pytest
from site_up import ROOT

from grader.engines.docker.sandbox import DockerSandbox
from grader.lab import load_expectation, load_lab, submission_files
from grader.proving import records
from grader.proving.cheats import load_cheats
from grader.proving.prove import prove
from grader.result import Outcome

LABS = {
    path.parent.name: load_lab(path.parent)
    for path in sorted((ROOT / "content" / "labs").glob("*/lab.yaml"))
}
CHEATS = load_cheats(ROOT / "content")
STANDINGS = {
    name: records.standing(ROOT / "content" / "labs" / name, lab, CHEATS)
    for name, lab in LABS.items()
}
PROVEN = [name for name, standing in STANDINGS.items() if standing.whole]


def drawn(names: list[str]) -> list[str]:
    """A third of them, at least one: others whenever a lab changes."""
    everything = "".join(sorted(lab.digest for lab in LABS.values()))
    lots = sorted(names, key=lambda name: hashlib.sha256(f"{name} {everything}".encode()).digest())
    return lots[: max(1, len(lots) // 3)]


def chosen(lab: str) -> list[str]:
    if lab in PROVEN:
        return ["reference"] if lab in drawn(PROVEN) else []
    if lab not in sorted(LABS, key=lambda name: LABS[name].digest)[: len(LABS) // 3]:
        return ["reference"]
    others = ["starter", *(name for name in LABS[lab].submissions() if name.startswith("wrong_"))]
    return ["reference", others[int(LABS[lab].digest[:8], 16) % len(others)]]


@pytest.mark.parametrize("lab", LABS)
def test_every_lab_has_four_wrong_submissions_that_break_different_things(lab: str) -> None:
    content = LABS[lab]
    wrong = {
        name: load_expectation(content, name)
        for name in content.submissions()
        if name.startswith("wrong_")
    }
    assert len(wrong) >= 4
    assert len({tuple(expected.fails) for expected in wrong.values()}) >= 4
    assert all(expected.fails and expected.because for expected in wrong.values())
    assert all(expected.verdict == "failed" for expected in wrong.values()), (
        "no wrong submission may pass"
    )
    assert load_expectation(content, "reference").verdict == "passed"


@pytest.mark.parametrize("lab", LABS)
def test_a_wrong_submission_holds_only_what_differs_from_the_reference(lab: str) -> None:
    content = LABS[lab]
    reference = submission_files(content, "reference")
    for name in content.submissions()[1:]:
        own = {
            path: file
            for path, file in content.under(f"submissions/{name}").items()
            if path.name != "expect.yaml"
        }
        assert [str(path) for path, file in own.items() if file == reference.get(path)] == [], name
        assert submission_files(content, name) != reference, name


@pytest.mark.parametrize("lab", LABS)
def test_the_brief_the_hints_and_the_rubric_fit_together(lab: str) -> None:
    content = LABS[lab]
    hints = {path.name.split("-")[0] for path in content.under("hints")}
    assert {str(c.hint) for c in content.spec.rubric.criteria if c.hint} <= hints
    assert all(file.data.startswith(b"# ") for file in content.under("hints").values())


@pytest.mark.parametrize("lab", LABS)
def test_what_we_ship_is_proven_on_record(lab: str) -> None:
    """Otherwise a site publishes nothing of it, and says nothing to learners."""
    standing = STANDINGS[lab]
    assert standing.whole, (
        f"run `./seatrial lab verify {lab}`: {standing.changed + standing.missing}"
    )


@pytest.mark.docker
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("lab", "submission"), [(lab, name) for lab in LABS for name in chosen(lab)]
)
def test_the_proof_holds(lab: str, submission: str, sandbox: DockerSandbox) -> None:
    proof = prove(
        LABS[lab],
        submission,
        sandbox,
        new_seed=lambda: secrets.token_hex(6),
        on_event=lambda _event: None,
    )
    said = [
        (r.criterion, r.outcome.value, r.message)
        for r in proof.result.criteria
        if r.outcome is not Outcome.PASSED
    ]
    assert proof.holds, (proof.result.seed, proof.problems, said)
