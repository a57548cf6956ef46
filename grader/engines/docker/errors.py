"""What the engine's client raises, turned into our own errors in one place."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

import requests
import urllib3
from docker.errors import APIError, DockerException

from grader.engines.docker.build.text import neutralise
from grader.errors import EngineUnavailable, LearnerError, SandboxError

LOG = logging.getLogger(__name__)
GONE = (404, 409)
"""Statuses with which the engine says that something is gone, going, or not running."""
ENGINE_ADVICE = (
    "Start the container engine, or set DOCKER_HOST to one that answers; `./seatrial doctor` "
    "checks it."
)
# Only what nothing but the image can cause; "no such file" alone may also come from a mount or a
# cgroup.
_CANT_EXEC = re.compile(
    r'exec: "|exec format error|executable file not found|no command specified|chdir to cwd',
    re.IGNORECASE,
)
_OUR_INIT = "docker-init"
"""Bound into every container by the engine; an engine without it is not the learner's doing."""


def explain(error: APIError) -> str:
    """The engine's own words, short and harmless to print."""
    return neutralise(str(error.explanation or error)[:400])


@contextmanager
def engine_call(what: str) -> Iterator[None]:
    """Raise SandboxError when the engine refuses, EngineUnavailable when it does not answer.

    ``what``: 'start app'.
    """
    try:
        yield
    except APIError as error:
        raise SandboxError(f"The container engine could not {what}: {explain(error)}") from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, DockerException) as error:
        message = f"The container engine did not answer ({what}): {neutralise(str(error)[:300])}"
        raise EngineUnavailable(message, ENGINE_ADVICE) from error


@contextmanager
def already_gone_is_fine() -> Iterator[None]:
    """Swallow the engine's 'no such container' and 'is not running'; nest it inside
    ``engine_call``.
    """
    try:
        yield
    except APIError as error:
        if error.status_code not in GONE:
            raise


@contextmanager
def learner_start(what: str) -> Iterator[None]:
    """Inside: a refusal that the learner's image explains becomes LearnerError."""
    try:
        yield
    except APIError as error:
        said = str(error.explanation or error)
        if _OUR_INIT in said or not _CANT_EXEC.search(said):
            raise
        raise cannot_start(f"{what}: {explain(error)}") from error


def cannot_start(detail: str) -> LearnerError:
    """The learner's image has nothing that can be run."""
    return LearnerError(
        f"The service could not be started. {detail}",
        "Check CMD or ENTRYPOINT in the Dockerfile: the program must exist in the image, be "
        "executable, and be "
        "readable by uid 10001. Try it with `docker run --user 10001:10001 --read-only --tmpfs /tmp IMAGE`.",
    )


def timed_out(cause: BaseException | None) -> bool:
    """Whether the client gave up waiting, in any of the ways in which it says so."""
    return isinstance(cause, requests.Timeout) or "Read timed out" in str(cause)


@contextmanager
def logged(what: str) -> Iterator[None]:
    """Teardown goes on whatever happens; a sweep finds what is left."""
    try:
        yield
    except Exception as error:
        LOG.warning("could not %s: %s", what, error)
