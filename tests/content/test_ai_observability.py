"""The checks of ai-observability against a small assistant: whole, and with flaws."""

from __future__ import annotations

import asyncio
import base64
import importlib
import json
import time
import types
from collections.abc import Iterator
from typing import Any

import pytest
from labkit import check_of, lab_checks, measured
from observability_kit import REQUESTS, SLOW_S, Counts, SmallAssistant, World, world

from grader.checks.once import Once
from grader.result import Measurement, Outcome

CHECKS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "logs": ("logs", "Logs", {}),
    "counters": ("counters", "Counters", {}),
    "ended-early": ("departed", "Counted", {}),
    "early-traces": ("departed", "Traced", {"within_s": 0.5}),
    "first-token": ("counters", "FirstToken", {}),
    "traces": ("traces", "Traces", {"within_s": 0.5}),
    "decoys": ("alerts", "Decoys", {}),
    "series": ("series", "ActiveSeries", {"users": 30, "rate": 100.0}),
    "incidents": (
        "alerts",
        "Incidents",
        {"rate": 60, "scrapes": 18, "rest": 18, "clean_s": 0.4, "pause_s": 0.2},
    ),
}


def lab(name: str) -> Any:
    return importlib.import_module(f"lab_checks.{name}")


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ten scrapes a second and stretches to match."""
    with lab_checks("ai-observability"):
        quiet, alerts, logs, watch, departed = map(
            lab, ("quiet", "alerts", "logs", "watch", "departed")
        )
        monkeypatch.setattr(watch, "LOOK_S", 0.03)
        monkeypatch.setattr(quiet, "STAGES", ((50.0, 1.1), (90.0, 0.2)))
        monkeypatch.setattr(quiet, "CLEAN", 12)
        monkeypatch.setattr(logs, "WITHIN_S", 0.3)
        monkeypatch.setattr(logs, "SPANS_WITHIN_S", 0.3)
        monkeypatch.setattr(departed, "NOTICED_S", 1.0)
        monkeypatch.setattr(alerts, "LINGER_S", 0.3)
        yield


async def judge(ctx: World, name: str) -> Measurement:
    """One check; what a busy machine left undecided is measured again, as the probe does it."""
    module, cls, params = CHECKS[name]
    check = check_of("ai-observability", f"{module}.{cls}", **params)
    for _ in range(3):
        found = await measured(check, ctx)
        if found.outcome is not Outcome.INCONCLUSIVE:
            break
    return found


async def verdicts(kind: type[SmallAssistant], names: list[str]) -> dict[str, tuple[Outcome, str]]:
    async with world(kind) as ctx:
        found = {name: await judge(ctx, name) for name in names}
    return {name: (one.outcome, one.message) for name, one in found.items()}


async def test_a_good_assistant_passes_everything() -> None:
    found = await verdicts(SmallAssistant, list(CHECKS))
    assert {
        name for name, (outcome, _) in found.items() if outcome is not Outcome.PASSED
    } == set(), found


class Careless(SmallAssistant):
    """Users as labels, a trace of its own, prompts in the log, errors uncounted, an alert for every
    error.
    """

    def measure(self, user: str, outcome: str, ttft_s: float, usage: dict[str, int]) -> None:
        self.users.add(user)
        self.counts["own", "errors"] += outcome == "error"
        if outcome != "error":
            super().measure(user, outcome, ttft_s / 8, usage)

    def trace(self, trace: str, parent: str, spans: tuple[str, str], began: float) -> None:
        super().trace(trace, "", spans, began)

    def line(self, trace: str, outcome: str, question: str) -> str:
        return json.dumps({"trace_id": trace, "asked": question})

    def series(self) -> int:
        return len(self.counts) + len(self.users)

    def alerts(self, grown: Counts) -> set[str]:
        return {"errors"} if grown["own", "errors"] else set()


async def test_each_carelessness_is_found_where_it_is() -> None:
    found = await verdicts(Careless, [name for name in CHECKS if name != "incidents"])
    assert {outcome for outcome, _ in found.values()} == {Outcome.FAILED}, found
    said = {name: message for name, (_, message) in found.items()}
    assert 'outcome="error"} grew by 0' in said["counters"]
    assert "The histogram puts p" in said["first-token"]
    assert "to a root of its own" in said["traces"]
    assert "errors fired" in said["decoys"]
    assert "with 30" in said["series"]
    assert "holds what a user asked" in said["logs"]


class CarelessNowAndThen(SmallAssistant):
    """Looks right as long as requests are answered: no trace of those that fail, words of those
    without an answer.
    """

    traces_failures = False

    def line(self, trace: str, outcome: str, question: str) -> str:
        return json.dumps(
            {"trace_id": trace, **({"asked": question} if outcome == "abstained" else {})}
        )


class CountsRefused(SmallAssistant):
    outcome = "error"

    def refuse(self) -> None:
        self.counts[REQUESTS, self.outcome] += 1


class CountsRefusedApart(CountsRefused):
    outcome = "refused"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (CountsRefused, 'outcome="error"} grew by'),
        (CountsRefusedApart, "the brief doesn't know: 'refused'"),
    ],
)
async def test_refused_requests_are_not_counted(kind: type[CountsRefused], said: str) -> None:
    outcome, message = (await verdicts(kind, ["counters"]))["counters"]
    assert outcome is Outcome.FAILED
    assert said in message


async def test_carelessness_with_a_few_requests_is_found() -> None:
    found = await verdicts(CarelessNowAndThen, ["logs", "counters", "traces"])
    assert [outcome for outcome, _ in found.values()] == [
        Outcome.FAILED,
        Outcome.PASSED,
        Outcome.FAILED,
    ], found
    assert "holds what a user asked" in found["logs"][1]
    assert "no span of trace" in found["traces"][1]


class Telling(SmallAssistant):
    """Tells what users ask where few people look, or so that few people can read it."""

    place = ""

    def line(self, trace: str, outcome: str, question: str) -> str:
        told = {
            "beginning": question[:20],
            "middle": question[30:90],
            "base64": base64.b64encode(b"asked:" + question.encode()).decode(),
            "hex": question.encode().hex(),
            "backwards": question[::-1],
            "of users who left": question
            if outcome == "error" and self.model_failed is False
            else "",
        }
        return json.dumps({"trace_id": trace, "asked": told.get(self.place, "")})

    model_failed: bool | None = None

    def user_left(self, user: str, question: str, trace: str) -> None:
        self.model_failed = False
        super().user_left(user, question, trace)
        self.model_failed = None

    def asked(self, question: str) -> None:
        if self.place == "spans":
            self.store.hear(b"\x0a\x22" + question.upper().encode())
        self.last = question

    def metrics(self) -> str:
        return f'questions_total{{q="{self.last}"}} 1\n' if self.place == "metrics" else ""


@pytest.mark.parametrize(
    "place",
    ["beginning", "middle", "base64", "hex", "backwards", "of users who left", "spans", "metrics"],
)
async def test_no_word_of_a_question_is_told_anywhere(place: str) -> None:
    kind = type("TellsThere", (Telling,), {"place": place})
    outcome, message = (await verdicts(kind, ["logs"]))["logs"]
    assert outcome is Outcome.FAILED, message
    assert "what a user asked" in message


class ForgetsWhoLeft(SmallAssistant):
    def user_left(self, user: str, question: str, trace: str) -> None:
        """Nothing: the code that counts stands behind the last piece."""


class CallsItAnswered(SmallAssistant):
    def user_left(self, user: str, question: str, trace: str) -> None:
        self.measure(user, "answered", 0, {})
        self.log.append(self.line(trace, "answered", question))


async def test_users_who_go_away_are_counted_and_logged() -> None:
    found = await verdicts(ForgetsWhoLeft, ["logs", "ended-early", "early-traces"])
    assert [outcome for outcome, _ in found.values()] == [
        Outcome.FAILED,
        Outcome.FAILED,
        Outcome.PASSED,
    ], found
    assert "left no line with their trace_id" in found["logs"][1]
    assert "error should have grown by 8" in found["ended-early"][1]
    outcome, message = (await verdicts(CallsItAnswered, ["ended-early"]))["ended-early"]
    assert outcome is Outcome.FAILED
    assert "answered by 4" in message


class LeavesSpansOpen(SmallAssistant):
    """The second hop's span ends only behind the last piece."""

    def trace(self, trace: str, parent: str, spans: tuple[str, str], began: float) -> None:
        if time.time() - began > SLOW_S:
            spans = (spans[0], "")
        super().trace(trace, parent, spans, began)


async def test_requests_that_end_early_leave_whole_traces() -> None:
    outcome, message = (await verdicts(LeavesSpansOpen, ["early-traces"]))["early-traces"]
    assert outcome is Outcome.FAILED
    assert "4 left no whole trace" in message


def histogram(times: list[float]) -> dict[str, float]:
    bounds = [*lab("counters").BOUNDS, float("inf")]
    return {f"{bound:g}": float(sum(t <= bound for t in times)) for bound in bounds}


@pytest.mark.parametrize(
    ("seen", "observed", "outcome"),
    [
        (1.1, 0.0, Outcome.PASSED),  # the probe sees what is on the way as well
        (1.0, 0.1, Outcome.FAILED),  # the whole answer, 0.1 s later
        (2.0, 0.0, Outcome.FAILED),
    ],
)
async def test_the_median_tells_when_a_busy_machine_stretches_the_tail(
    seen: float, observed: float, outcome: Outcome
) -> None:
    """First tokens after 0.05 s, one in eight after 0.17 s: there, 0.1 s more are the next
    bucket.
    """
    times = [0.05] * 70 + [0.17] * 10
    samples = types.SimpleNamespace(client_was_late=lambda: False)
    phase = types.SimpleNamespace(ttft_s=[seen * t for t in times], samples=samples)
    grown = histogram([t + observed for t in times])
    stretch = types.SimpleNamespace(phase=phase, grown=lambda _: grown)
    run = Once()
    run.shared["quiet"] = stretch
    found = await measured(check_of("ai-observability", "counters.FirstToken"), run)
    assert found.outcome is outcome, found.message


class BadPager(SmallAssistant):
    """Never sees errors, calls abstentions cost as well, and can't stop once it spoke of
    latency.
    """

    stuck = False

    def alerts(self, grown: Counts) -> set[str]:
        found = super().alerts(grown) - {"errors"}
        self.stuck |= "latency" in found
        return (
            found
            | ({"latency"} if self.stuck else set())
            | ({"cost"} if "quality" in found else set())
        )


async def test_alerts_must_come_name_one_thing_and_rest() -> None:
    found = await verdicts(BadPager, ["incidents"])
    outcome, message = found["incidents"]
    assert outcome is Outcome.FAILED
    said = message.lower()
    assert "errors: no alert within 18 scrapes" in said
    assert "quality: alerts named cost" in said
    assert "latency: the alert still fired 18 scrapes after the end" in said


class Recovers(SmallAssistant):
    """For a second an alert still speaks of what an earlier criterion did."""

    began = 0.0

    def alerts(self, grown: Counts) -> set[str]:
        self.began = self.began or time.monotonic()
        return super().alerts(grown) | ({"latency"} if time.monotonic() < self.began + 1 else set())


async def test_an_alert_about_what_came_before_has_time_to_rest() -> None:
    for name in ("decoys", "incidents"):
        outcome, message = (await verdicts(Recovers, [name]))[name]
        assert outcome is Outcome.PASSED, message


class Silent(SmallAssistant):
    def rules(self) -> str:
        return json.dumps(["errors"])


async def test_silence_counts_only_where_rules_could_speak() -> None:
    outcome, message = (await verdicts(Silent, ["decoys"]))["decoys"]
    assert outcome is Outcome.FAILED
    assert "latency, quality, cost" in message


async def test_metrics_that_cannot_be_scraped_are_the_learners_matter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def never(_watch: Any, _scrapes: int) -> bool:
        return False

    monkeypatch.setattr(lab("watch").Watch, "after_scrapes", never)
    async with world() as ctx:
        await asyncio.sleep(0.6)
        for scrapable, outcome in ((True, Outcome.INCONCLUSIVE), (False, Outcome.FAILED)):
            monkeypatch.setattr(SmallAssistant, "scrapable", scrapable)
            assert (await judge(ctx, "counters")).outcome is outcome
            assert (await judge(ctx, "traces")).outcome is outcome
