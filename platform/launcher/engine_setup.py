"""Makes sure that a container engine answers: the one that runs, one that systemd starts, or one of
our own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from grader.engines.docker.sandbox import DockerSandbox
from grader.errors import EngineUnavailable
from launcher.problem import LaunchError

Progress = Callable[[str], None]
SYSTEMD = Path("/run/systemd/system")
DEBIAN = Path("/etc/debian_version")
START_SECONDS = 40.0
APT_SECONDS = 900.0
PID_FILES = {
    "dockerd": Path("/var/run/docker.pid"),
    "containerd": Path("/var/run/docker/containerd/containerd.pid"),
}
"""After a crash these name processes that are gone; once another process has that number, the
engine won't start.
"""
INSTALL = (
    "Install Docker Engine 20.10 or newer and start it. On Debian or Ubuntu: 'apt-get install "
    "docker.io iptables' as "
    "root, then 'systemctl start docker'. On other systems: Docker's package of your distribution, "
    "or Docker Desktop. "
    "DOCKER_HOST names an engine elsewhere. Seatrial looks again every 15 s; nothing has to be "
    "started anew."
)


class Engine:
    """The container engine of this machine. ``stop`` ends it only if this object started it."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._daemon: subprocess.Popen[bytes] | None = None
        self._prefix: list[str] = []

    def ensure(self, progress: Progress) -> DockerSandbox:
        """Return a sandbox whose engine answers. Installs and starts Docker where that is allowed.

        Raises LaunchError that says what to install, EngineUnavailable when an engine answers but
        lacks something.
        """
        sandbox = DockerSandbox()
        problem = unanswered(sandbox)
        if problem is None:
            sandbox.check()
            return sandbox
        if os.environ.get("DOCKER_HOST"):
            raise LaunchError(
                f"DOCKER_HOST names an engine that does not answer: {problem}",
                "Start that engine, or unset DOCKER_HOST.",
            )
        self._start(problem, progress)
        sandbox = DockerSandbox()
        sandbox.check()
        return sandbox

    def _start(self, problem: str, progress: Progress) -> None:
        prefix = root_prefix()
        if prefix is None:
            advice = INSTALL if not shutil.which("docker") else _RIGHTS
            raise LaunchError(f"No container engine answers: {problem}", advice)
        self._prefix = prefix
        if not _daemon_path() and not DEBIAN.exists():
            raise LaunchError(f"No container engine answers: {problem}", INSTALL)
        if not _daemon_path():
            progress("installing docker.io and iptables")
            apt_install(prefix, "docker.io", "iptables")
        progress("starting the container engine")
        if SYSTEMD.is_dir():
            _run([*prefix, "systemctl", "start", "docker"], 90.0)
            self._await(progress)
        else:
            self._spawn(prefix)
            self._await(progress)

    def _spawn(self, prefix: list[str]) -> None:
        """Without systemd the engine is a child of ours, in a session of its own, with its log in
        the home.
        """
        self._log.parent.mkdir(parents=True, exist_ok=True)
        for name, file in PID_FILES.items():
            if is_stale(file, name):
                _run([*prefix, "rm", "-f", str(file)], 10.0)
        command = [*prefix, str(_daemon_path() or "dockerd")]
        if prefix:
            command += ["--group", str(os.getgid())]  # its socket is then open to this user's group
        with self._log.open("ab") as log:
            self._daemon = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def _await(self, progress: Progress) -> None:
        deadline = time.monotonic() + START_SECONDS
        problem: str | None = "it did not start"
        while time.monotonic() < deadline:
            problem = unanswered(DockerSandbox())
            if problem is None:
                progress("the container engine answers")
                return
            if self._daemon and self._daemon.poll() is not None:
                problem = (
                    f"dockerd ended with code {self._daemon.returncode}: {_last_line(self._log)}"
                )
                self._daemon = None
                break
            time.sleep(0.3)
        rights = "ermission" in str(problem)
        self.stop()
        raise LaunchError(
            f"The container engine did not start: {problem}",
            _RIGHTS if rights else f"Read {self._log}, then start again.",
        )

    def stop(self) -> None:
        """Stop the dockerd that this object started; a running system service is left alone."""
        daemon, self._daemon = self._daemon, None
        if daemon is None or daemon.poll() is not None:
            return
        with suppress(OSError):
            if self._prefix:
                subprocess.run(
                    [*self._prefix, "kill", "-TERM", str(daemon.pid)],
                    check=False,
                    capture_output=True,
                )
            else:
                daemon.terminate()
        try:
            daemon.wait(30)
        except subprocess.TimeoutExpired:
            subprocess.run(
                [*self._prefix, "kill", "-KILL", str(daemon.pid)], check=False, capture_output=True
            )
            with suppress(subprocess.TimeoutExpired):
                daemon.wait(5)


_RIGHTS = (
    "Docker is there, but this user may not use it, or it does not run. Start it with 'systemctl "
    "start docker' as root "
    "and add yourself to its group: 'usermod -aG docker NAME' as root, then log in again."
)


def unanswered(sandbox: DockerSandbox) -> str | None:
    """Return why the engine does not answer, or None when it does."""
    try:
        sandbox.client.ping()
    except EngineUnavailable as error:
        return error.message.removeprefix("No container engine answers: ")[:200]
    except Exception as error:
        # docker-py lets errors of requests, urllib3 and the socket through; all of them mean the
        # same here.
        return str(error)[:200]
    return None


def is_stale(file: Path, name: str) -> bool:
    """Whether the pid file names a process that is not ``name`` (any more)."""
    try:
        pid = int(file.read_text())
    except (OSError, ValueError):
        return file.exists()
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() != name
    except OSError:
        return True


def root_prefix() -> list[str] | None:
    """Return what makes a command run as root: nothing, or sudo without a password.

    None when neither is possible.
    """
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo"):
        asked = subprocess.run(["sudo", "-n", "true"], check=False, capture_output=True)
        if asked.returncode == 0:
            return ["sudo", "-n"]
    return None


def apt_install(prefix: list[str], *packages: str) -> None:
    """Install Debian packages. Raises LaunchError with the end of apt's output."""
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]
    _run([*apt, "update"], APT_SECONDS)
    _run([*apt, "install", "-y", "--no-install-recommends", *packages], APT_SECONDS)


def _run(command: list[str], seconds: float) -> None:
    shown = " ".join(
        word for word in command if word not in {"env", "DEBIAN_FRONTEND=noninteractive", "-q"}
    )
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except (subprocess.TimeoutExpired, OSError) as error:
        raise LaunchError(
            f"'{shown}' did not end well: {error}", "Run it by hand, then start again."
        ) from None
    if done.returncode:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-6:])
        raise LaunchError(f"'{shown}' failed:\n{tail}", "Run it by hand, then start again.")


def _daemon_path() -> str | None:
    return shutil.which("dockerd") or shutil.which(
        "dockerd", path="/usr/sbin:/usr/local/sbin:/sbin"
    )


def _last_line(path: Path) -> str:
    try:
        lines = path.read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1][:300] if lines else ""
