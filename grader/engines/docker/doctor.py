"""``python -m grader.engines.docker.doctor``: try the operator's engine with the attacks that
matter; say what is open.

Exit code 0 when runs are contained (what is ``open`` is named, and can't be closed by us); 1 when
they are not.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from grader.engines.base import ImageRef, PartySpec, Pod, RunLabels
from grader.engines.docker.doctor_probe import PROGRAM
from grader.engines.docker.sandbox import PAUSE_IMAGE, DockerSandbox
from grader.errors import LearnerError, SandboxError, SeatrialError

Level = Literal["ok", "open", "broken"]
PIDS, MEMORY_MB, TMP_MB = 40, 128, 16
MIN_FREE_GB = 5
PATIENCE_S = 60.0
STYLES: dict[Level, str] = {"ok": "green", "open": "yellow", "broken": "bold red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the table.

    ``open``: a known gap to weigh up; ``broken``: untrusted code must not run here.
    """

    what: str
    level: Level
    found: str
    advice: str = ""


def examine(sandbox: DockerSandbox) -> Iterator[Finding]:
    """Look at the engine, then run hostile code in a pod.

    Raises EngineUnavailable, or SandboxError.
    """
    sandbox.check()
    info: dict[str, Any] = sandbox.client.api.info()
    yield from engine_findings(info)
    image = sandbox.image(PAUSE_IMAGE)
    labels = RunLabels(
        f"doctor-{uuid.uuid4().hex}", 1, f"doctor-{uuid.uuid4().hex}", int(time.time()) + 300
    )
    pod = sandbox.open_pod(labels, ("app", "hog"))
    try:
        yield from pod_findings(_attack(pod, image))
        yield _memory(pod, image)
    finally:
        pod.destroy()
    yield disk_finding(str(info.get("DockerRootDir") or ""))


def engine_findings(info: dict[str, Any]) -> Iterator[Finding]:
    """What the engine says about itself (``GET /info``)."""
    security = " ".join(info.get("SecurityOptions") or ())
    yield Finding("engine", "ok", f"{info.get('ServerVersion')} on {info.get('OperatingSystem')}")
    yield Finding(
        "kernel",
        "open",
        str(info.get("KernelVersion")),
        "Shared with all containers: keep it patched.",
    )
    version = str(info.get("CgroupVersion") or "1")
    yield Finding("cgroup", "ok", f"v{version}, {info.get('CgroupDriver')}")
    if not info.get("SwapLimit"):
        yield Finding(
            "swap limit", "open", "not enforced", "Turn swap off, or enable swap accounting (v1)."
        )
    if "name=seccomp" not in security:
        yield Finding(
            "seccomp", "broken", "not supported", "Use an engine and a kernel with seccomp."
        )
    if "name=userns" in security or "name=rootless" in security:
        yield Finding("root in builds", "ok", "is an ordinary user of the host")
    else:
        advice = (
            "Enable user namespaces (userns-remap), a rootless engine, or use machines for this "
            "alone."
        )
        yield Finding("root in builds", "open", "is root of the host, in a container", advice)
    runtimes = sorted(info.get("Runtimes") or {})
    if not any(name.startswith(("runsc", "kata")) for name in runtimes):
        yield Finding(
            "kernel isolation",
            "open",
            "no gVisor or Kata",
            "Use one for people whom you don't know.",
        )


def pod_findings(tried: dict[str, Any]) -> Iterator[Finding]:
    """What hostile code came to; see ``doctor_probe``."""

    def expect(what: str, good: bool, found: str, advice: str) -> Finding:
        return Finding(what, "ok" if good else "broken", found, "" if good else advice)

    links, reached = tried["interfaces"], tried["reached"]
    yield expect("network", links == ["lo"] and not reached, f"{', '.join(links)}; reached: {reached or 'nothing'}",
                 "Something adds a network to containers; remove it from the engine's settings.")  # fmt: skip
    yield expect(
        "names",
        tried["resolves"] == "127.0.0.2",
        f"app is {tried['resolves']}",
        "The engine ignores hosts.",
    )
    yield expect("privileges", tried["nnp"] == "1" and tried["caps"] == 0 and tried["uid"] == 10001,
                 f"uid {tried['uid']}, capabilities {tried['caps']:x}, no_new_privs {tried['nnp']}",
                 "The engine ignores cap_drop or no-new-privileges.")  # fmt: skip
    yield expect(
        "root file system",
        tried["rootfs"] == "EROFS",
        tried["rootfs"],
        "The engine ignores read_only.",
    )
    yield expect(
        "tmpfs limit",
        tried["tmp_mb"] <= TMP_MB,
        f"{tried['tmp_mb']} of {TMP_MB} MiB",
        "It is not bounded.",
    )
    yield expect(
        "process limit",
        tried["forks"] < PIDS,
        f"{tried['forks']} of {PIDS}",
        "Enable the pids controller.",
    )
    for name, what in (
        ("vsock", "AF_VSOCK"),
        ("io_uring", "io_uring"),
        ("userns", "user namespaces"),
    ):
        shut = tried[name] != "open"
        yield expect(what, shut, tried[name], "The engine ignores our seccomp profile.")


def disk_finding(root: str) -> Finding:
    """Free space where the engine keeps its data, when that is on this machine."""
    if not root or not Path(root).is_dir():
        return Finding(
            "free disk", "open", "the engine runs elsewhere", f"Keep {MIN_FREE_GB} GB free there."
        )
    free = shutil.disk_usage(root).free / 1e9
    advice = "Free some space, or give the engine a file system of its own."
    return Finding("free disk", "ok" if free >= MIN_FREE_GB else "broken", f"{free:.0f} GB in {root}",
                   "" if free >= MIN_FREE_GB else advice)  # fmt: skip


def _attack(pod: Pod, image: ImageRef) -> dict[str, Any]:
    command = ("python3", "-c", PROGRAM)
    pod.start(
        PartySpec(
            "app", "app", image, command=command, pids=PIDS, memory_mb=MEMORY_MB, tmp_mb=TMP_MB
        )
    )
    _ended(pod, "app")
    for line in pod.logs("app").splitlines():
        if line.startswith("RESULT "):
            tried: dict[str, Any] = json.loads(line.removeprefix("RESULT "))
            return tried
    raise SandboxError(f"The doctor's own program failed in the pod: {pod.logs('app')[-500:]}")


def _memory(pod: Pod, image: ImageRef) -> Finding:
    hog = "hoard = [bytearray(b'x' * (1 << 20)) for _ in range(1024)]"
    pod.start(PartySpec("hog", "app", image, command=("python3", "-c", hog), memory_mb=64))
    _ended(pod, "hog")
    state = pod.state("hog")
    if state.exit_code == 137:
        return Finding("memory limit", "ok", "a program over it was killed")
    return Finding(
        "memory limit", "broken", f"exit code {state.exit_code}", "Enable the memory controller."
    )


def _ended(pod: Pod, name: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while pod.state(name).running:
        if time.monotonic() > deadline:
            raise SandboxError(f"The doctor's own program did not end within {PATIENCE_S:g} s.")
        time.sleep(0.1)


def main() -> int:
    """Print a table; 0 when contained, 1 when not or when no engine answers."""
    console = Console()
    table = Table("check", "", "found", "what to do", title="The container engine")
    findings = []
    problem: SeatrialError | None = None
    try:
        for finding in examine(DockerSandbox()):
            findings.append(finding)
            table.add_row(
                finding.what,
                f"[{STYLES[finding.level]}]{finding.level}[/]",
                finding.found,
                finding.advice,
            )
    except LearnerError as error:
        problem = SandboxError(error.message)
    except SeatrialError as error:
        problem = error
    if findings:
        console.print(table)
    if problem is not None:
        console.print(problem.message, style="bold red", markup=False)
        console.print(problem.advice or "Mend this first; then ask the doctor again.", markup=False)
        return 1
    broken = sum(finding.level == "broken" for finding in findings)
    count_open = sum(finding.level == "open" for finding in findings)
    if broken:
        console.print(
            f"{broken} broken: do not run untrusted code on this engine.", style="bold red"
        )
        return 1
    console.print(f"Runs are contained. {count_open} open: docs/security.md says what that means.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
