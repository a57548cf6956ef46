"""What the portfolio pages show, worked out from runs. Only figures that were measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db.models import Count as Counted
from django.db.models import Q, QuerySet

from labs.models import Lab, Skill
from portfolios.models import PortfolioEntry
from submissions.models import GradingRun
from webui.icons import WORDS
from webui.plots.parts import value


@dataclass(frozen=True)
class Figure:
    """One measured figure: the number, what it says, the rule that it was held against."""

    number: str
    words: str
    rule: str


def _bounded(result: dict[str, Any]) -> bool:
    measured, rule = result.get("measured") or {}, result.get("rule") or {}
    return measured.get("value") is not None and rule.get("op") in {"at_least", "at_most"}


@dataclass(frozen=True)
class Count:
    """How many runs of one lab a learner had, and how many of them failed."""

    total: int = 0
    failed: int = 0


@dataclass(frozen=True)
class System:
    """One entry with its lab, results and the story of its runs."""

    entry: PortfolioEntry
    count: Count = Count()
    others: tuple[PortfolioEntry, ...] = ()
    """Further runs of the same lab on this page, newest first."""

    @property
    def run(self) -> GradingRun:
        return self.entry.run

    @cached_property
    def spec(self) -> Any:
        return self.run.lab_version.spec_model

    @cached_property
    def results(self) -> list[dict[str, Any]]:
        """The criteria of the run as JSON, without the parts that may hold private text."""
        private = {"exchange", "data", "advice"}
        return [
            {k: v for k, v in r.payload.items() if k not in private}
            for r in self.run.check_results.all()
        ]

    @cached_property
    def figures(self) -> list[Figure]:
        """The three figures that weigh most: passed, with a number that a bound was held
        against.
        """
        held = [r for r in self.results if r.get("outcome") == "passed" and _bounded(r)]
        held.sort(key=lambda r: -float(r.get("max_points") or 0))
        return [
            Figure(
                value(r["measured"]["value"], r["measured"].get("unit", "")),
                r["title"],
                (r.get("rule") or {}).get("text", ""),
            )
            for r in held[:3]
        ]

    @property
    def series(self) -> list[dict[str, Any]]:
        return [s for r in self.results for s in r.get("series") or []]

    @cached_property
    def runs(self) -> QuerySet[GradingRun]:
        """Every run of this lab by this learner, newest first: nothing is left out."""
        runs = GradingRun.objects.attempts().filter(
            learner=self.run.learner_id, lab=self.run.lab_id
        )
        return runs.select_related("submission").order_by("-pk")

    @property
    def failed_runs(self) -> int:
        return self.count.failed

    @property
    def held(self) -> int:
        return sum(r.get("outcome") == "passed" for r in self.results)

    @property
    def gates_held(self) -> int:
        return sum(r.get("outcome") == "passed" for r in self.gates)

    @property
    def verdict_words(self) -> str:
        return f"{WORDS[self.run.verdict]}, {self.run.score or 0:.0f} of 100"

    @property
    def claim(self) -> str:
        """The result in one sentence, with the figure that weighs most."""
        when = f"{self.run.finished_at or self.run.created:%-d %B %Y}"
        name, score = self.entry.portfolio.user.name, f"{self.run.score or 0:.0f} of 100 points"
        first = f"On {when} this system by {name} was built, deployed and graded: {score}."
        if not self.figures:
            return first
        top = self.figures[0]
        rule = f" (rule: {top.rule})" if top.rule else ""
        return f"{first} {top.words}: {top.number}{rule}."

    @property
    def gates(self) -> list[dict[str, Any]]:
        return [r for r in self.results if r.get("gate")]


def one_per_lab(shown: Sequence[System]) -> list[System]:
    """One card for each lab, in the order of the page: the best run, with the others below it."""
    by_lab: dict[str, list[System]] = {}
    for system in shown:
        by_lab.setdefault(system.run.lab_id, []).append(system)
    return [_best(systems) for systems in by_lab.values()]


def _best(systems: Sequence[System]) -> System:
    passed = GradingRun.Verdict.PASSED
    best = max(systems, key=lambda s: (s.run.verdict == passed, s.run.score or 0, s.run.pk))
    others = sorted((s.entry for s in systems if s is not best), key=lambda entry: -entry.run_id)
    return System(best.entry, best.count, tuple(others))


@dataclass(frozen=True)
class SkillRow:
    """A skill with the labs that prove it: marks are (x, width, proven) in percent."""

    title: str
    labs: list[str]
    total: int

    @property
    def marks(self) -> list[tuple[float, float, bool]]:
        slot = 100 / max(4, self.total)
        return [
            (round(i * slot + 1, 2), round(slot - 3, 2), i < len(self.labs))
            for i in range(self.total)
        ]


def systems(entries: Sequence[PortfolioEntry]) -> list[System]:
    """Return the entries with the counts of all runs of their labs, from one grouped query."""
    if not entries:
        return []
    labs = {entry.run.lab_id for entry in entries}
    runs = GradingRun.objects.attempts().filter(learner=entries[0].run.learner_id, lab__in=labs)
    lost = Q(verdict__in=(GradingRun.Verdict.FAILED, GradingRun.Verdict.NOT_GRADABLE))
    grouped = (
        runs.order_by()
        .values_list("lab")
        .annotate(n=Counted("pk"), lost=Counted("pk", filter=lost))
    )
    counts = {lab: Count(total, failed) for lab, total, failed in grouped}
    return [System(entry, counts.get(entry.run.lab_id, Count())) for entry in entries]


def totals(shown: Sequence[System]) -> list[tuple[str, str]]:
    """Return the four figures at the top of the page as (number, words)."""
    if not shown:
        return []
    labs = {s.run.lab_id for s in shown}
    passed = {s.run.lab_id for s in shown if s.run.verdict == GradingRun.Verdict.PASSED}
    criteria = [r for s in shown for r in s.results]
    held = sum(r.get("outcome") == "passed" for r in criteria)
    by_lab = {s.run.lab_id: s for s in shown}
    runs = sum(s.count.total for s in by_lab.values())
    failed = sum(s.count.failed for s in by_lab.values())
    return [
        (f"{len(passed)} of {len(labs)}", "systems passed, of those shown here"),
        (f"{held} of {len(criteria)}", "criteria held, each measured from outside"),
        (f"{runs}", f"runs of these labs in all, {failed} of them failed"),
        (f"{latest(shown):%-d %b %Y}", "the last of these systems was graded"),
    ]


def latest(shown: Sequence[System]) -> datetime:
    return max(s.run.finished_at or s.run.created for s in shown)


def skill_rows(shown: Sequence[System]) -> list[SkillRow]:
    """Return the skills that passed systems prove, with how many installed labs could prove
    each.
    """
    proven: dict[str, dict[str, str]] = {}
    for system in shown:
        if system.run.verdict == GradingRun.Verdict.PASSED:
            for skill in system.spec.skills:
                proven.setdefault(skill, {})[system.spec.id] = system.spec.title
    if not proven:
        return []
    offered: dict[str, set[str]] = {skill: set(labs) for skill, labs in proven.items()}
    for lab in Lab.objects.exclude(current=None).select_related("current"):
        for skill in lab.spec.skills:
            if skill in offered:
                offered[skill].add(lab.slug)
    titles = dict(Skill.objects.values_list("slug", "title"))
    return [
        SkillRow(titles.get(s, s), list(labs.values()), len(offered[s]))
        for s, labs in proven.items()
    ]
