"""The page of a run: queued, running, over; what it shows and to whom."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from grader.events import CheckFinished, CheckStarted, LogLine, PhaseFinished, PhaseStarted
from grader.result import Exchange, Outcome, RunResult, Verdict
from submissions import leases, present
from submissions.models import GradingRun
from submissions.recorder import Recorder

pytestmark = pytest.mark.django_db
Make = Callable[..., GradingRun]


@pytest.fixture
def me(client: Client, ada: Any) -> Client:
    client.force_login(ada)
    return client


def page(client: Client, run: GradingRun, fragment: str = "") -> str:
    response = client.get(run.get_absolute_url(), {"fragment": fragment} if fragment else {})
    assert response.status_code == 200
    return response.content.decode()


def begin(run: GradingRun) -> Recorder:
    claimed = leases.claim("w")
    assert claimed is not None
    assert claimed.pk == run.pk
    return Recorder(run.pk, claimed.fence)


def end(writer: Recorder, result: RunResult) -> None:
    for check in result.criteria:
        writer.record(CheckFinished(result=check))
    writer.flush()
    leases.finish(writer.run_id, writer.fence, result)


def test_other_learners_run(
    client: Client, ada: Any, django_user_model: Any, make_run: Make
) -> None:
    """Attack: other_learners_run. Somebody else's run does not exist, in no view."""
    run = make_run(ada)
    client.force_login(django_user_model.objects.create_user("mallory", "m@example.org", "x" * 12))
    base = run.get_absolute_url()
    assert client.get(base).status_code == 404
    assert client.get(base, {"fragment": "log"}).status_code == 404
    assert client.get(base + "events").status_code == 404
    assert client.get(base + "evidence/app.log").status_code == 404
    assert client.post(base + "cancel").status_code == 404
    assert client.post(base + "regrade").status_code == 404
    assert GradingRun.objects.get().state == "queued"


def test_reviewers_see_none_and_instructors_all(
    client: Client, ada: Any, ivan: Any, rita: Any, make_run: Make
) -> None:
    run = make_run(ada)
    client.force_login(rita)
    assert client.get(run.get_absolute_url()).status_code == 404
    client.force_login(ivan)
    assert "by Ada Lovelace" in page(client, run)


def test_visitors_sign_in_first(client: Client, ada: Any, make_run: Make) -> None:
    assert client.get(make_run(ada).get_absolute_url()).status_code == 302


def test_a_queued_run_says_its_place(me: Client, ada: Any, make_run: Make) -> None:
    first, second = make_run(ada), make_run(ada)
    assert "Next in line" in page(me, first)
    text = page(me, second)
    assert "Second in line" in text
    assert "Refresh" in text
    assert "Cancel run" in text


def test_a_running_run_shows_what_it_does(
    me: Client, ada: Any, make_run: Make, failed_result: RunResult
) -> None:
    run = make_run(ada)
    writer = begin(run)
    writer.record(PhaseStarted(phase="build"))
    writer.record(LogLine(source="build", text="Step 1 of 9"))
    writer.record(PhaseFinished(phase="build", ok=True, seconds=22))
    writer.record(PhaseStarted(phase="grade"))
    writer.record(CheckStarted(criterion="contract"))
    writer.record(CheckFinished(result=failed_result.criteria[0]))
    writer.record(CheckStarted(criterion="fast"))
    text = page(me, run)
    assert "Step 1 of 9" in text
    assert "1 of 2 criteria are decided, 40 of 100 points so far" in text
    assert "0:22" in text
    assert 'aria-current="step"' in text
    assert f'data-events="{run.get_absolute_url()}events"' in text
    for name in ("status", "phases", "checks", "log"):
        part = page(me, run, name)
        assert f'id="{name}"' in part.partition(">")[0]
        assert "<html" not in part


def test_an_unknown_fragment_is_404(me: Client, ada: Any, make_run: Make) -> None:
    assert me.get(make_run(ada).get_absolute_url(), {"fragment": "../secret"}).status_code == 404


def test_a_verdict_explains_itself(
    me: Client, ada: Any, make_run: Make, failed_result: RunResult
) -> None:
    run = make_run(ada)
    end(begin(run), failed_result)
    text = page(me, run)
    for part in (
        "3.10 × baseline<span> [2.90, 3.40], n\u00a0=\u00a028</span>",
        "at most 2.00 × baseline",
        "What to do next",
        "Keep connections open.",
        "#hint-1",
        "POST /echo",
        "line one",
        "curl -i",
        run.seed,
        "./seatrial grade echo-lab",
        'class="scale"',
        'class="gauge"',
        'id="crit-fast" open',
        "Grade again",
        'value="publish"',
    ):
        assert part in text, part


def test_what_stayed_undecided_says_why_and_how_long_it_took(
    me: Client, ada: Any, make_run: Make, failed_result: RunResult
) -> None:
    run = make_run(ada)
    more = {"outcome": Outcome.INCONCLUSIVE, "advice": "Look at the seconds.", "seconds": 41.96}
    undecided = failed_result.criteria[1].model_copy(update={**more, "data": {"measured_again": 2}})
    end(
        begin(run),
        failed_result.model_copy(update={"criteria": [failed_result.criteria[0], undecided]}),
    )
    text = page(me, run)
    assert "Look at the seconds." in text
    assert "Measured in 42.0&nbsp;s; again, because the first time did not tell." in text
    assert "What to do next" not in text


def test_stored_html_in_response(
    me: Client, ada: Any, make_run: Make, failed_result: RunResult
) -> None:
    """Attacks: stored_html_in_response, log_escape_injection."""
    run = make_run(ada)
    writer = begin(run)
    writer.record(LogLine(source="app", text="\x1b[2J<script>alert('x')</script>\u202e"))
    end(writer, failed_result)
    text = page(me, run)
    assert "alert(&#x27;x&#x27;)" in text
    assert "<script>alert" not in text
    assert not {"\x1b", "\x07", "\x00", "\u202e"} & set(text)


def test_the_curl_is_one_safe_command(
    me: Client, ada: Any, make_run: Make, failed_result: RunResult
) -> None:
    run = make_run(ada)
    exchange = failed_result.criteria[1].exchange
    assert exchange is not None
    words = shlex.split(present.curl_of(exchange, run).replace("\\\n", ""))
    assert words[:5] == ["curl", "-i", "-N", "-g", "--max-time"]
    assert "X-Odd: it's $(id)" in words
    assert "http://localhost:8080/echo?q=';%20rm%20-rf%20~%20%23" in words
    assert '{"text": "it\'s"}' in words
    assert "rm" not in words


@pytest.mark.parametrize(
    ("method", "path", "headers", "body"),
    [
        (
            "POST",
            "/v1/chat",
            {"Content-Type": "application/json"},
            '{"q": "it\'s \\"so\\"\\n$(id) `id` ünï 日本"}',
        ),
        (
            "POST",
            "/raw?x=[1]&y={a,b}",
            {"X-Odd": "a'b\"c", "Authorization": "Bearer k-1"},
            "@/etc/passwd\nsecond line",
        ),
        ("GET", "/search?q=caf%C3%A9&k=5", {}, ""),
        ("DELETE", "/docs/a-1", {"Content-Type": "application/json"}, ""),
    ],
)
def test_the_curl_does_what_the_probe_did(
    ada: Any, make_run: Make, method: str, path: str, headers: dict[str, str], body: str
) -> None:
    seen: list[tuple[str, str, dict[str, str], bytes]] = []

    class Echo(BaseHTTPRequestHandler):
        def parse_request(self) -> bool:
            if super().parse_request():
                size = int(self.headers.get("Content-Length") or 0)
                seen.append((self.command, self.path, dict(self.headers), self.rfile.read(size)))
                self.send_response(204)
                self.end_headers()
            return False

        def log_message(self, *_: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Echo)
    Thread(target=server.handle_request, daemon=True).start()
    exchange = Exchange(method=method, path=path, request_headers=headers, request_body=body)
    command = present.curl_of(exchange, make_run(ada)).replace(":8080/", f":{server.server_port}/")
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=30, check=False
    )
    server.server_close()
    assert done.returncode == 0, done.stderr
    assert seen[0][:2] == (method, path)
    assert seen[0][3] == body.encode()
    assert headers.items() <= seen[0][2].items()
    assert ("Content-Type" in seen[0][2]) == ("Content-Type" in headers)


def test_the_change_since_the_last_run_is_shown(
    me: Client, ada: Any, make_run: Make, failed_result: RunResult
) -> None:
    old = make_run(ada)
    end(begin(old), failed_result)
    fixed = failed_result.criteria[1].model_copy(update={"outcome": Outcome.PASSED, "points": 60})
    new = make_run(ada)
    end(
        begin(new),
        failed_result.model_copy(
            update={
                "criteria": [failed_result.criteria[0], fixed],
                "verdict": Verdict.PASSED,
                "score": 100,
            }
        ),
    )
    text = page(me, new)
    assert "Attempt 1 against attempt 2" in text
    (change,) = present.changes(new, old)
    assert (change.title, change.before, change.after) == ("Fast enough", "failed", "passed")


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ("errored", "stopped because of us"),
        ("not_gradable", "never came up"),
        ("inconclusive", "Inconclusive"),
        ("passed", "Passed"),
    ],
)
def test_every_verdict_has_a_page(
    me: Client, ada: Any, make_run: Make, verdict: str, words: str
) -> None:
    run = make_run(
        ada, state="finished", verdict=verdict, reason="Because.", finished_at=timezone.now()
    )
    assert words in page(me, run)


def test_a_cancelled_and_a_lost_run_have_pages(me: Client, ada: Any, make_run: Make) -> None:
    assert "was cancelled" in page(me, make_run(ada, state="cancelled", finished_at=timezone.now()))
    lost = make_run(
        ada,
        state="lost",
        verdict="errored",
        reason="The worker stopped.",
        finished_at=timezone.now(),
    )
    assert "stopped because of us" in page(me, lost)


def test_a_long_log_shows_its_end(me: Client, ada: Any, make_run: Make) -> None:
    run = make_run(ada)
    writer = begin(run)
    for n in range(present.SHOWN_LINES + 50):
        writer.record(LogLine(source="app", text=f"line-{n};"))
    writer.flush()
    text = page(me, run, "log")
    assert "line-549;" in text
    assert "line-3;" not in text
    assert "The newest 500 of 550 lines" in text


def test_a_run_that_waits_for_a_paused_engine_is_told_no_moment(
    me: Client, ada: Any, make_run: Make, settings: Any
) -> None:
    state = {"ready": False, "message": "The engine is away.", "advice": "", "checked_at": ""}
    (Path(settings.SEATRIAL_HOME) / "engine.json").write_text(json.dumps(state))
    text = page(me, make_run(ada))
    assert "It starts in a moment" not in text
    assert "it starts once grading goes on" in text
