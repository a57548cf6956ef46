"""Alerts: silence while nothing is wrong, and the right name, soon, when something is."""

from __future__ import annotations

import asyncio
import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from lab_checks.counters import not_scraped
from lab_checks.evidence import alert_mark, lines
from lab_checks.quiet import USERS, again, quiet
from lab_checks.watch import LASTING, REST, Silence, Watch, load_rules, missing_rules
from lab_checks.world import INCIDENTS, SLO_TTFT_S, Model, Phase, Traffic, is_token

from grader.lab_api import (
    Background,
    Check,
    Context,
    Faults,
    Mark,
    Measured,
    Measurement,
    Outcome,
    Params,
    Rule,
    Series,
    counted,
    failed,
    passed,
    percentile,
    timeline,
    undecided,
)

FAULTS: dict[str, tuple[str, dict[str, Any]]] = {
    "errors": ("the model fails", {"kind": "500", "share": 0.5}),
    "latency": ("the model is slow", {"kind": "slow", "share": 0.25, "factor": 15}),
    "quality": ("the model finds no answer", {"kind": "abstain", "share": 0.5}),
    "cost": ("the model bills hidden tokens", {"kind": "thinking", "share": 0.6, "factor": 25}),
}
NOISY_TTFT_S = 0.6 * SLO_TTFT_S
TOUCHED_TTFT_S, TIMES_QUICK = 0.4 * SLO_TTFT_S, 2.0
"""A slow model slows a quarter of the requests. When the others are this slow on average, and twice
as slow as the service usually is, the machine slows everybody, and then a rule speaks that would
have overlooked the quarter.
"""
LEAST_UNTOUCHED = 1 / 3
"""Whatever the ledger says: a service that asks the model twice for an answer may have slow calls
that no user met.
"""
LINGER_S = 3.0


class Decoys(Check):
    """No alert in the harmless stretch.

    Silence counts only where there are rules that could speak.
    """

    id = "decoys"

    async def run(self, ctx: Context) -> Measurement:
        rule = Rule(op="none", unit="alerts", text="no alert")
        problem, response = await load_rules(ctx)
        missing = await missing_rules(ctx)
        if problem or missing:
            message = problem or f"No rule has the label incident: {', '.join(missing)}."
            text = Measured(text="silent, because nothing could speak")
            return failed(
                message, text, rule, "Write one alert for each incident of the brief.", response
            )
        seen = await quiet(ctx)
        if seen is None:
            return await not_scraped(ctx, rule)
        phase = seen.phase
        fired = await Watch(ctx).fired(phase.began, phase.ended + LINGER_S)
        marks = [alert_mark(*one, phase.began) for one in fired]
        series = timeline(phase.samples, marks)[:1]
        measured = Measured(
            value=len(fired), unit="alerts", n=len(phase.samples), text=f"{len(fired)} fired"
        )
        if not fired:
            message = (
                f"No alert during {len(phase.samples)} requests with a few faults and a burst."
            )
            return passed(message, measured, rule, series=series)
        names = ", ".join(sorted({alert for alert, *_ in fired}))
        message = f"Nothing was wrong, and yet {names} fired."
        if {incident for _, incident, *_ in fired} == {
            "latency"
        } and phase.slowest_p95() > NOISY_TTFT_S:
            again(ctx)
            return undecided(
                f"{message} But the probe saw slow answers, too.", measured, rule, series
            )
        told = {incident for _, incident, *_ in fired}
        advice = (
            " ".join(text for incident, text in QUIET_ADVICE.items() if incident in told)
            or OTHER_ADVICE
        )
        return failed(message, measured, rule, f"{advice} {ENOUGH_ADVICE}", series=series)


@dataclass(slots=True)
class Episode:
    """How one incident was seen.

    ``scrapes``: until the alert fired; ``rest``: from its end until it was silent.
    """

    incident: str
    scrapes: int | None = None
    rest: int | None = None
    others: set[str] = field(default_factory=set)
    starved: bool = False
    """Whether too few scrapes came to tell."""

    def saw(self, firing: set[str]) -> bool:
        """Take in which incidents alerts are about now. Whether this one is among them."""
        self.others |= firing - {self.incident, ""}
        return self.incident in firing

    def problem(self, most: int, most_rest: int) -> str:
        if self.scrapes is None:
            return f"{self.incident}: no alert within {most} scrapes"
        if self.others:
            return f"{self.incident}: alerts named {', '.join(sorted(self.others))} as well"
        if self.rest is None:
            return f"{self.incident}: the alert still fired {most_rest} scrapes after the end"
        return ""

    def text(self) -> str:
        return f"{self.incident} after {self.scrapes}, silent {self.rest} scrapes after its end"


class IncidentsParams(Params):
    rate: float = 15.0
    scrapes: int = 8
    rest: int = REST
    clean_s: float = 4.0
    pause_s: float = 1.0


class Incidents(Check):
    """Four incidents, one after the other in a seeded order: each must be named soon, it alone, and
    end.
    """

    id = "incidents"
    params_model = IncidentsParams
    params: IncidentsParams

    async def run(self, ctx: Context) -> Measurement:
        p, watch = self.params, Watch(ctx)
        rule = Rule(
            op="all",
            unit="incidents",
            text=f"every incident named within {p.scrapes} scrapes, and silent again",
        )
        problem, response = await load_rules(ctx)
        if problem:
            return failed(
                problem, Measured(text="no rules"), rule, "Make promtool take the rules.", response
            )
        rng = ctx.rng("incidents")
        order = rng.sample(INCIDENTS, len(INCIDENTS))
        traffic = Traffic(ctx.rng("incident traffic"), USERS)
        await Model(ctx).begin()
        began = time.time()
        episodes = []
        async with Background(
            ctx.app,
            p.rate,
            traffic.request,
            streaming=True,
            timeout_s=15,
            is_token=is_token,
            rng=ctx.rng("arrivals"),
        ) as load:
            faults = Faults(ctx, load.now)
            early = await self._silence(watch)
            for incident in order:
                await asyncio.sleep(rng.uniform(0.1, p.pause_s))
                episodes.append(await self._episode(watch, faults, incident))
        phase = Phase(traffic, load.samples, began, time.time(), await Model(ctx).rows())
        marks = [
            *faults.marks,
            *(alert_mark(*one, began) for one in await watch.fired(began, time.time())),
        ]
        said = self._say(
            rule, episodes, early, phase, lines(phase, marks), await watch.broken_rules()
        )
        if said.outcome is Outcome.PASSED and all_slow(phase, faults.marks):
            message = f"{said.message} But the machine slowed requests that no fault touched, too."
            return undecided(message, said.measured, rule, said.series)
        return said

    async def _silence(self, watch: Watch) -> set[str]:
        """What fires before anything is wrong.

        The load of an earlier criterion gets as long to pass as an incident.
        """
        await asyncio.sleep(self.params.clean_s)
        return await watch.rested(self.params.rest)

    async def _episode(self, watch: Watch, faults: Faults, incident: str) -> Episode:
        text, fault = FAULTS[incident]
        episode = Episode(incident)
        async with faults.gateway("models", [fault], text):
            await self._named(watch, episode)
        if episode.scrapes is not None:
            await self._rests(watch, episode)
        return episode

    async def _named(self, watch: Watch, episode: Episode) -> None:
        """Wait until the episode's alert fires."""
        most = self.params.scrapes
        async for firing, scrapes in watch.looks(most):
            named = episode.saw(firing)
            if scrapes > most:
                return
            if named:
                episode.scrapes = scrapes
                return
        episode.starved = True

    async def _rests(self, watch: Watch, episode: Episode) -> None:
        """Wait until the episode's alert is silent to stay."""
        silence = Silence(self.params.rest)
        async for firing, scrapes in watch.looks(self.params.rest + LASTING):
            if silence.decided(episode.saw(firing), scrapes):
                episode.rest = silence.since
                return
        episode.starved = True

    def _say(
        self,
        rule: Rule,
        episodes: list[Episode],
        early: set[str],
        phase: Phase,
        series: list[Series],
        broken: list[str],
    ) -> Measurement:
        p = self.params
        problems = [text for episode in episodes if (text := episode.problem(p.scrapes, p.rest))]
        if early:
            problems.insert(
                0, f"before the first incident alerts fired already: {', '.join(sorted(early))}"
            )
        measured = counted(
            sum(not e.problem(p.scrapes, p.rest) for e in episodes), len(episodes), "incidents"
        )
        data = {
            "episodes": [
                {"incident": e.incident, "scrapes": e.scrapes, "rest": e.rest} for e in episodes
            ]
        }
        if not problems:
            message = f"Scrapes until each was named: {'; '.join(e.text() for e in episodes)}."
            return passed(message, measured, rule, series=series, data=data)
        message = sentence("; ".join(problems)[:600])
        if any(e.starved for e in episodes):
            return undecided(
                f"{message} Prometheus did not come to scrape in time.", measured, rule, series
            )
        if (
            early.union(*(e.others for e in episodes)) == {"latency"}
            and phase.slowest_p95() > NOISY_TTFT_S
        ):
            calm = [e for e in episodes if e.incident != "latency"]
            if all(e.scrapes is not None for e in calm):
                return undecided(
                    f"{message} But the probe saw slow answers, too.", measured, rule, series
                )
        advice = broken[0] if broken else ADVICE
        return failed(message, measured, rule, advice, series=series, data=data)


def all_slow(phase: Phase, marks: Sequence[Mark]) -> bool:
    """Whether the machine slowed the requests that a slow model should have left alone.

    The model's ledger tells how many it slowed: by luck that may be half of those that a short
    incident meets. Quick is what the quicker quarter takes while nothing is wrong: a service that
    is always slow is no slow machine.
    """
    first = [
        (due, t)
        for due, t in zip(phase.samples.due, phase.samples.ttft_s, strict=True)
        if math.isfinite(t)
    ]
    slow = [(mark.start_s, mark.end_s) for mark in marks if mark.text == FAULTS["latency"][0]]
    times = sorted(t for due, t in first if within(due, slow))
    if not times:
        return False
    slowed = sum(row["fault"] == "slow" for row in phase.calls)
    untouched = statistics.fmean(
        times[: max(len(times) - slowed, math.ceil(LEAST_UNTOUCHED * len(times)))]
    )
    calm = [
        t for due, t in first if not within(due, [(mark.start_s, mark.end_s) for mark in marks])
    ]
    return untouched > max(TOUCHED_TTFT_S, TIMES_QUICK * percentile(calm, 25) if calm else 0.0)


def within(at_s: float, spans: Sequence[tuple[float, float]]) -> bool:
    return any(start <= at_s <= end for start, end in spans)


def sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


ADVICE = (
    "One alert for each incident, with the label incident, as a ratio over a window of some five "
    "seconds: the share "
    "of errors, the p95 of the time to the first token (a mean hides a slow quarter), the share of "
    "abstentions, the "
    "billed tokens of an answer. Short windows speak soon and rest soon."
)
QUIET_ADVICE = {
    "errors": "One failed request is no incident: alert on the share of requests that fail.",
    "latency": "A burst makes some wait: alert on the p95 of the first token over some seconds, at the brief's bound.",
    "quality": "One question without an answer is no incident: alert on the share of them.",
    "cost": "One answer that bills much is no incident: alert on the billed tokens of an answer on average.",
}
OTHER_ADVICE = "Alert on shares, not on numbers: a burst raises every number."
ENOUGH_ADVICE = "Let a rule speak only when there are enough requests to take a share of."
