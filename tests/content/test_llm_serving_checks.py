"""The chat lab's checks against services in memory: a right one passes all, each flaw is seen by
its own check.
"""

from __future__ import annotations

import asyncio
import importlib
import math
import time
from collections.abc import Iterator
from typing import Any

import pytest
from labkit import lab_checks
from llm_serving_kit import Baseline, Service, World, judge

from grader.checks.base import PartyFailed
from grader.http.response import Response
from grader.result import Outcome

CHECKS = [
    "limits.Limits",
    "sameness.Greedy",
    "sameness.Twins",
    "sameness.Usage",
    "speed.TokenByToken",
    "speed.Throughput",
    "speed.PrefixTtft",
    "pressure.Overload",
    "hangup.Disconnect",
]


@pytest.fixture(scope="module", autouse=True)
def checks() -> Iterator[None]:
    """The lab's checks, importable as in the probe; clients hang up sooner than on a real
    machine.
    """
    with lab_checks("llm-serving"):
        hangup: Any = importlib.import_module("lab_checks.hangup")
        hangup.HELD_S, hangup.PAUSE_S = 0.05, 0.02
        yield


class OneAtATime(Service):
    slots, waiting = 1, 11


class NoPrefix(Service):
    def prefill(self, chat: Any) -> int:
        return self.prompt_tokens(chat)


class Canned(Service):
    def text(self, chat: Any) -> list[str]:
        return ["So ", "it ", "is "] * (chat["max_tokens"] // 3)


class MixesSequences(Service):
    """Right when alone, wrong when somebody else is served at the same time."""

    def text(self, chat: Any) -> list[str]:
        return super().text(chat)[:: -1 if self.inside > 1 else 1]


class RefusesTheFifth(Service):
    slots, waiting = 4, 0


class CountsWords(Service):
    def usage(self, prompt: int, made: int, chat: Any) -> Any:
        return super().usage(sum(len(m["content"].split()) for m in chat["messages"]), made, chat)


class CountsTheEnd(Service):
    def usage(self, prompt: int, made: int, chat: Any) -> Any:
        return super().usage(prompt, made + 1, chat)


class SaysNothingOfUsage(Service):
    def usage(self, prompt: int, made: int, chat: Any) -> Any:
        return [["not", "usage"]]


class AlwaysStops(Service):
    finish = "stop"


class AtMostSixty(Service):
    """Shorter answers than were asked for, and the truth about them."""

    def text(self, chat: Any) -> list[str]:
        return super().text(chat)[:60]


class SixteenUnlessTold(Service):
    default_tokens = 16


class HundredUnlessTold(Service):
    default_tokens = 100


class SaysOtherThings(Service):
    """Right in JSON only."""

    def text(self, chat: Any) -> list[str]:
        return super().text({**chat, "messages": chat["messages"] * 2} if chat["stream"] else chat)


class Drips(Service):
    """The answer is whole before its first piece is sent; then it takes its time."""

    drip = 2.0


class QueuesAll(Service):
    waiting = 10_000


class NoRetryAfter(Service):
    retry_after = None


class RetryAfterInWords(Service):
    retry_after = "soon"


class FullIs503(Service):
    full_status = 503


class SlowQueue(Service):
    """Refuses a few, and lets the others wait as long as the baseline does."""

    slots, waiting = 1, 29


class GoesOn(Service):
    """Does not notice that a client is gone."""

    async def work(self, response: Response, chat: Any) -> None:
        task = asyncio.ensure_future(super().work(response, chat))
        self.tasks.add(task)
        await asyncio.shield(task)


class WholeGoesOn(GoesOn):
    """Notices it in streams alone."""

    async def work(self, response: Response, chat: Any) -> None:
        await (
            Service.work(self, response, chat) if chat["stream"] else super().work(response, chat)
        )


class OneShort(Service):
    def fits(self, chat: Any) -> bool:
        return super().fits({**chat, "max_tokens": chat["max_tokens"] + 1})


class OneMore(Service):
    def fits(self, chat: Any) -> bool:
        return super().fits({**chat, "max_tokens": chat["max_tokens"] - 1})


class ReadsTheEnd(Service):
    """Takes what it promised, and computes the last thousand tokens of it."""

    def text(self, chat: Any) -> list[str]:
        short = [{**m, "content": m["content"][-6000:]} for m in chat["messages"]]
        return super().text({**chat, "messages": short})


class TakesAnyLength(Service):
    def fits(self, chat: Any) -> bool:
        return self.prompt_tokens(chat) + min(chat["max_tokens"], 512) <= 2048


class LosesSeats(Service):
    def refuse(self, response: Response, status: int) -> Response:
        self.inside += status == 400
        return super().refuse(response, status)


class KnowsByBeginning(Service):
    """Takes a system prompt for another one of the same length that begins alike."""

    def __init__(self) -> None:
        super().__init__()
        self.first: dict[Any, Any] = {}

    def text(self, chat: Any) -> list[str]:
        known = [
            self.first.setdefault((m["content"][:200], len(m["content"].split())), m)
            if m["role"] == "system"
            else m
            for m in chat["messages"]
        ]
        return super().text({**chat, "messages": known})


class Strips(Service):
    def prompt_tokens(self, chat: Any) -> int:
        return super().prompt_tokens(
            {"messages": [{"content": m["content"].strip()} for m in chat["messages"]]}
        )


class Folds(Service):
    def prompt_tokens(self, chat: Any) -> int:
        return super().prompt_tokens(
            {"messages": [{"content": " ".join(m["content"].split())} for m in chat["messages"]]}
        )


class EarlyUsage(Service):
    def ends(self, usage: Any) -> list[Any]:
        return [
            {"choices": [], "usage": usage},
            {"choices": [{"delta": {}, "finish_reason": self.finish}]},
        ]


class UsageAtLast(Service):
    """An event without choices, as others do it."""

    def ends(self, usage: Any) -> list[Any]:
        return list(reversed(EarlyUsage.ends(self, usage)))  # type: ignore[arg-type]


class Boasts(Service):
    """One at a time, and many more tokens claimed and sent than were asked for."""

    slots, waiting = 1, 11

    def text(self, chat: Any) -> list[str]:
        return [token * 20 for token in super().text(chat)]

    def usage(self, prompt: int, made: int, chat: Any) -> Any:
        return super().usage(prompt, made * 20, chat)


class Broken(Service):
    async def work(self, response: Response, chat: Any) -> None:
        response.status, response.done_at = 500, time.perf_counter()


class GivesGarbage(Service):
    async def work(self, response: Response, chat: Any) -> None:
        response.status, response.done_at = 200, time.perf_counter()
        response.chunks.append(
            (response.done_at, b'data: [[1]]\n\ndata: {"choices": {"0": []}}\n\n')
        )


@pytest.mark.parametrize("check", CHECKS)
async def test_a_right_service_passes(check: str) -> None:
    result = await judge(check, Service)
    assert result.outcome is Outcome.PASSED, result.message


@pytest.mark.parametrize(
    ("check", "service"),
    [
        ("sameness.Greedy", Canned),
        ("sameness.Greedy", MixesSequences),
        ("sameness.Greedy", RefusesTheFifth),
        ("sameness.Usage", CountsWords),
        ("sameness.Usage", CountsTheEnd),
        ("sameness.Usage", SaysNothingOfUsage),
        ("sameness.Usage", AlwaysStops),
        ("speed.TokenByToken", AtMostSixty),
        ("speed.TokenByToken", SixteenUnlessTold),
        ("speed.TokenByToken", HundredUnlessTold),
        ("speed.TokenByToken", SaysOtherThings),
        ("speed.TokenByToken", Drips),
        ("speed.Throughput", OneAtATime),
        ("speed.Throughput", Boasts),
        ("speed.Throughput", RefusesTheFifth),
        ("speed.PrefixTtft", NoPrefix),
        ("pressure.Overload", QueuesAll),
        ("pressure.Overload", NoRetryAfter),
        ("pressure.Overload", RetryAfterInWords),
        ("pressure.Overload", FullIs503),
        ("pressure.Overload", RefusesTheFifth),
        ("pressure.Overload", SlowQueue),
        ("hangup.Disconnect", GoesOn),
        ("hangup.Disconnect", WholeGoesOn),
        ("limits.Limits", OneShort),
        ("limits.Limits", OneMore),
        ("limits.Limits", TakesAnyLength),
        ("limits.Limits", ReadsTheEnd),
        ("limits.Limits", LosesSeats),
        ("sameness.Twins", KnowsByBeginning),
        ("sameness.Usage", Strips),
        ("sameness.Usage", Folds),
        ("sameness.Usage", EarlyUsage),
        *((check, Broken) for check in CHECKS),
        *((check, GivesGarbage) for check in CHECKS),
    ],
)
async def test_a_flaw_fails_with_advice_and_an_exchange(check: str, service: type[Service]) -> None:
    result = await judge(check, service)
    assert result.outcome is Outcome.FAILED, result.message
    assert result.message
    assert result.advice
    assert result.exchange is not None


@pytest.mark.parametrize(
    ("check", "service"),
    [
        ("sameness.Usage", OneAtATime),
        ("sameness.Usage", UsageAtLast),
        ("sameness.Twins", Canned),
        ("limits.Limits", Canned),
        ("sameness.Greedy", CountsWords),
        ("sameness.Usage", Canned),
        ("speed.TokenByToken", OneAtATime),
        ("speed.TokenByToken", AlwaysStops),
        ("speed.Throughput", NoPrefix),
        ("speed.PrefixTtft", OneAtATime),
        ("hangup.Disconnect", NoPrefix),
    ],
)
async def test_a_flaw_costs_no_other_criterion(check: str, service: type[Service]) -> None:
    assert (await judge(check, service)).outcome is Outcome.PASSED


async def test_a_failing_baseline_is_nobody_elses_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Baseline, "work", Broken.work)
    with pytest.raises(PartyFailed, match="baseline"):
        await judge("sameness.Usage", Service)


@pytest.mark.parametrize(
    ("ratios", "outcome"),
    [
        ([1.0] * 5, Outcome.PASSED),
        ([1.0] * 4 + [3.0], None),
        ([1.0] * 9 + [3.0], Outcome.PASSED),
        ([1.0] * 8 + [3.0] * 2, None),
        ([3.0] + [1.0] * 19, Outcome.PASSED),
        ([3.0] * 5, None),  # a busy machine can do that
        ([3.0] * 14, Outcome.FAILED),
        ([5.0] * 5, Outcome.FAILED),
        ([5.0] * 4 + [1.0], None),
        ([1.0, 3.0] * 14, None),
    ],
)
def test_rounds_of_clients_that_hung_up(ratios: list[float], outcome: Outcome | None) -> None:
    hangup: Any = importlib.import_module("lab_checks.hangup")
    assert hangup.judged([math.log(ratio) for ratio in ratios]) is outcome


class Disturbed(Service):
    """Right, on a machine that takes ten times as long every third time."""

    asked = 0

    async def answer(self, response: Response, chat: Any) -> None:
        self.asked += 1
        await asyncio.sleep(0 if self.asked % 3 else 0.03)
        await super().answer(response, chat)


async def test_a_disturbed_machine_is_no_failure() -> None:
    assert (await judge("hangup.Disconnect", Disturbed)).outcome is not Outcome.FAILED


def test_hidden_data_depends_on_the_seed_and_on_nothing_else() -> None:
    prompts = importlib.import_module("lab_checks.prompts")
    first, again, other = (World(Service, seed) for seed in ("1", "1", "2"))
    for make in (prompts.contract, prompts.streams):
        assert make(first) == make(again)
    texts = [
        {
            m["content"]
            for talk in prompts.conversations(w.rng("x"), 40)
            for m in talk
            if m["role"] != "assistant"
        }
        for w in (first, other)
    ]
    assert len(texts[0]) > 40
    assert len(texts[0] & texts[1]) <= 1  # the follow-up question of longer talks is fixed
    assert prompts.policy(first.rng("p"), 22) != prompts.policy(other.rng("p"), 22)


@pytest.mark.parametrize(
    ("mine", "right", "steps", "same"),
    [
        ("one two", "one two", [], True),
        ("one three", "one two", [(4, 2.0), (7, 0.01)], True),
        ("one three", "one two", [(4, 0.01), (7, 2.0)], False),
        ("one", "one two", [(3, 2.0), (7, 0.01)], True),
        ("one two three", "one two", [(4, 2.0), (7, 2.0), (7, 0.01)], True),
        ("", "one two", [(4, 2.0), (7, 0.01)], False),
        ("one three", "one two", [], False),
        ("one tw", "one tw\ufffd", [(4, 2.0), (7, 2.0)], True),
        ("one t\ufffd\ufffd", "one two", [(4, 2.0), (7, 2.0)], False),
    ],
)
def test_only_a_near_tie_forgives_another_text(
    mine: str, right: str, steps: Any, same: bool
) -> None:
    chats = importlib.import_module("lab_checks.chats")
    response = Response("POST", "/", {}, b"", "app", 0.0, 0.0)
    answers = [
        chats.Answer(text, 0.0, {"steps": steps}, "stop", response) for text in (mine, right)
    ]
    assert chats.agrees(*answers) is same
