"""Every request that a check can make, over the real line from a real probe process to the pod."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from probekit import graded, http, lab_of, outcomes, service

from grader.engines.fake import Script
from grader.pods.obey import ACTS
from grader.result import Outcome, Verdict
from grader.wire.control import REQUESTS, ControlError, reply_of, request

EVERY: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    (
        "state",
        "app",
        {},
        {"running": True, "paused": False, "oom_killed": False, "exit_code": None},
    ),
    ("logs", "app", {"max_bytes": 3, "since_s": 0.0}, {"text": "log"}),
    ("usage", "app", {}, {"cpu_s": 0.5, "memory_peak_bytes": 64 << 20, "memory_bytes": 0}),
    ("fill_data", "app", {}, {}),
    ("free_data", "app", {}, {}),
    ("limit_memory", "app", {"memory_mb": 100}, {"held": True}),
    ("limit_memory", "app", {"memory_mb": 9}, {"held": False}),
    ("pause", "app", {}, {}),
    ("unpause", "app", {}, {}),
    ("weigh_alike", "probe", {}, {}),
    ("weigh_as_before", "probe", {}, {}),
    (
        "stop",
        "app",
        {"grace_s": 1},
        {"running": False, "paused": False, "oom_killed": False, "exit_code": 0},
    ),
    ("restart", "app", {}, {}),
    ("signal", "app", {"signal": "SIGKILL"}, {}),
    ("command", "side", {"payload": {"a": 1}}, {"b": 2}),
]
CHECK = """
import json
from grader.checks.base import Check
from grader.checks.outcome import counted, every, passed

class Every(Check):
    id = "every"

    async def run(self, ctx):
        replies = [await ctx.control(action, party, **args) for action, party, args in json.loads(EVERY)]
        return passed(json.dumps(replies), counted(1, 1, "requests"), every("requests"))
"""


def test_the_table_has_every_member_of_the_union_and_the_contract_tries_each() -> None:
    assert set(ACTS) == set(REQUESTS)
    assert {str(each.model_fields["action"].default) for each in REQUESTS} == {
        action for action, *_ in EVERY
    }


def test_every_action_stands_in_the_lab_authors_table() -> None:
    table = (Path(__file__).parents[3] / "docs" / "lab-author.md").read_text("utf-8")
    assert [action for action, *_ in EVERY if f'`"{action}", ' not in table] == []


def side(line: str) -> list[str]:
    said = json.loads(line)
    if said["type"] == "start":
        return ['{"type": "ready"}']
    return [
        json.dumps(
            {"type": "reply", "id": said["id"], "ok": said["payload"] == {"a": 1}, "data": {"b": 2}}
        )
    ]


def test_every_request_crosses_the_line_and_comes_back(tmp_path: Path) -> None:
    asked = json.dumps([[action, party, args] for action, party, args, _ in EVERY])
    with service(lambda _path, _body: http("{}")) as port:
        lab = lab_of(
            tmp_path,
            port,
            [{"id": "every", "checks": [{"check": "lab:every.Every"}]}],
            {"checks/every.py": f"EVERY = {asked!r}\n{CHECK}"},
            sidecars=[
                {
                    "name": "side",
                    "kind": "fault-proxy",
                    "port": port,
                    "config": {"upstream": "app:1"},
                }
            ],
            limits={"data_mb": 8, "run_s": 30},
        )
        result = graded(lab, {"app": Script(log="the log"), "side": Script(answers=side)})
    assert result.verdict is Verdict.PASSED, result
    replies = json.loads(outcomes(result)["every"].message)
    for (action, _, _, wanted), found in zip(EVERY, replies, strict=True):
        found.pop("seconds", None)
        assert found == wanted, action


@pytest.mark.parametrize(
    ("action", "args"),
    [
        ("reboot", {}),
        ("signal", {}),
        ("limit_memory", {"memory_mb": "all"}),
        ("state", {"grace_s": 1}),
    ],
)
def test_what_no_engine_knows_is_refused_before_it_is_sent(
    action: str, args: dict[str, Any]
) -> None:
    with pytest.raises(ControlError, match="known actions: state, stop"):
        request(action, "app", args)


def test_a_reply_of_another_shape_is_an_error() -> None:
    with pytest.raises(ControlError, match="another shape"):
        reply_of(request("state", "app", {}), {"running": True})


def test_a_service_that_hangs_is_failed_and_never_our_fault(tmp_path: Path) -> None:
    case = {"path": "/x", "json": {"a": 1}, "timeout_s": 30}
    with service(lambda _path, _body: None) as port:
        checks = [{"check": "functional", "params": {"cases": [case]}}]
        lab = lab_of(tmp_path, port, [{"id": "answers", "checks": checks}])
        result = graded(lab, deadline_s=2)
    [answers] = result.criteria
    # on a machine that is crowded right now nobody can tell; errored is wrong everywhere
    assert result.verdict in (Verdict.FAILED, Verdict.INCONCLUSIVE), result.reason
    assert answers.outcome in (Outcome.FAILED, Outcome.INCONCLUSIVE)
    assert "was over before this could be measured" in answers.message
