"""Labels survive the way to the engine and back; the engine's errors become ours; logs and text
stay bounded.
"""

from __future__ import annotations

import pytest
import requests
import urllib3
from docker.errors import APIError, DockerException, NotFound

from grader.engines.base import RunLabels
from grader.engines.docker.build.text import neutralise
from grader.engines.docker.errors import (
    already_gone_is_fine,
    engine_call,
    learner_start,
    logged,
    timed_out,
)
from grader.engines.docker.logs import newest
from grader.engines.labels import as_labels, from_labels
from grader.errors import EngineUnavailable, LearnerError, SandboxError


def refusal(status: int, text: str) -> APIError:
    response = requests.Response()
    response.status_code = status
    return APIError("refused", response=response, explanation=text)


def test_labels_round_trip():
    labels = RunLabels("r1", 3, "here", 1_800_000_000)
    assert from_labels(as_labels(labels)) == labels


def test_foreign_and_forged_labels():
    assert from_labels({}) is None
    assert from_labels({"seatrial.run": ""}) is None
    forged = from_labels(
        {"seatrial.run": "x", "seatrial.fence": "-1", "seatrial.expires": "9" * 40}
    )
    assert forged == RunLabels("x", 0, "", 0)


@pytest.mark.parametrize(
    "gone",
    [
        requests.ConnectionError("refused"),
        requests.ReadTimeout("slow"),
        urllib3.exceptions.ProtocolError("cut"),
        DockerException("no engine"),
    ],
)
def test_an_engine_that_went_away(gone):
    with (
        pytest.raises(EngineUnavailable, match="did not answer") as caught,
        engine_call("start app"),
    ):
        raise gone
    assert caught.value.advice


def test_a_refusal_is_ours_and_is_neutralised():
    with (
        pytest.raises(SandboxError, match=r"could not start app: bad \\x1b\[2J"),
        engine_call("start app"),
    ):
        raise refusal(500, "bad \x1b[2J")


def test_gone_is_success_but_nothing_else_is():
    with already_gone_is_fine():
        raise NotFound("no such container", response=refusal(404, "").response)
    with already_gone_is_fine():
        raise refusal(409, "is not running")
    with pytest.raises(APIError), already_gone_is_fine():
        raise refusal(500, "broken")


@pytest.mark.parametrize(
    "said",
    [
        'exec: "uvicron": executable file not found in $PATH: unknown',
        "No command specified",
        "exec /app.sh: exec format error",
        'chdir to cwd ("/srv") set in config.json failed: permission denied',
    ],
)
def test_what_the_image_explains_is_the_learners(said):
    with (
        pytest.raises(LearnerError, match="could not be started") as caught,
        engine_call("x"),
        learner_start("app"),
    ):
        raise refusal(400, said)
    assert "CMD" in caught.value.advice


@pytest.mark.parametrize(
    "said",
    [
        "failed to write pids.max: device or resource busy",
        "error mounting cgroup to rootfs: no such file or directory",
        'exec: "docker-init": executable file not found in $PATH',
    ],
)
def test_what_the_image_does_not_explain_is_ours(said):
    with pytest.raises(SandboxError), engine_call("x"), learner_start("app"):
        raise refusal(500, said)


def test_teardown_goes_on(caplog):
    with logged("remove a thing"), engine_call("remove a thing"):
        raise requests.ConnectionError("gone")
    assert "could not remove a thing" in caplog.text


def test_timeouts_are_told_apart():
    assert timed_out(requests.ReadTimeout("x"))
    assert timed_out(
        requests.ConnectionError("HTTPConnectionPool: Read timed out. (read timeout=1)")
    )
    assert not timed_out(requests.ConnectionError("refused"))
    assert not timed_out(None)


def test_newest_keeps_the_end_in_bounded_memory():
    assert newest([b"a" * 10, b"b" * 10, b"c" * 3], 5) == b"bbccc"
    assert newest([b"abc"], 100) == b"abc"
    assert newest([], 10) == newest([b"abc"], 0) == b""


def test_newest_gives_up_on_an_endless_log():
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 65536

    assert len(newest(endless(), 1000)) == 1000
    assert taken < 200


def test_neutralised_text_has_no_control_and_no_invisible_characters():
    text = neutralise("a\x00b\x1b[31m\r\nc\rd\te\u202e\u200b\ud800\x85")
    assert text == "a\\x00b\\x1b[31m\nc\nd\te\\u{202e}\\u{200b}\\u{d800}\\x85"
    text.encode()
