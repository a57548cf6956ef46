"""The streaming check on streams written by hand: honest, collected first, glued together, and
malformed.
"""

from __future__ import annotations

import asyncio
import json
import random
from types import SimpleNamespace
from typing import Any

import pytest

from grader.checks import find
from grader.checks.streaming import Streaming, StreamingParams, read_stream
from grader.http.response import Response
from grader.result import Measurement, Outcome

CASE = {"path": "/v1/chat/completions", "json": {"stream": True}}


def event(document: Any) -> bytes:
    return (
        b"data: "
        + (document if isinstance(document, str) else json.dumps(document)).encode()
        + b"\n\n"
    )


def streamed(
    times: list[float], total: float, *, tokens: int | None = None, end: str = "[DONE]"
) -> Response:
    response = Response("POST", "/v1/chat/completions", {}, b"", "app", 100.0, 0.0, status=200)
    for at in times:
        response.chunks.append((100.0 + at, event({"choices": [{"delta": {"content": "a "}}]})))
    used = len(times) if tokens is None else tokens
    last = event({"choices": [{"delta": {}}], "usage": {"completion_tokens": used}})
    response.chunks.append((100.0 + total, last + event(end)))
    response.done_at = 100.0 + total
    return response


def judge(*responses: Response, check: type[Streaming] = Streaming) -> Measurement:
    left = list(responses)

    async def request(*_: Any, **__: Any) -> Response:
        return left.pop(0)

    params = StreamingParams.model_validate({"cases": [CASE] * len(responses)})
    context: Any = SimpleNamespace(app=SimpleNamespace(request=request), rng=random.Random)
    return asyncio.run(check(params).run(context))


class Known(Streaming):
    """The model needs 2 s for the answer."""

    needed_by = "the model"

    async def needed_s(self, *_: Any) -> float | str:
        return 2.0


class Wrong(Streaming):
    async def needed_s(self, *_: Any) -> float | str:
        return "the text is another"


EVEN = [0.1 * n for n in range(1, 21)]


def test_it_is_in_the_table() -> None:
    assert find("streaming") is Streaming


def test_tokens_sent_as_they_are_made_pass_with_samples() -> None:
    found = judge(streamed(EVEN, 2.1), streamed(EVEN, 2.1))
    assert found.outcome is Outcome.PASSED
    assert found.measured.value == pytest.approx(0.1 / 2.1)
    assert [len(s.app) for s in found.series] == [2, 38]


def test_an_answer_collected_first_fails() -> None:
    found = judge(streamed([2.0 + n / 1000 for n in range(20)], 2.1))
    assert found.outcome is Outcome.FAILED
    assert found.advice
    assert found.exchange is not None


def test_tokens_glued_together_fail_although_the_first_is_early() -> None:
    glued = sorted(EVEN[::4] * 4)
    assert judge(streamed(glued, 2.1)).outcome is Outcome.FAILED


def test_an_answer_that_is_collected_but_for_its_first_token_fails() -> None:
    late = [0.1, *(2.0 + n / 1000 for n in range(19))]
    assert judge(streamed(late, 2.1)).outcome is Outcome.FAILED


def test_dripping_a_collected_answer_fails_by_the_time_that_it_needed() -> None:
    dripped = [2.0 + 0.25 * n for n in range(20)]
    assert judge(streamed(dripped, 7.0)).outcome is Outcome.PASSED
    found = judge(streamed(dripped, 7.0), check=Known)
    assert found.outcome is Outcome.FAILED
    assert "3.5 times as long as the model needed" in found.message
    assert judge(streamed([0.1, *dripped], 7.0), check=Known).outcome is Outcome.FAILED
    assert judge(streamed(EVEN, 2.1), check=Known).outcome is Outcome.PASSED


def test_what_a_lab_finds_wrong_with_an_answer_fails() -> None:
    found = judge(streamed(EVEN, 2.1), check=Wrong)
    assert found.outcome is Outcome.FAILED
    assert "the text is another" in found.message


def test_pieces_that_hold_no_text_are_not_an_early_first_piece() -> None:
    response = streamed([2.0 + n / 1000 for n in range(20)], 2.1)
    response.chunks.insert(
        0, (100.01, event({"choices": [{"delta": {"role": "assistant", "content": ""}}]}))
    )
    assert read_stream(response, StreamingParams()).arrivals[0] == pytest.approx(2.0)


@pytest.mark.parametrize(
    "broken", [streamed([], 1.0), streamed(EVEN, 2.1, tokens=0), streamed(EVEN, 2.1, end="{}")]
)
def test_a_malformed_stream_fails_with_the_reason(broken: Response) -> None:
    found = judge(broken)
    assert found.outcome is Outcome.FAILED
    assert "event" in found.message


def test_answers_too_short_to_judge_do_not_pass() -> None:
    assert judge(streamed(EVEN[:5], 0.6)).outcome is Outcome.FAILED
