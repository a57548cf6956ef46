"""The ledger, the fault schedule, seeded delays, and the control lines."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from functools import partial
from typing import Any

import pytest
from gateway_kit import gateway
from pydantic import ValidationError

from grader.engines.docker.channel import MAX_LINE
from grader.lab import Sidecar
from grader.sidecars import KINDS
from grader.sidecars.base import config_of
from grader.sidecars.model_gateway.control import obey
from grader.sidecars.model_gateway.faults import FaultRule, Schedule
from grader.sidecars.model_gateway.kind import GatewayConfig
from grader.sidecars.model_gateway.ledger import KEPT, PAGE, Ledger
from grader.sidecars.model_gateway.seeded import Attempts, delays
from grader.sidecars.stdio import reply_to
from grader.wire.sidecar import CommandReply, SidecarStart


def fates(seed: str, rules: list[FaultRule], n: int = 2000) -> list[str]:
    schedule = Schedule(seed, rules)
    return [rule.kind if (rule := schedule.next(0.0)) else "" for _ in range(n)]


def test_same_seed_same_faults_and_shares_add_up() -> None:
    rules = [FaultRule(kind="429", share=0.1), FaultRule(kind="500", share=0.2)]
    first = fates("a", rules)
    assert first == fates("a", rules)
    assert first != fates("b", rules)
    counts = Counter(first)
    assert 150 < counts["429"] < 250
    assert 330 < counts["500"] < 470


def test_windows_by_request_and_by_time() -> None:
    assert fates("a", [FaultRule(kind="500", from_index=2, to_index=4)], 6) == [
        "",
        "",
        "500",
        "500",
        "",
        "",
    ]
    schedule = Schedule("a", [FaultRule(kind="hang", from_s=1, to_s=2)], started_at=10.0)
    assert [schedule.next(at) is not None for at in (10.5, 11.0, 11.9, 12.0)] == [
        False,
        True,
        True,
        False,
    ]


def test_delays_follow_from_the_seed_and_the_attempt() -> None:
    def first(seed: str, attempt: int) -> list[float]:
        return list(itertools.islice(delays(seed, "x", attempt, 0.1, 0.01, 0.2), 20))

    assert first("a", 0) == first("a", 0)
    assert len({tuple(first(s, n)) for s in "ab" for n in (0, 1)}) == 4
    times = first("a", 0)
    assert 0.08 <= times[0] <= 0.12
    assert all(0.008 <= b - a <= 0.012 + 1e-9 for a, b in itertools.pairwise(times))


def test_attempts_count_per_message() -> None:
    attempts = Attempts()
    assert [attempts.next(name) for name in "aaba"] == [0, 1, 0, 2]


def test_ledger_pages_and_totals() -> None:
    ledger = Ledger()
    for n in range(7):
        row = ledger.open("chat", float(n))
        row.status, row.prompt_tokens, row.cost_micro = (200, 10, 30) if n % 2 == 0 else (429, 0, 0)
        row.fault = "" if n % 2 == 0 else "429"
    page = ledger.read(since=2, limit=3)
    assert [r["index"] for r in page["rows"]] == [2, 3, 4]
    assert (page["next"], page["more"]) == (5, True)
    assert page["totals"] == {
        "requests": 7,
        "answered": 4,
        "cancelled": 0,
        "faults": 3,
        "prompt_tokens": 40,
        "completion_tokens": 0,
        "cost_micro": 120,
    }
    ledger.reset()
    assert ledger.read()["totals"]["requests"] == 0
    assert ledger.open("chat", 0.0).index == 7


def test_ledger_is_bounded_and_totals_are_not_lost() -> None:
    ledger = Ledger()
    for _ in range(KEPT + 5):
        ledger.open("chat", 0.0).prompt_tokens = 1
    page = ledger.read()
    assert page["totals"]["prompt_tokens"] == KEPT + 5
    assert page["rows"][0]["index"] == 5


def test_a_page_fits_into_a_line_whatever_its_rows_hold() -> None:
    ledger = Ledger()
    for number in range(PAGE + 1):
        row = ledger.open("embeddings", 1_800_000_000.1234567)
        row.key, row.model, row.traceparent = "\xff" * 100, "\U0001f600" * 100, "\xff" * 100
        row.first_token = row.end = 1_800_000_000.1234567
        row.cost_micro, row.attempt = 10**12, number
    page = ledger.read()
    assert (len(page["rows"]), page["more"]) == (PAGE, True)
    assert len(json.dumps({"type": "reply", "id": 10**6, "ok": True, "data": page})) < MAX_LINE


def test_start_line() -> None:
    line: dict[str, Any] = {
        "type": "start",
        "seed": "s",
        "name": "models",
        "port": 9100,
        "config": {"keys": ["k"]},
    }
    start = SidecarStart.model_validate_json(json.dumps(line))
    config = GatewayConfig.model_validate(start.config)
    assert (start.seed, start.port, config.keys) == ("s", 9100, ["k"])
    assert set(config.models) == {"reader", "stream"}
    for wrong in ({"port": 0}, {"config": 3}, {"type": "command"}):
        with pytest.raises(ValidationError):
            SidecarStart.model_validate({**line, **wrong})
    with pytest.raises(ValidationError):
        SidecarStart.model_validate_json(b"")
    with pytest.raises(ValidationError):
        GatewayConfig.model_validate({"modles": {}})


async def test_commands() -> None:
    models = gateway()

    def say(payload: Any) -> CommandReply:
        return reply_to(
            partial(obey, models),
            json.dumps({"type": "command", "id": 3, "payload": payload}).encode(),
        )

    assert say({"command": "ping"}) == CommandReply(id=3, ok=True)
    assert say({"command": "faults", "rules": [{"kind": "500", "share": 0.5}]}).data == {"rules": 1}
    assert [r.kind for r in models.schedule.rules] == ["500"]
    models.ledger.open("chat", 0.0)
    assert say({"command": "ledger"}).data["totals"]["requests"] == 1
    assert say({"command": "reset"}).ok
    assert models.schedule.rules == []
    assert say({"command": "ledger"}).data["rows"] == []


BAD_PAYLOADS: list[Any] = [
    {"command": "stop"},
    {"command": "faults", "rules": [{"kind": "flood"}]},
    None,
]
BAD_LINES = [b"", b"not json", b"[1]", b'{"type": "start"}', b"[" * 100_000]
BAD_LINES += [
    json.dumps({"type": "command", "id": 1, "payload": payload}).encode()
    for payload in BAD_PAYLOADS
]


@pytest.mark.parametrize("line", BAD_LINES)
async def test_bad_lines_are_answered(line: bytes) -> None:
    reply = reply_to(partial(obey, gateway()), line)
    assert not reply.ok
    assert reply.error


def test_kinds() -> None:
    assert {name: kind.id for name, kind in KINDS.items()} == {name: name for name in KINDS}
    sidecar = Sidecar(
        name="db", kind="postgres", port=5432, config={"user": "u"}, env={"POSTGRES_DB": "d"}
    )
    env = KINDS["postgres"].env(sidecar)
    assert {**sidecar.env, **env} == {
        "POSTGRES_USER": "u",
        "POSTGRES_PASSWORD": "app",
        "POSTGRES_DB": "d",
    }
    with pytest.raises(ValidationError):
        config_of(
            KINDS["postgres"],
            Sidecar(name="db", kind="postgres", port=5432, config={"user": "a;b"}),
        )
    models = Sidecar(
        name="models",
        kind="model-gateway",
        port=9100,
        config={"models": {"reader": {"ttft_ms": 1}}},
    )
    assert config_of(KINDS["model-gateway"], models)["models"]["reader"]["ttft_ms"] == 1
