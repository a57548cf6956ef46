"""The ground of the base image: pulled from a registry where one answers, made by mmdebstrap where
none does.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import docker
from docker.errors import DockerException
from requests.exceptions import RequestException

from grader.errors import EngineUnavailable

PULLED = "python:3.13-slim"
"""The same Debian release as the one below, with Python 3.13."""
PULL_SECONDS = 180.0
SUITE = "trixie"
PACKAGES = ("python3", "python3-venv", "python3-pip", "ca-certificates", "libgomp1")
MMDEBSTRAP_SECONDS = 900.0
ADVICE = (
    "The base image needs either a container registry or Debian's mmdebstrap. On Debian or Ubuntu "
    "run "
    "'apt-get install mmdebstrap' as root and try again. Elsewhere let the engine reach a registry "
    "that serves "
    f"{PULLED}, or load that image with 'docker load'."
)


_running: set[subprocess.Popen[str]] = set()


@atexit.register
def _stop_running() -> None:
    """The program may end while a thread of it makes the image: mmdebstrap then cleans up and ends
    as well.
    """
    for process in list(_running):
        process.terminate()


def root_image(client: docker.DockerClient, progress: Callable[[str], None]) -> str:
    """Return the id of an image with Debian trixie and Python 3.13.

    Raises EngineUnavailable with advice.
    """
    held = _held(client)
    if held:
        return held
    progress(f"looking for {PULLED} in a registry")
    pulled = _pull(client)
    if pulled:
        return pulled
    progress("no registry answers; making Debian trixie with mmdebstrap (about 20 s)")
    return _bootstrap(client, progress)


def _held(client: docker.DockerClient) -> str | None:
    try:
        return str(client.images.get(PULLED).id)
    except DockerException:
        return None


def _pull(client: docker.DockerClient) -> str | None:
    """Pull in a thread of its own, because an engine without a way out may hang in a name
    lookup.
    """
    done = threading.Event()

    def work() -> None:
        try:
            client.api.pull(PULLED.partition(":")[0], tag=PULLED.partition(":")[2])
        except (DockerException, RequestException):
            pass
        finally:
            done.set()

    threading.Thread(target=work, daemon=True).start()
    return _held(client) if done.wait(PULL_SECONDS) else None


def _bootstrap(client: docker.DockerClient, progress: Callable[[str], None]) -> str:
    if not shutil.which("mmdebstrap"):
        _install_mmdebstrap(progress)
    with tempfile.TemporaryDirectory(prefix="seatrial-base-") as folder:
        tar = Path(folder) / "base.tar"
        command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
        command += [
            "--dpkgopt=path-exclude=/usr/share/man/*",
            "--dpkgopt=path-exclude=/usr/share/locale/*",
        ]
        _run([*command, SUITE, str(tar)], MMDEBSTRAP_SECONDS)
        progress("importing Debian trixie into the engine")
        response = client.api.import_image(str(tar))
    return _imported_id(response)


def _imported_id(response: object) -> str:
    """The engine answers JSON lines; the last one carries the id."""
    last = json.loads(str(response).strip().splitlines()[-1])
    if "error" in last:
        raise EngineUnavailable(
            f"The engine could not import the base image: {last['error']}", ADVICE
        )
    return str(last["status"])


def _install_mmdebstrap(progress: Callable[[str], None]) -> None:
    if not shutil.which("apt-get"):
        raise EngineUnavailable("No registry answers, and mmdebstrap is not installed.", ADVICE)
    prefix: list[str] = []
    if os.geteuid() != 0:
        prefix = ["sudo", "-n"]
        if (
            not shutil.which("sudo")
            or subprocess.run(["sudo", "-n", "true"], check=False, capture_output=True).returncode
        ):
            raise EngineUnavailable("No registry answers, and mmdebstrap is not installed.", ADVICE)
    progress("installing mmdebstrap")
    environment = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive"]
    _run([*environment, "apt-get", "-q", "update"], 300.0)
    _run(
        [*environment, "apt-get", "-q", "install", "-y", "--no-install-recommends", "mmdebstrap"],
        300.0,
    )


def _run(command: list[str], seconds: float) -> None:
    """Run a host command.

    Raises EngineUnavailable with the end of its output when it fails or hangs.
    """
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        _running.add(process)
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.terminate()
            raise EngineUnavailable(
                f"{command[0]} did not end within {seconds:.0f} s.", ADVICE
            ) from None
        finally:
            _running.discard(process)
    if process.returncode:
        tail = "\n".join(output.strip().splitlines()[-8:])
        raise EngineUnavailable(f"'{' '.join(command[:4])} ...' failed:\n{tail}", ADVICE)
