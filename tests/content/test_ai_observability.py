"""The checks of ai-observability against a small assistant: whole, and with flaws."""

from __future__ import annotations

import asyncio
import importlib
import json
import math
import time
import types
from array import array
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from labkit import lab_checks
from observability_kit import BUCKETS, REQUESTS, TOKENS, Counts, SmallAssistant, World, world

from grader.result import Mark, Measurement, Outcome

CHECKS = {
    "logs": ("logs", "Logs", {}),
    "counters": ("counters", "Counters", {}),
    "first-token": ("counters", "FirstToken", {}),
    "traces": ("traces", "Traces", {"within_s": 0.5}),
    "decoys": ("alerts", "Decoys", {}),
    "series": ("series", "ActiveSeries", {"users": 30, "rate": 100.0}),
    "incidents": ("alerts", "Incidents", {"rate": 60, "scrapes": 12, "rest": 12, "clean_s": 0.4, "pause_s": 0.2}),
}


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ten scrapes a second and stretches to match."""
    with lab_checks("ai-observability"):
        quiet, alerts, logs, watch = map(lab, ("quiet", "alerts", "logs", "watch"))
        monkeypatch.setattr(watch, "LOOK_S", 0.03)
        monkeypatch.setattr(quiet, "STAGES", ((50.0, 1.1), (90.0, 0.2)))
        monkeypatch.setattr(quiet, "CLEAN", 12)
        monkeypatch.setattr(logs, "WITHIN_S", 0.3)
        monkeypatch.setattr(alerts, "POLL_S", 0.03)
        monkeypatch.setattr(alerts, "LINGER_S", 0.3)
        yield


async def judge(ctx: World, name: str) -> Measurement:
    """One check; what a busy machine left undecided is measured again, as the probe does it."""
    module, cls, params = CHECKS[name]
    check = getattr(lab(module), cls)
    for _ in range(3):
        found: Measurement = await check(check.params_model.model_validate(params)).run(ctx)
        if found.outcome is not Outcome.INCONCLUSIVE:
            break
    return found


async def verdicts(kind: type[SmallAssistant], names: list[str]) -> dict[str, tuple[Outcome, str]]:
    async with world(kind) as ctx:
        found = {name: await judge(ctx, name) for name in names}
    return {name: (one.outcome, one.message) for name, one in found.items()}


async def test_a_good_assistant_passes_everything() -> None:
    found = await verdicts(SmallAssistant, list(CHECKS))
    assert {name for name, (outcome, _) in found.items() if outcome is not Outcome.PASSED} == set(), found


class Careless(SmallAssistant):
    """Users as labels, a trace of its own, prompts in the log, errors uncounted, an alert for every error."""

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
    """Looks right as long as requests are answered: no trace of those that fail, words of those without an answer."""

    traces_failures = False

    def line(self, trace: str, outcome: str, question: str) -> str:
        return json.dumps({"trace_id": trace, **({"asked": question} if outcome == "abstained" else {})})


async def test_carelessness_with_a_few_requests_is_found() -> None:
    found = await verdicts(CarelessNowAndThen, ["logs", "counters", "traces"])
    assert [outcome for outcome, _ in found.values()] == [Outcome.FAILED, Outcome.PASSED, Outcome.FAILED], found
    assert "holds what a user asked" in found["logs"][1]
    assert "no span of trace" in found["traces"][1]


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
    """First tokens after 0.05 s, one in eight after 0.17 s: there, 0.1 s more are the next bucket."""
    times = [0.05] * 70 + [0.17] * 10
    samples = types.SimpleNamespace(client_was_late=lambda: False)
    phase = types.SimpleNamespace(ttft_s=[seen * t for t in times], samples=samples)
    grown = histogram([t + observed for t in times])
    stretch = types.SimpleNamespace(phase=phase, grown=lambda _: grown)
    check = lab("counters").FirstToken
    found = await check(check.params_model()).run(types.SimpleNamespace(shared={"quiet": stretch}))
    assert found.outcome is outcome, found.message


class BadPager(SmallAssistant):
    """Never sees errors, calls abstentions cost as well, and can't stop once it spoke of latency."""

    stuck = False

    def alerts(self, grown: Counts) -> set[str]:
        found = super().alerts(grown) - {"errors"}
        self.stuck |= "latency" in found
        return found | ({"latency"} if self.stuck else set()) | ({"cost"} if "quality" in found else set())


async def test_alerts_must_come_name_one_thing_and_rest() -> None:
    found = await verdicts(BadPager, ["incidents"])
    outcome, message = found["incidents"]
    assert outcome is Outcome.FAILED
    said = message.lower()
    assert "errors: no alert within 12 scrapes" in said
    assert "quality: alerts named cost" in said
    assert "latency: the alert still fired 12 scrapes after the end" in said


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


def test_a_machine_that_slows_everybody_is_told_from_a_slow_model() -> None:
    alerts, mark = lab("alerts"), {"text": lab("alerts").FAULTS["latency"][0], "start_s": 1.0, "end_s": 3.0}

    def untouched_s(quick_s: float, marks: list[Mark]) -> float:
        due = array("d", (n / 10 for n in range(50)))
        times = [9.0 if not 1 <= at <= 3 else 0.5 if n % 4 == 0 else quick_s for n, at in enumerate(due)]
        phase: Any = SimpleNamespace(samples=SimpleNamespace(due=due, ttft_s=array("d", [*times[:-1], math.inf])))
        found: float = alerts.untouched_s(phase, marks)
        return found

    slow = [Mark.model_validate(mark), Mark(start_s=3.0, end_s=5.0, text="the model fails")]
    assert untouched_s(0.05, slow) == pytest.approx(0.05)
    assert untouched_s(0.05, slow) < alerts.TOUCHED_TTFT_S < untouched_s(0.2, slow)
    assert untouched_s(0.05, []) == 0


class Silent(SmallAssistant):
    def rules(self) -> str:
        return json.dumps(["errors"])


async def test_silence_counts_only_where_rules_could_speak() -> None:
    outcome, message = (await verdicts(Silent, ["decoys"]))["decoys"]
    assert outcome is Outcome.FAILED
    assert "latency, quality, cost" in message


async def test_metrics_that_cannot_be_scraped_are_the_learners_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(_: Any) -> None:
        return None

    for module in ("counters", "traces"):
        monkeypatch.setattr(lab(module), "quiet", nothing)
    async with world() as ctx:
        await asyncio.sleep(0.6)
        for scrapable, outcome in ((True, Outcome.INCONCLUSIVE), (False, Outcome.FAILED)):
            monkeypatch.setattr(SmallAssistant, "scrapable", scrapable)
            assert (await judge(ctx, "counters")).outcome is outcome
            assert (await judge(ctx, "traces")).outcome is outcome


# -- the parts by themselves


def lab(name: str) -> Any:
    return importlib.import_module(f"lab_checks.{name}")


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, b'data: {"token": "a"}\n\ndata: {"done": true, "abstained": false}\n\n', "answered"),
        (
            200,
            b'data: {"token": "a"}\r\n\r\ndata: {"done": true, "abstained": true}\r\n\r\ndata: [DONE]\r\n\r\n',
            "abstained",
        ),
        (200, b'data: {"token": "a"}\n\ndata: {"error": {}}\n\n', "error"),
        (502, b"", "error"),
        (200, b'data: {"token": "a"}\n\n', "malformed"),
        (200, b"data: {\n\n", "malformed"),
        (200, b"data: 7\n\n", "malformed"),
        (200, b"", "malformed"),
        (404, b"", "malformed"),
    ],
)
def test_how_a_request_ended(status: int, body: bytes, outcome: str) -> None:
    assert lab("world").outcome_of(status, body)[0] == outcome


def test_harmless_faults_are_single_and_come_late_enough() -> None:
    quiet, world_ = lab("quiet"), lab("world")
    for seed in range(30):
        rules = quiet.harmless(World.rng(SeedOnly(seed), "x"), 276)
        at = [rule["from_index"] for rule in rules]
        assert at == sorted(at)
        assert at[0] >= quiet.CLEAN
        assert all(rule["to_index"] == rule["from_index"] + 1 for rule in rules)
        kinds = [rule["kind"] for rule in rules]
        assert {"500", "abstain", "thinking"} <= set(kinds)
        assert kinds.count("slow") <= 1
        for window in range(0, 276, 35):
            faults = [k for k, place in zip(kinds, at, strict=True) if window <= place < window + 70]
            assert max((faults.count(kind) for kind in ("500", "abstain")), default=0) <= 5
    assert set(world_.INCIDENTS) == set(lab("alerts").FAULTS)


class SeedOnly:
    def __init__(self, seed: int) -> None:
        self.seed = str(seed)


def test_buckets_and_labels_that_are_no_numbers() -> None:
    counters = lab("counters")
    assert counters.by_bound({"0.02": 1, "+Inf": 2, "soon": 3, "": 4}) == {0.02: 1, float("inf"): 2}
    assert [counters.bucket_of(s) for s in (0.001, 0.02, 0.0201, 99)] == [0, 0, 1, len(counters.BOUNDS)]
    assert counters.between(0) == "between 0 and 0.02 s"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"trace_id": "t1"}\n{"trace_id": "t2"}\n', ""),
        ('{"trace_id": "t1"}\n', "1 of 2 requests left no line"),
        ('{"trace_id": "t1"}\nstarted\n{"trace_id": "t2"}', "not a JSON object: 'started'"),
        ('{"trace_id": "t1"}\n{"trace_id": "t2", "x": "about KWZZ"}', "holds what a user asked"),
        ('{"trace_id": ["t1"]}\n7\n', "not a JSON object"),
    ],
)
def test_what_a_log_must_be(text: str, problem: str) -> None:
    turns = [lab("world").Turn(trace, "p", "u", "q") for trace in ("t1", "t2")]
    said, _ = lab("logs").judge(text, turns, ["kwzz"])
    assert problem in said
    assert bool(said) == bool(problem)


A, B, C = "a" * 16, "b" * 16, "c" * 16
API = [A, "p" * 16, "api", "", 5.0, 6.0]
GENERATE = [B, A, "generate", "", 5.1, 5.9]
CALL = [C, B, "generate", "", 5.2, 5.8]


@pytest.mark.parametrize(
    ("spans", "caller", "problem"),
    [
        ([CALL, GENERATE, API], C, ""),
        ([API, GENERATE], B, ""),
        ([], C, "no span"),
        ([API, GENERATE], None, "the model got no traceparent"),
        ([API, GENERATE], C, "did not arrive"),
        ([CALL, API], C, "not to the request's"),
        ([[A, B, "api", "", 5, 6], [B, A, "generate", "", 5, 6]], B, "not to the request's"),
        ([[A, "", "api", "", 5, 6], GENERATE, CALL], C, "a root of its own"),
        ([API, [B, A, "api", "", 5, 6], [C, B, "api", "", 5, 6]], C, "belong to"),
        ([[A, "p" * 16, "generate", "", 5, 6], [B, A, "api", "", 5, 6]], B, "belong to"),
        ([API, [B, A, "generate", "", 1.0, 2.0]], B, "lie outside"),
        ([API, [B, A, "generate", "", 6.0, 5.0]], B, "lie outside"),
    ],
)
def test_what_makes_a_trace_whole(spans: list[list[Any]], caller: str | None, problem: str) -> None:
    world_ = lab("world")
    turn = world_.Turn("t" * 32, "p" * 16, "u", "q", "answered")
    phase = world_.Phase(world_.Traffic(World.rng(SeedOnly(1), "x"), 1), None, 4.9, 6.1)
    said = lab("traces").problem_of(turn, spans, {turn.trace: {caller}} if caller else {}, phase)
    assert problem in said
    assert bool(said) == bool(problem)


def test_contexts_at_the_model_must_be_well_formed() -> None:
    world_ = lab("world")
    rows = [{"traceparent": text} for text in ("", "x", f"00-{'a' * 32}-{B}-01", f"00-{'a' * 32}-{C}-00")]
    phase = world_.Phase(world_.Traffic(World.rng(SeedOnly(1), "x"), 1), None, 0, 1, rows)
    assert lab("traces").called_by(phase) == {"a" * 32: {B, C}}


def test_names_of_the_kit_are_those_of_the_lab() -> None:
    quiet = lab("quiet")
    assert (quiet.REQUESTS, quiet.TOKENS, quiet.TTFT) == (REQUESTS, TOKENS, BUCKETS)
