"""Server-sent events: what is sent, where it resumes, when it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from django.test import AsyncClient

from submissions import follow as follow_module
from submissions.models import GradingRun, RunEvent
from submissions.views import run_events

Make = Callable[..., GradingRun]
pytestmark = pytest.mark.django_db(transaction=True)


async def follow(
    user: Any, run: GradingRun, query: str = "", last: str = ""
) -> AsyncIterator[dict[str, Any]]:
    """The events of a connection, as a browser reads them."""
    client = AsyncClient()
    await client.aforce_login(user)
    headers = {"Last-Event-ID": last} if last else {}
    response = await client.get(f"/runs/{run.pk}/events{query}", headers=headers)
    assert response["Content-Type"] == "text/event-stream"
    async for chunk in response.streaming_content:
        text = chunk.decode() if isinstance(chunk, bytes) else chunk
        fields = dict(
            line.split(": ", 1) for line in text.strip().splitlines() if not line.startswith(":")
        )
        if "event" in fields:
            yield {"id": fields.get("id"), "event": fields["event"], **json.loads(fields["data"])}


@pytest.fixture
def finished(ada: Any, make_run: Make) -> GradingRun:
    run = make_run(ada, state="finished", verdict="passed")
    for seq, kind in ((11, "phase_started"), (12, "log"), (13, "check_finished")):
        RunEvent.objects.create(run=run, seq=seq, payload={"type": kind})
    return run


async def test_a_finished_run_sends_all_and_ends(ada: Any, finished: GradingRun) -> None:
    got = [event async for event in follow(ada, finished)]
    assert [e["event"] for e in got] == ["progress", "finished"]
    assert got[0]["fragments"] == ["checks", "log", "phases", "status"]
    assert got[0]["id"] == "13"
    assert got[1]["outcome"] == "passed"


async def test_it_resumes_behind_the_last_event(ada: Any, finished: GradingRun) -> None:
    got = [event async for event in follow(ada, finished, last="12")]
    assert got[0]["fragments"] == ["checks", "status"]
    again = [event async for event in follow(ada, finished, last="13")]
    assert [e["event"] for e in again] == ["finished"]


async def test_a_fresh_page_says_where_it_is_and_the_header_wins(
    ada: Any, finished: GradingRun
) -> None:
    assert len([e async for e in follow(ada, finished, query="?after=13")]) == 1
    assert len([e async for e in follow(ada, finished, query="?after=13", last="11")]) == 2


@pytest.mark.parametrize("last", ["x", "-5", "9" * 40])
async def test_a_bad_id_starts_from_the_beginning(
    ada: Any, finished: GradingRun, last: str
) -> None:
    assert [e["event"] async for e in follow(ada, finished, last=last)] == ["progress", "finished"]


async def test_events_come_while_the_run_goes_on(
    ada: Any, make_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    from asgiref.sync import sync_to_async

    monkeypatch.setattr(follow_module, "POLL_S", 0.02)
    run = await sync_to_async(make_run)(ada, state="running", fence=1)
    stream = follow(ada, run)
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await RunEvent.objects.acreate(run=run, seq=1, payload={"type": "log"})
    assert (await asyncio.wait_for(waiting, 10))["fragments"] == ["log"]
    await GradingRun.objects.filter(pk=run.pk).aupdate(state="finished", verdict="failed")
    assert (await asyncio.wait_for(anext(stream), 10))["event"] == "finished"


async def test_a_connection_is_bounded_in_time(
    ada: Any, make_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    from asgiref.sync import sync_to_async

    monkeypatch.setattr(follow_module, "POLL_S", 0.01)
    monkeypatch.setattr(run_events, "MAX_S", 0.2)
    run = await sync_to_async(make_run)(ada)
    assert [e async for e in follow(ada, run)] == []


async def test_visitors_get_403(finished: GradingRun) -> None:
    response = await AsyncClient().get(f"/runs/{finished.pk}/events")
    assert response.status_code == 403


async def test_three_streams_of_a_user_and_no_more(ada: Any, make_run: Make) -> None:
    """Each used to hold a thread and a database connection for five minutes:

    97 of them took a site down.
    """
    from asgiref.sync import sync_to_async

    run = await sync_to_async(make_run)(ada, state="running", fence=1)
    client = AsyncClient()
    await client.aforce_login(ada)
    answers = [await client.get(f"/runs/{run.pk}/events") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[3]["Retry-After"] == "5"
    answers[0].close()  # the visitor left before the first byte
    await asyncio.sleep(0)
    assert (await client.get(f"/runs/{run.pk}/events")).status_code == 200


async def test_one_look_serves_all_streams(
    ada: Any, make_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    from asgiref.sync import sync_to_async

    looks: list[dict[int, int]] = []
    real = follow_module.look_at

    def counted(wanted: dict[int, int]) -> dict[int, follow_module.Look]:
        looks.append(dict(wanted))
        return real(wanted)

    monkeypatch.setattr(follow_module, "look_at", counted)
    run = await sync_to_async(make_run)(ada, state="finished", verdict="passed")
    hub = follow_module.hub()
    streams = [hub.open(run.pk, user, after) for user, after in ((1, 7), (2, 3))]
    seen = [await stream.looks.get() for stream in streams if stream]
    assert [look.outcome for look in seen if look] == ["passed", "passed"]
    assert looks == [{run.pk: 3}]
    for stream in streams:
        assert stream
        hub.close(stream)
