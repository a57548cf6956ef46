"""The parts of ai-observability's checks by themselves: what a log, a trace, an answer must be."""

from __future__ import annotations

import importlib
import math
from array import array
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from labkit import check_of, lab_checks
from observability_kit import BUCKETS, REQUESTS, TOKENS, World

from grader.result import Mark


def lab(name: str) -> Any:
    return importlib.import_module(f"lab_checks.{name}")


def incidents() -> Any:
    return check_of("ai-observability", "alerts.Incidents")


@pytest.fixture(autouse=True)
def checks() -> Iterator[None]:
    with lab_checks("ai-observability"):
        yield


def test_a_machine_that_slows_everybody_is_told_from_a_slow_model() -> None:
    alerts, mark = (
        lab("alerts"),
        {"text": lab("alerts").FAULTS["latency"][0], "start_s": 1.0, "end_s": 3.0},
    )

    def all_slow(quick_s: float, marks: list[Mark], calm_s: float = 0.04, every: int = 4) -> bool:
        due = array("d", (n / 10 for n in range(50)))
        hit = [1 <= at <= 3 and n % every == 0 for n, at in enumerate(due)]
        times = [
            calm_s if not 1 <= at <= 3 else 0.5 if hit[n] else quick_s for n, at in enumerate(due)
        ]
        samples = SimpleNamespace(due=due, ttft_s=array("d", [*times[:-1], math.inf]))
        phase: Any = SimpleNamespace(
            samples=samples, calls=[{"fault": "slow" if slowed else ""} for slowed in hit]
        )
        found: bool = alerts.all_slow(phase, marks)
        return found

    slow = [Mark.model_validate(mark), Mark(start_s=3.0, end_s=5.0, text="the model fails")]
    assert not all_slow(0.05, slow)
    assert all_slow(0.2, slow)
    assert not all_slow(0.2, slow, calm_s=0.15), (
        "a service that is always slow is no machine that was"
    )
    assert not all_slow(0.2, [])
    assert not all_slow(0.05, slow, every=2), (
        "the model may happen to slow every other request of a short incident"
    )
    assert all_slow(0.2, slow, every=2)


COURSES = [
    ("110000000", 2),
    ("1011000000", 4),
    ("1011110111000", 10),
    ("1" * 20, None),
    ("10" * 10, None),
]
"""(whether an alert fires, one digit a scrape; the scrape from which it is silent to stay)"""


def course(monkeypatch: pytest.MonkeyPatch, fires: str) -> Any:
    """A watch that sees the cost alert go so."""
    monkeypatch.setattr(lab("watch"), "LOOK_S", 0.0)

    class Course(lab("watch").Watch):
        now = -1

        async def firing(self) -> set[str]:
            self.now += 1
            return {"cost"} if fires[self.now : self.now + 1] == "1" else set()

        async def scrapes_since(self, _: float, *, good: bool = False) -> int:
            return self.now

    return Course(None)


@pytest.mark.parametrize(("fires", "rest"), COURSES)
async def test_an_alert_that_hovers_is_silent_when_it_stays_so(
    fires: str, rest: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    alerts = lab("alerts")
    check, episode = incidents(), alerts.Episode("cost")
    await check._rests(course(monkeypatch, fires), episode)
    assert (episode.rest, episode.starved) == (rest, False)


@pytest.mark.parametrize(("fires", "rest"), COURSES)
async def test_a_stretch_begins_when_nothing_fires_to_stay(
    fires: str, rest: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = course(monkeypatch, fires)
    assert await watch.rested(15) == ({"cost"} if rest is None else set())
    assert rest is None or watch.now >= rest + lab("watch").LASTING


async def test_without_scrapes_nobody_is_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    alerts, watch = lab("alerts"), course(monkeypatch, "")
    monkeypatch.setattr(lab("watch"), "PATIENCE", 0.001)
    monkeypatch.setattr(type(watch), "now", property(lambda _: 0, lambda _, __: None))
    check, episode = incidents(), alerts.Episode("cost")
    await check._named(watch, episode)
    assert (episode.scrapes, episode.starved) == (None, True)


@pytest.mark.parametrize(("fires", "scrapes"), [("0" * 8 + "1", 8), ("0" * 9 + "1", None)])
async def test_an_alert_must_name_its_incident_in_time(
    fires: str, scrapes: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    alerts, episode = lab("alerts"), lab("alerts").Episode("cost")
    await incidents()._named(course(monkeypatch, fires), episode)
    assert (episode.scrapes, episode.starved) == (scrapes, False)
    other = alerts.Episode("errors")
    await incidents()._named(course(monkeypatch, fires), other)
    assert (other.scrapes, other.others) == (None, {"cost"}), (
        "an alert about something else is noticed as well"
    )


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
            faults = [
                k for k, place in zip(kinds, at, strict=True) if window <= place < window + 70
            ]
            assert max((faults.count(kind) for kind in ("500", "abstain")), default=0) <= 5
    assert set(world_.INCIDENTS) == set(lab("alerts").FAULTS)


class SeedOnly:
    def __init__(self, seed: int) -> None:
        self.seed = str(seed)


def test_buckets_and_labels_that_are_no_numbers() -> None:
    counters = lab("counters")
    assert counters.by_bound({"0.02": 1, "+Inf": 2, "soon": 3, "": 4}) == {0.02: 1, float("inf"): 2}
    assert [counters.bucket_of(s) for s in (0.001, 0.02, 0.0201, 99)] == [
        0,
        0,
        1,
        len(counters.BOUNDS),
    ]
    assert counters.between(0) == "between 0 and 0.02 s"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"trace_id": "t1"}\n{"trace_id": "t2"}\n', ""),
        ('{"trace_id": "t1"}\n', "1 of 2 requests left no line"),
        ('{"trace_id": "t1"}\nstarted\n{"trace_id": "t2"}', "not a JSON object: 'started'"),
        ('{"trace_id": "t1"}\n{"trace_id": "t2", "x": "about KWZZ"}', "holds what a user asked"),
        ('{"trace_id": ["t1"]}\n7\n', "not a JSON object"),
        ('{"trace_id": "t1"}\n{"trace_id": "t2", "x": "zzwK"}', "holds what a user asked"),
        ('{"trace_id": "t1"}\n{"trace_id": "t2", "x": "6b777A7a"}', "holds what a user asked"),
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
        ([API, GENERATE, [C, "9" * 16, "api", "", 5, 6]], B, "names the parent 9999"),
        ([API, GENERATE, [C, "", "api", "", 5, 6]], B, "names the parent none"),
        ([API, GENERATE, [C, "p" * 16, "api", "", 5, 6]], B, ""),
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
    rows = [
        {"traceparent": text}
        for text in ("", "x", f"00-{'a' * 32}-{B}-01", f"00-{'a' * 32}-{C}-00")
    ]
    phase = world_.Phase(world_.Traffic(World.rng(SeedOnly(1), "x"), 1), None, 0, 1, rows)
    assert lab("traces").called_by(phase) == {"a" * 32: {B, C}}


def test_names_of_the_kit_are_those_of_the_lab() -> None:
    quiet = lab("quiet")
    assert (quiet.REQUESTS, quiet.TOKENS, quiet.TTFT) == (REQUESTS, TOKENS, BUCKETS)
