"""What a brief promises is held: each sentence with a duty in it names its criterion and who breaks
it.
"""

from __future__ import annotations

import re

import pytest
from site_up import ROOT

from grader.lab import load_expectation, load_lab
from grader.lab.content import LabContent

LABS = {
    path.parent.name: load_lab(path.parent)
    for path in sorted((ROOT / "content" / "labs").glob("*/lab.yaml"))
}
WITH_RULES = [name for name, lab in LABS.items() if lab.spec.rules]
DUTY = re.compile(
    r"\b(must|never|every|always|only|at most|at least|exactly|not one more|nobody|nothing)\b",
    re.IGNORECASE,
)
GRADING = re.compile(r"^## (How it is graded|Begin)", re.MULTILINE)


def plain(text: str) -> str:
    """One line, single spaces, so that a sentence may break anywhere."""
    return re.sub(r"\s+", " ", text)


def words_of(lab: LabContent) -> str:
    texts = ("README.md", lab.spec.contract)
    return plain(
        " ".join(lab.files[path].data.decode() for path in lab.files if str(path) in texts)
    )


def duties(lab: LabContent) -> list[str]:
    """The sentences and table rows of the brief that say what a service must or must not do."""
    brief = next(file.data.decode() for path, file in lab.files.items() if str(path) == "README.md")
    what = brief.partition("## What you build")[2]
    what = GRADING.split(what)[0]
    blocks = re.split(r"\n\s*\n|\n(?=[-|])", what)
    sentences = [s for block in blocks for s in re.split(r"(?<=[.])\s+", plain(block))]
    return [s for s in sentences if DUTY.search(s)]


@pytest.mark.parametrize("lab", WITH_RULES)
def test_every_rule_stands_in_the_brief_and_is_broken_by_a_wrong_submission(lab: str) -> None:
    content = LABS[lab]
    text, criteria = words_of(content), {c.id for c in content.spec.rubric.criteria}
    assert len({rule.id for rule in content.spec.rules}) == len(content.spec.rules)
    for rule in content.spec.rules:
        assert plain(rule.says) in text, rule.id
        if rule.by:
            continue
        assert rule.criterion in criteria, rule.id
        assert rule.wrong in content.submissions(), rule.id
        assert rule.criterion in load_expectation(content, rule.wrong).fails, rule.id


@pytest.mark.parametrize("lab", WITH_RULES)
def test_every_sentence_with_a_duty_has_a_rule(lab: str) -> None:
    said = [plain(rule.says) for rule in LABS[lab].spec.rules]
    bare = [
        s
        for s in duties(LABS[lab])
        if not any(words in s or s.strip("-| ") in words for words in said)
    ]
    assert bare == []


@pytest.mark.parametrize("lab", WITH_RULES)
def test_every_criterion_is_named_by_a_rule(lab: str) -> None:
    named = {rule.criterion for rule in LABS[lab].spec.rules}
    unnamed = {c.id for c in LABS[lab].spec.rubric.criteria} - named
    proved = {f for n in LABS[lab].submissions() for f in load_expectation(LABS[lab], n).fails}
    assert unnamed <= proved, (
        "a criterion that no rule names is broken by a wrong submission at least"
    )


@pytest.mark.parametrize("lab", WITH_RULES)
def test_every_wrong_submission_breaks_a_criterion_of_the_rubric(lab: str) -> None:
    content = LABS[lab]
    criteria = {c.id for c in content.spec.rubric.criteria}
    for name in content.submissions():
        assert set(load_expectation(content, name).fails) <= criteria, name
