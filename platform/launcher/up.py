"""``./seatrial up``: the site first, then the engine and its images behind it, then the worker."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from pathlib import Path
from typing import Any

from grader.errors import SeatrialError
from grader.slots import slot_count
from launcher import preflight
from launcher.children import Child, stop_all
from launcher.engine_watch import EngineWatch, write_state
from launcher.problem import EXIT_FAILED, EXIT_OK, LaunchError, say

SERVING_SECONDS = 60.0
PYTHON = sys.executable
AS_ROOT = "You're running the worker with superuser privileges"
"""Celery warns of this at every start.

Its risk is unpickling messages, and our tasks take nothing but JSON.
"""


class Site:
    """One running installation: its home, its children and the way down."""

    def __init__(self, home: Path, host: str, port: int) -> None:
        self.home, self.host, self.port = home, host, port
        shown = "127.0.0.1" if host in {"0.0.0.0", "::", ""} else host  # noqa: S104  compared, not bound
        self.address = f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"
        self.stopping = threading.Event()
        self.hurry = [False]
        self.watch = EngineWatch(home, self.stopping)
        self.children = _children(host, port)
        self.env = self._environment()

    def _environment(self) -> dict[str, str]:
        os.environ["SEATRIAL_HOME"] = str(self.home)
        os.environ.setdefault("SEATRIAL_BASE_URL", self.address)
        os.environ.setdefault(
            "SEATRIAL_BROKER_URL", "filesystem://localhost//"
        )  # without a host, kombu warns
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
        return dict(os.environ)

    def handle_signal(self, _number: int, _frame: object) -> None:
        """First signal: stop in order. Second: stop waiting for anybody."""
        if self.stopping.is_set():
            self.hurry[0] = True
        self.stopping.set()

    def run(self) -> int:
        """Serve until a signal comes. Returns 0; raises LaunchError when the site can't start."""
        try:
            write_state(
                self.home, "preparing", "The sandbox is being prepared.", "Pages work meanwhile."
            )
            _migrate()
            self.children["web"].start(self.env)
            self.watch.start()
            _sync_labs()
            self._await_serving()
            self._greet()
            self._supervise()
        finally:
            self._stop()
        return EXIT_OK

    def _await_serving(self) -> None:
        deadline = time.monotonic() + SERVING_SECONDS
        while not self.stopping.is_set():
            if not self.children["web"].running:
                raise LaunchError(
                    "The web server ended while it started.", "The lines above say why."
                )
            if time.monotonic() > deadline:
                raise LaunchError(
                    f"The site did not answer within {SERVING_SECONDS:.0f} s.",
                    "Look at the lines above.",
                )
            if _answers(self.address):
                return
            time.sleep(0.1)

    def _greet(self) -> None:
        if self.stopping.is_set():
            return
        say(f"serving at {self.address}")
        link = _first_link(self.address)
        if link:
            say(f"make the first instructor account here (works once): {link}")
        say("Ctrl-C stops everything")

    def _supervise(self) -> None:
        while not self.stopping.wait(0.2):
            for child in self.children.values():
                child.revive(self.env)
            if self.watch.ready.is_set() and self.children["worker"].process is None:
                self.children["worker"].start(self.env)
                say("grading is ready")

    def _stop(self) -> None:
        self.stopping.set()
        say("stopping; a second Ctrl-C stops at once")
        write_state(
            self.home, "unavailable", "The worker is stopped.", "Start it again with ./seatrial up."
        )
        stop_all(self.children.values(), self.hurry)
        self._sweep()
        self.watch.stop_engine()
        say("stopped")

    def _sweep(self) -> None:
        """Remove the containers of runs that were cut off; the runs themselves go on at the next
        start.
        """
        if self.watch.sandbox is None:
            return
        from grader.engines.docker.sandbox import DockerSandbox
        from submissions.tasks import installation

        try:
            sandbox = DockerSandbox(self.watch.sandbox.client, installation=installation())
            removed = sandbox.sweep(is_alive=lambda _run, _fence: False)
        except SeatrialError as error:
            say(
                f"leftovers in the engine could not be removed: {error.message} The next start "
                "tries again."
            )
            return
        if removed:
            say(f"removed {removed} leftovers of runs that were cut off")


def _children(host: str, port: int) -> dict[str, Child]:
    web = [PYTHON, "-m", "uvicorn", "config.asgi:application", "--host", host, "--port", str(port)]
    web += [
        "--log-level",
        "warning",
        "--no-access-log",
        "--lifespan",
        "off",
        "--timeout-graceful-shutdown",
        "3",
    ]
    web += ["--limit-concurrency", "400"]
    celery = [PYTHON, "-W", f"ignore:{AS_ROOT}", "-m", "celery", "--quiet", "-A", "config"]
    worker = [
        *celery,
        "worker",
        "--concurrency",
        str(slot_count() + 1),
        "--pool",
        "prefork",
        "--loglevel",
        "WARNING",
    ]
    worker += ["--without-gossip", "--without-mingle"]
    return {
        "web": Child(
            "web server", web, 6.0, orphaned=signal.SIGKILL
        ),  # it holds nothing but the port
        "worker": Child("worker", worker, 10.0),
    }


def _migrate() -> None:
    """Bring the database to this version. Runs in this process, which saves a start of Python."""
    import django
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import call_command
    from django.db import Error

    try:
        django.setup()
        with _note_after(1.0, "bringing the database up to date"):
            call_command("migrate", interactive=False, verbosity=0)
    except ImproperlyConfigured as error:
        raise LaunchError(f"A setting is wrong: {error}", "Correct it and start again.") from error
    except Error as error:
        raise LaunchError(
            f"The database can't be used: {error}",
            "Check DATABASE_URL, or the rights on the data folder.",
        ) from error


def _sync_labs() -> None:
    """Publish changed labs. A broken lab folder is named, and the rest of the site goes on."""
    from django.core.management import CommandError, call_command

    with _note_after(1.0, "publishing labs"):
        try:
            out = io.StringIO()
            call_command("lab_sync", stdout=out)
        except CommandError as error:
            say(f"some labs were not published:\n{error}")
    for line in out.getvalue().splitlines():
        if line.startswith("draft"):
            say(line)


def sync(content: str | None) -> int:
    """Publish changed labs into a database that may be new.

    Returns 0, or 1 when a lab folder is broken.
    """
    from django.core.management import CommandError, call_command

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    _migrate()
    try:
        call_command("lab_sync", *([content] if content else []))
    except CommandError as error:
        print(error, file=sys.stderr)
        return EXIT_FAILED
    return EXIT_OK


def _first_link(address: str) -> str:
    from django.core.management import call_command
    from django.db import connections

    out = io.StringIO()
    with redirect_stderr(io.StringIO()):
        call_command("first_link", base_url=address, stdout=out, stderr=io.StringIO())
    connections.close_all()
    return out.getvalue().strip()


@contextmanager
def _note_after(seconds: float, text: str) -> Iterator[None]:
    """Print ``text`` if the block takes longer than ``seconds``."""
    timer = threading.Timer(seconds, say, [text])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _answers(address: str) -> bool:
    """Any HTTP response counts: a page that fails is served, too.

    The proxy settings of the shell are ignored.
    """
    opener: Any = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(address + "/healthz", timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def up(home: Path, host: str, port: int) -> int:
    """Run the site until SIGINT or SIGTERM. Raises LaunchError when something stops the start."""
    preflight.make_home(home)
    with preflight.lock_home(home):
        first = not (home / "installation").exists()
        preflight.check_space(home, first=first)
        preflight.check_port(host, port)
        site = Site(home, host, port)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, site.handle_signal)
        with suppress(KeyboardInterrupt):
            return site.run()
    return EXIT_OK
