"""A mail when a run is over, to whoever asked for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from grader.result import RunResult
from submissions import leases
from submissions.models import GradingRun

pytestmark = pytest.mark.django_db(transaction=True)


def finish(run: GradingRun, result: RunResult) -> None:
    taken = leases.claim("w")
    assert taken is not None
    assert taken.pk == run.pk
    leases.finish(taken.pk, taken.fence, result)


def test_a_mail_comes_only_by_choice(
    ada: Any, make_run: Callable[..., GradingRun], failed_result: RunResult, settings: Any
) -> None:
    client = Client()
    client.force_login(ada)
    finish(make_run(ada), failed_result)
    assert mail.outbox == []
    run = make_run(ada)
    assert "Mail me when runs are over" in client.get(run.get_absolute_url()).content.decode()
    client.post(f"/runs/{run.pk}/mail", {"mail": "on"})
    finish(run, failed_result)
    (sent,) = mail.outbox
    assert sent.subject == "Seatrial: Say it again: failed, 40 of 100"
    assert sent.to == [ada.email]
    assert f"{settings.SEATRIAL_BASE_URL}/runs/{run.pk}/" in sent.body
    client.post(f"/runs/{run.pk}/mail", {"mail": "off"})
    finish(make_run(ada), failed_result)
    assert len(mail.outbox) == 1


def test_a_mail_server_that_is_away_costs_no_verdict(
    ada: Any,
    make_run: Callable[..., GradingRun],
    failed_result: RunResult,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr("submissions.notices.send_mail", away)
    ada.mail_when_over = True
    ada.save()
    run = make_run(ada)
    finish(run, failed_result)
    assert GradingRun.objects.get(pk=run.pk).verdict == "failed"


def test_cancelled_runs_and_other_peoples_runs(
    ada: Any, ivan: Any, rita: Any, make_run: Callable[..., GradingRun]
) -> None:
    run = make_run(ada)
    client = Client()
    client.force_login(rita)
    assert client.post(f"/runs/{run.pk}/mail", {"mail": "on"}).status_code == 404
    client.force_login(ivan)
    assert "Mail me" not in client.get(run.get_absolute_url()).content.decode()
