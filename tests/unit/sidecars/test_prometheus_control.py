"""Commands to the Prometheus sidecar, its configuration, and the bounds of its answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from grader.lab import Sidecar
from grader.sidecars import KINDS
from grader.sidecars.base import config_of
from grader.sidecars.prometheus import control
from grader.sidecars.prometheus.control import obey
from grader.sidecars.prometheus.kind import PrometheusConfig, server_config, server_flags
from grader.sidecars.prometheus.server import bcrypt
from grader.sidecars.stdio import MAX_LINE


class Api:
    """Answers as Prometheus does."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.loaded: list[Any] = []

    def api(self, path: str, **query: Any) -> Any:
        self.asked.append((path, query))
        return self.answers[path]

    def load(self, groups: list[dict[str, Any]]) -> None:
        self.loaded.append(groups)


def vector(*samples: tuple[dict[str, str], str]) -> dict[str, Any]:
    return {
        "resultType": "vector",
        "result": [{"metric": m, "value": [7.5, v]} for m, v in samples],
    }


def test_an_instant_vector_keeps_its_values_as_texts() -> None:
    api = Api(query=vector(({"kind": "a"}, "NaN")))
    reply = obey(api, Path(), {"command": "query", "expr": "x"})
    assert reply == {"samples": [{"labels": {"kind": "a"}, "value": "NaN", "at": 7.5}]}
    assert api.asked == [("query", {"query": "x"})]
    assert obey(
        Api(query={"resultType": "scalar", "result": [1, "2"]}),
        Path(),
        {"command": "query", "expr": "1"},
    ) == {"samples": [{"labels": {}, "value": "2", "at": 1}]}


def test_alerts_are_the_rules_with_their_own_labels() -> None:
    raw = {
        "name": "A",
        "state": "firing",
        "labels": {"incident": "cost"},
        "lastError": "x" * 999,
        "alerts": [1, 2],
    }
    reply = obey(Api(rules={"groups": [{"rules": [raw]}]}), Path(), {"command": "alerts"})
    assert reply == {
        "rules": [
            {"alert": "A", "state": "firing", "labels": {"incident": "cost"}, "problem": "x" * 300}
        ]
    }


def test_answers_fit_into_a_line_whatever_a_service_wrote() -> None:
    big = {f"{n:02}" + "k" * 400: "v" * 400 for n in range(60)}
    samples = vector(*[(big, "1.7976931348623157e+308")] * 3000)
    ranges = {
        "result": [{"metric": big, "values": [[1700000000.123, "1.7976931348623157e+308"]] * 5000}]
        * 500
    }
    for api, payload in (
        (Api(query=samples), {"command": "query", "expr": "x"}),
        (Api(query_range=ranges), {"command": "range", "expr": "x", "start": 1, "end": 2}),
    ):
        assert len(json.dumps(obey(api, Path(), payload))) < MAX_LINE - 1000


def test_rules_are_loaded_only_when_they_are_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "check_with_promtool", lambda groups, folder: None)
    api = Api()
    assert "not YAML" in obey(api, tmp_path, {"command": "rules", "text": "["})["problem"]
    assert api.loaded == []
    text = (
        "groups: [{rules: [{alert: A, expr: up, labels: {incident: cost}}, {record: b, expr: up}]}]"
    )
    reply = obey(api, tmp_path, {"command": "rules", "text": text})
    assert reply == {"problem": "", "rules": [{"alert": "A", "labels": {"incident": "cost"}}]}
    assert len(api.loaded) == 1


@pytest.mark.parametrize(
    "payload",
    [
        None,
        {},
        {"command": "quit"},
        {"command": "query"},
        {"command": "range", "expr": "x", "start": "soon"},
    ],
)
def test_other_commands_are_refused(payload: Any) -> None:
    with pytest.raises(ValueError):
        obey(Api(), Path(), payload)


def test_a_service_can_neither_write_the_past_nor_speak_for_prometheus() -> None:
    job = server_config(PrometheusConfig(target="app:8080"), "/x")["scrape_configs"][0]
    assert job["honor_timestamps"] is False
    assert job["honor_labels"] is False
    assert job["metric_relabel_configs"][0]["action"] == "drop"
    assert job["sample_limit"] > 0
    assert job["body_size_limit"] == "4MB"
    flags = " ".join(server_flags("/x", 9090))
    assert "web.config.file" in flags
    for word in ("enable-lifecycle", "enable-admin-api", "remote-write-receiver"):
        assert word not in flags


@pytest.mark.parametrize("target", ["app", "http://app:8080", "app:8080/x", "APP:1", "app:8080\nx"])
def test_a_target_is_a_party_and_a_port(target: str) -> None:
    with pytest.raises(ValidationError):
        config_of(
            KINDS["prometheus"],
            Sidecar(name="w", kind="prometheus", port=9090, config={"target": target}),
        )


def test_the_hash_is_bcrypt_and_salted() -> None:
    one, two = bcrypt("secret"), bcrypt("secret")
    assert one.startswith("$2b$04$")
    assert len(one) == 60
    assert one != two
