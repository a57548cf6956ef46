"""The insurer of one run: clauses, near-copies, repealed clauses, and questions.

Everything follows from the seed.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import Any

from lab_checks.fields import (
    CITIES,
    COMPANIES,
    FAMILIES,
    FIELDS,
    FILLERS,
    OFF_TOPIC,
    REPEALS,
    TIERS,
    UNITS,
    Field,
)

FAMILY_COUNT, TIER_COUNT = 6, 3
OMITTED, REPEALED = 0.12, 0.2
"""Shares of (plan, matter) pairs that no clause regulates, and of clauses that were replaced by
another.
"""


@dataclass(frozen=True, slots=True)
class Clause:
    """One document.

    ``value`` is the answer it holds ("18 months"); ``replaces`` the id of the clause it repeals.
    """

    id: str
    plan: str
    matter: Field
    value: str
    title: str
    text: str
    replaces: str = ""

    def doc(self) -> dict[str, Any]:
        """The document as POST /ingest takes it."""
        return {"id": self.id, "title": self.title, "text": self.text}


@dataclass(frozen=True, slots=True)
class Question:
    """``gold`` is the id of the one clause in force that answers it; empty when nothing does."""

    text: str
    answer: str = ""
    gold: str = ""
    plan: str = ""
    topic: str = ""


@dataclass(slots=True)
class Corpus:
    """Clauses by id, among them repealed ones, and a factory of questions that never gives one
    twice.
    """

    rng: random.Random
    company: str
    plans: list[str]
    unused_families: list[str]
    tiers: list[str]
    clauses: dict[str, Clause] = field(default_factory=dict)
    repealed: dict[str, str] = field(default_factory=dict)
    """id of a repealed clause -> id of the clause that replaced it"""
    omitted: list[tuple[str, Field]] = field(default_factory=list)
    _asked: set[str] = field(default_factory=set)
    _used: set[str] = field(default_factory=set)
    _prefixes: list[str] = field(default_factory=list)

    # -- clauses

    def new_id(self) -> str:
        """A fresh clause id such as ``KX-4071``."""
        while True:
            made = f"{self.rng.choice(self._prefixes)}-{self.rng.randint(1000, 9999)}"
            if made not in self._used:
                self._used.add(made)
                return made

    def value(self, matter: Field, other_than: str = "") -> str:
        """A value with its unit, e.g. ``18 months``."""
        while True:
            made = f"{self.rng.randrange(matter.low, matter.high + 1, matter.step)} {matter.unit}"
            if made != other_than:
                return made

    def write(
        self, plan: str, matter: Field, value: str, *, clause_id: str = "", replaces: str = ""
    ) -> Clause:
        """Word a clause. It is not added to the corpus."""
        rng = self.rng
        parts = [rng.choice(matter.clauses).format(p=plan, v=value)]
        other = rng.choice(sorted(self.clauses)) if self.clauses else "AA-1000"
        if rng.random() < 0.15:
            parts.append(rng.choice(UNITS))
        if rng.random() < 0.35:
            parts.append(self._fill(rng.choice(FILLERS), other))
        if replaces:
            parts.append(self._fill(rng.choice(REPEALS), other, replaces))
        title = f"{plan}: {matter.topic}"
        return Clause(
            clause_id or self.new_id(), plan, matter, value, title, " ".join(parts), replaces
        )

    def rewrite(self, clause: Clause, *, repeal: bool) -> Clause:
        """The same clause with another value: under its own id, or as a new one that replaces it.

        Not yet added.
        """
        value = self.value(clause.matter, other_than=clause.value)
        text = clause.text.replace(clause.value, value)
        if not repeal:
            return replace(clause, value=value, text=text)
        text += " " + self._fill(self.rng.choice(REPEALS), "", clause.id)
        return replace(clause, id=self.new_id(), value=value, text=text, replaces=clause.id)

    def _fill(self, template: str, other: str, old: str = "") -> str:
        year, form = self.rng.randint(2016, 2026), f"F{self.rng.randint(10, 99)}"
        return template.format(year=year, form=form, other=other, old=old)

    def add(self, clause: Clause) -> Clause:
        """Put a clause into force, and the one that it replaces out of force."""
        self.clauses[clause.id] = clause
        if clause.replaces:
            self.repealed[clause.replaces] = clause.id
        return clause

    def in_force(self) -> list[Clause]:
        """Clauses that no other clause replaced."""
        return [c for c in self.clauses.values() if c.id not in self.repealed]

    # -- questions

    def ask(self, clause: Clause, *, paraphrased: bool) -> Question:
        """A question that this clause answers, of a wording not asked before where one is left."""
        wordings = clause.matter.paraphrased if paraphrased else clause.matter.plain
        fresh = [t for w in wordings if (t := w.format(p=clause.plan)) not in self._asked]
        text = self.rng.choice(fresh or [w.format(p=clause.plan) for w in wordings])
        self._asked.add(text)
        return Question(text, clause.value, clause.id, clause.plan, clause.matter.topic)

    def questions(
        self, n: int, *, paraphrased: bool, replaced_share: float = 0.0
    ) -> list[Question]:
        """``n`` questions on different clauses, a share of them on matters whose first clause was
        repealed.
        """
        live = self.in_force()
        self.rng.shuffle(live)
        replaced = [c for c in live if c.replaces][: round(n * replaced_share)]
        rest = [c for c in live if not c.replaces][: n - len(replaced)]
        chosen = replaced + rest
        self.rng.shuffle(chosen)
        return [self.ask(c, paraphrased=paraphrased) for c in chosen]

    def unanswerable(self, n: int) -> list[Question]:
        """Questions no clause answers: a matter this plan leaves open, a plan there is not, another
        subject.
        """
        rng = self.rng
        open_matters = rng.sample(self.omitted, min(len(self.omitted), n // 6))
        made = [
            Question(rng.choice(f.plain).format(p=p), plan=p, topic=f.topic)
            for p, f in open_matters
        ]
        for family in rng.sample(self.unused_families, n // 2 - n // 6 + 1):
            plan, matter = f"{family} {rng.choice(self.tiers)}", rng.choice(FIELDS)
            made.append(
                Question(rng.choice(matter.plain).format(p=plan), plan=plan, topic=matter.topic)
            )
        for template in rng.sample(OFF_TOPIC, n - len(made)):
            made.append(
                Question(
                    template.format(city=rng.choice(CITIES), company=self.company), topic="other"
                )
            )
        rng.shuffle(made)
        return made


def generate(rng: random.Random) -> Corpus:
    """The insurer of one seed: 18 plans (6 families of 3 near-equal plans), about 380 clauses."""
    families = rng.sample(FAMILIES, len(FAMILIES))
    tiers = rng.sample(TIERS, TIER_COUNT)
    plans = [f"{family} {tier}" for family in families[:FAMILY_COUNT] for tier in tiers]
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"
    corpus = Corpus(
        rng, rng.choice(COMPANIES), plans, families[FAMILY_COUNT : FAMILY_COUNT + 12], tiers
    )
    corpus._prefixes = ["".join(rng.sample(letters, 2)) for _ in range(5)]
    for plan in plans:
        for matter in FIELDS:
            if rng.random() < OMITTED:
                corpus.omitted.append((plan, matter))
                continue
            first = corpus.add(corpus.write(plan, matter, corpus.value(matter)))
            if rng.random() < REPEALED:
                value = corpus.value(matter, other_than=first.value)
                corpus.add(corpus.write(plan, matter, value, replaces=first.id))
    order = sorted(corpus.clauses)
    rng.shuffle(order)
    corpus.clauses = {clause_id: corpus.clauses[clause_id] for clause_id in order}
    return corpus
