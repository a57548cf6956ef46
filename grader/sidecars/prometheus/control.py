"""What the engine may ask, over the line protocol of ``grader.sidecars.stdio``:

- ``rules`` (text) -> {problem, rules}: check the learner's file and put it in force. ``problem`` is
  empty then;
  ``rules`` lists {alert, labels} of the alerting ones
- ``alerts`` -> {rules: [{alert, state, labels, problem}]}: every alerting rule with its own labels;
  ``state`` is
  inactive, pending or firing; ``problem`` says why a rule can't be evaluated
- ``query`` (expr, at=None) -> {samples: [{labels, value, at}]}: an instant vector or a scalar
- ``range`` (expr, start, end, step_s) -> {series: [{labels, points: [[at, value], ...]}]}

Times are Unix seconds. Values are texts, because JSON has no NaN. Answers are cut at the bounds
below.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import BaseModel, Field, TypeAdapter

from grader.sidecars.prometheus.rules import RulesRefused, check_with_promtool, read_rules

MAX_SAMPLES, MAX_SERIES, MAX_POINTS = 500, 20, 600
MAX_LABELS, SHOWN = 8, 100
"""With these no answer comes near the length that a line may have."""


class Api(Protocol):
    """What commands need of ``server.Server``."""

    def api(self, path: str, **query: Any) -> Any: ...

    def load(self, groups: list[dict[str, Any]]) -> None: ...


class SetRules(BaseModel):
    command: Literal["rules"]
    text: str


class ReadAlerts(BaseModel):
    command: Literal["alerts"]


class Query(BaseModel):
    command: Literal["query"]
    expr: str = Field(max_length=2000)
    at: float | None = None


class Range(BaseModel):
    command: Literal["range"]
    expr: str = Field(max_length=2000)
    start: float
    end: float
    step_s: float = Field(1, gt=0)


Command = SetRules | ReadAlerts | Query | Range
_COMMAND: TypeAdapter[Command] = TypeAdapter(Command)
NAMES = ("rules", "alerts", "query", "range")


def obey(server: Api, folder: Path, payload: Any) -> dict[str, Any]:
    """Carry out one command. Raises ValueError for an unknown or malformed one."""
    command = payload.get("command") if isinstance(payload, dict) else None
    if command not in NAMES:
        raise ValueError(f"there is no command {str(command)[:60]!r}; there are {', '.join(NAMES)}")
    match _COMMAND.validate_python(payload):
        case SetRules(text=text):
            return set_rules(server, folder, text)
        case ReadAlerts():
            groups = server.api("rules", type="alert")["groups"]
            return {"rules": [_alert(raw) for group in groups for raw in group["rules"]]}
        case Query(expr=expr, at=at):
            return {
                "samples": _samples(server.api("query", query=expr, **({"time": at} if at else {})))
            }
        case Range(expr=expr, start=start, end=end, step_s=step_s):
            data = server.api("query_range", query=expr, start=start, end=end, step=step_s)
            return {"series": [_series(raw) for raw in data["result"][:MAX_SERIES]]}


def set_rules(server: Api, folder: Path, text: str) -> dict[str, Any]:
    """Check and load; a file that is refused changes nothing."""
    try:
        groups = read_rules(text)
        check_with_promtool(groups, folder)
        server.load(groups)
    except RulesRefused as refused:
        return {"problem": str(refused), "rules": []}
    alerts = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    return {
        "problem": "",
        "rules": [{"alert": rule["alert"], "labels": rule["labels"]} for rule in alerts],
    }


def _labels(raw: dict[str, Any]) -> dict[str, str]:
    return {str(key)[:SHOWN]: str(value)[:SHOWN] for key, value in list(raw.items())[:MAX_LABELS]}


def _alert(raw: dict[str, Any]) -> dict[str, Any]:
    problem = str(raw.get("lastError") or "")[: 3 * SHOWN]
    return {
        "alert": raw["name"],
        "state": raw["state"],
        "labels": raw["labels"],
        "problem": problem,
    }


def _samples(data: dict[str, Any]) -> list[dict[str, Any]]:
    if data["resultType"] == "scalar":
        at, value = data["result"]
        return [{"labels": {}, "value": value, "at": at}]
    if data["resultType"] != "vector":
        raise ValueError(f"the query gives a {data['resultType']}; ask for a vector")
    found = data["result"][:MAX_SAMPLES]
    return [
        {"labels": _labels(raw["metric"]), "value": raw["value"][1], "at": raw["value"][0]}
        for raw in found
    ]


def _series(raw: dict[str, Any]) -> dict[str, Any]:
    return {"labels": _labels(raw["metric"]), "points": raw["values"][:MAX_POINTS]}
