"""What of a learner's rules file reaches Prometheus, and what is refused before."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from grader.sidecars.prometheus import rules
from grader.sidecars.prometheus.rules import (
    MAX_BRACKETS,
    MAX_BYTES,
    MAX_RULES,
    RulesRefused,
    check_with_promtool,
    read_rules,
)

GOOD = """
groups:
  - name: mine
    interval: 1ms
    limit: 0
    rules:
      - {record: "a:b", expr: 1}
      - alert: Many
        expr: a:b > 1
        for: 2s
        labels: {incident: errors}
        annotations: {text: "{{ range query `up` }}x{{ end }}"}
"""


def one_rule(**fields: Any) -> str:
    return json.dumps(
        {"groups": [{"name": "g", "rules": [{"alert": "A", "expr": "up", **fields}]}]}
    )


def test_only_known_fields_pass_and_every_group_is_bounded() -> None:
    assert read_rules(GOOD) == [
        {
            "name": "group-1",
            "limit": rules.MAX_RESULTS,
            "rules": [
                {"record": "a:b", "expr": "1", "labels": {}},
                {"alert": "Many", "expr": "a:b > 1", "labels": {"incident": "errors"}, "for": "2s"},
            ],
        }
    ]


def test_no_rules_are_no_mistake() -> None:
    assert read_rules("groups: []") == []


def groups_of(*numbers: int) -> str:
    return json.dumps(
        {"groups": [{"rules": [{"alert": "A", "expr": "up"}] * number} for number in numbers]}
    )


BOMB = "a: &a [x]\n" + "".join(f"b{n}: &b{n} [*a, *a]\n" for n in range(9)) + "groups: []"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("groups: [", "not YAML"),
        ("- 1", "mapping with a list 'groups'"),
        ("groups: 7", "mapping with a list 'groups'"),
        ("groups: [{name: g}]", "list 'rules'"),
        ("groups: [{name: g, rules: [1]}]", "either an 'alert' or a 'record'"),
        ("groups: [{rules: [{alert: A, record: b, expr: up}]}]", "either an 'alert' or a 'record'"),
        (BOMB, "anchors and aliases"),
        ("x" * (MAX_BYTES + 1), "larger than"),
        ("[" * (MAX_BRACKETS + 1), "opening brackets"),
        ("[" * MAX_BRACKETS, "not YAML"),
        ("- " * 10_000, "not YAML"),
        (one_rule(expr="x" * 2001), "'expr' is a text"),
        (one_rule(alert=""), "name of a rule"),
        (one_rule(labels={"a": "{{ $value }}"}), "templates"),
        (one_rule(labels={"a": 7}), "labels are texts"),
        (one_rule(labels={f"l{n}": "x" for n in range(17)}), "at most 16"),
        (one_rule(**{"for": "soon"}), "'for' is a duration"),
        (
            json.dumps({"groups": [{"rules": [{"alert": "A", "expr": "up"}] * (MAX_RULES + 1)}]}),
            "list 'rules' of at most",
        ),
        (
            json.dumps({"groups": [{"rules": [{"alert": "A", "expr": "up"}] * 21}] * 2}),
            "more than 40 rules",
        ),
        (
            json.dumps({"groups": [{"rules": [{"record": "ALERTS", "expr": "1"}]}]}),
            "name of its own",
        ),
        (json.dumps({"groups": [{"rules": [{"record": "up", "expr": "1"}]}]}), "name of its own"),
    ],
)
def test_files_that_are_refused(text: str, why: str) -> None:
    with pytest.raises(RulesRefused, match=why):
        read_rules(text)


def test_what_promtool_says_reaches_the_learner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def says(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        assert json.loads(Path(command[-1]).read_text())["groups"][0]["name"] == "group-1"
        return subprocess.CompletedProcess(
            command, 1, "", f"  FAILED:\n{command[-1]}: could not parse expression"
        )

    monkeypatch.setattr(subprocess, "run", says)
    with pytest.raises(RulesRefused, match=r"^rules\.yml: could not parse expression$"):
        check_with_promtool(read_rules(GOOD), tmp_path)


def test_promtool_has_so_much_time_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hangs(command: list[str], timeout: float, **_: Any) -> None:
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", hangs)
    with pytest.raises(RulesRefused, match="did not finish"):
        check_with_promtool([], tmp_path)
