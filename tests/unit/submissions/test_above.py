"""Runs know no names of the apps above them; what those add comes by itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from labs.models import LabVersion
from submissions import above
from submissions.models import GradingRun

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[3] / "platform" / "submissions"


def test_no_code_of_runs_names_portfolios() -> None:
    sources = [
        p for p in ROOT.rglob("*") if p.suffix in (".py", ".html") and "migrations" not in p.parts
    ]
    named = re.compile(
        r"portfolio_entries|from portfolios|import portfolios|run_publish|portfolios/"
    )
    assert [p.name for p in sources if named.search(p.read_text())] == []


def test_an_app_may_add_a_panel_and_say_what_is_shown(
    monkeypatch: pytest.MonkeyPatch, ada: Any, version: LabVersion, make_run: Any
) -> None:
    monkeypatch.setattr(above, "_panels", {})
    monkeypatch.setattr(above, "_shown", {})
    run = make_run(ada)
    assert above.panels_of(run, True) == []
    assert above.shown_among(GradingRun.objects.all()) == set()
    for _ in range(2):
        above.register(
            "x", panel=lambda run, own: above.Panel("x.html", {"own": own}), shown=lambda runs: runs
        )
    assert above.panels_of(run, True) == [above.Panel("x.html", {"own": True})]
    assert above.shown_among(GradingRun.objects.all()) == {run}


def test_a_learner_finds_the_button_and_an_instructor_does_not(
    client: Client, ada: Any, ivan: Any, make_run: Any
) -> None:
    run = make_run(ada, state="finished", verdict="passed")
    client.force_login(ada)
    assert "Publish" in client.get(run.get_absolute_url()).content.decode()
    client.force_login(ivan)
    assert (
        "A published run is shown on your portfolio"
        not in client.get(run.get_absolute_url()).content.decode()
    )
