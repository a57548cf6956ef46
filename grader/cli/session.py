"""What every grading command needs: an engine with our images, and one run with its events on the
terminal.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from rich.console import Console

from grader.engines.base import Sandbox
from grader.errors import SpecError
from grader.events import CheckFinished, Event, LogLine, PhaseFinished, PhaseStarted
from grader.lab import LabContent, load_lab
from grader.result import Outcome

STYLE = {
    Outcome.PASSED: "green",
    Outcome.FAILED: "red",
    Outcome.INCONCLUSIVE: "magenta",
    Outcome.SKIPPED: "bright_black",
}
INSTALLATION = f"cli-{secrets.token_hex(6)}"


def new_seed() -> str:
    """A fresh seed, e.g. '7c1d-40ab-92e6'."""
    return "-".join(secrets.token_hex(2) for _ in range(3))


def open_sandbox(console: Console) -> Sandbox:
    """The local engine, with our images made if any is missing or stale.

    Raises EngineUnavailable.
    """
    from grader import images
    from grader.engines.docker.sandbox import DockerSandbox

    sandbox = DockerSandbox(installation=INSTALLATION)
    sandbox.check()
    sandbox.sweep(is_alive=lambda _run, _fence: True)  # what expired runs left; ours has only begun
    images.ensure(
        sandbox.client, lambda line: console.print(line, style="bright_black", markup=False)
    )
    return sandbox


def find_lab(content: Path, lab_id: str) -> LabContent:
    """A lab by id. Raises SpecError that lists what there is."""
    folder = content / "labs" / lab_id
    if not (folder / "lab.yaml").is_file():
        known = sorted(p.parent.name for p in (content / "labs").glob("*/lab.yaml"))
        raise SpecError(f"There is no lab {lab_id!r}.", f"Labs here: {', '.join(known) or 'none'}.")
    return load_lab(folder)


class Reporter:
    """Prints events as they come."""

    def __init__(self, console: Console, *, build_log: bool = True) -> None:
        self.console, self.build_log = console, build_log

    def __call__(self, event: Event) -> None:
        say = self.console.print
        if isinstance(event, PhaseStarted):
            say(f"  {event.phase} …", style="bright_black")
        elif isinstance(event, PhaseFinished):
            word = "done" if event.ok else "failed"
            say(
                f"  {event.phase} {word} in {event.seconds:.1f} s {event.message}",
                style="bright_black",
                markup=False,
            )
        elif (
            isinstance(event, LogLine)
            and (event.source != "build" or self.build_log)
            and event.source != "app"
        ):
            say(f"    {event.text}", style="bright_black", markup=False)
        elif isinstance(event, CheckFinished):
            r = event.result
            value = r.measured.text if r.measured else ""
            say(
                (
                    f"  {r.criterion:<18} [{STYLE[r.outcome]}]{r.outcome.value:<12}[/] {r.points:>4g} "
                    f"/ {r.max_points:<4g}"
                ),
                end="",
            )
            say(f" {value}", markup=False)
