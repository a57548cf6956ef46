"""The serving lab: its folder is whole. What it proves on the engine stands in test_proofs.py."""

from __future__ import annotations

from pathlib import Path

from grader.lab import load_expectation, load_lab

LAB = Path(__file__).parents[2] / "content" / "labs" / "llm-serving"
WRONG = sorted(p.name for p in (LAB / "submissions").glob("wrong_*"))


def test_every_criterion_is_broken_by_a_wrong_submission() -> None:
    lab = load_lab(LAB)
    broken = {fail for name in WRONG for fail in load_expectation(lab, name).fails}
    assert broken == {c.id for c in lab.spec.rubric.criteria}


def test_baseline_starter_and_reference_run_the_same_weights() -> None:
    texts = {
        (LAB / folder / "model.py").read_text()
        for folder in ("baseline", "starter", "submissions/reference")
    }
    assert len(texts) == 1


def test_hints_have_titles_and_the_rubric_names_them() -> None:
    hints = {int(p.name.partition("-")[0]): p.read_text() for p in (LAB / "hints").glob("*.md")}
    assert all(text.startswith("# ") for text in hints.values())
    assert {c.hint for c in load_lab(LAB).spec.rubric.criteria} == set(hints)
