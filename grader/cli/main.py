"""Arguments and exit codes: 0 passed, 1 failed, 2 usage, 3 our own error, 4 inconclusive."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from rich.console import Console

from grader.cli import grade, lab
from grader.errors import ArchiveRefused, SeatrialError, SpecError

OK, FAILED, USAGE, OURS, INCONCLUSIVE = 0, 1, 2, 3, 4


def content_root() -> Path:
    """Where the labs are: SEATRIAL_CONTENT, or content/ beside the package."""
    return Path(os.environ.get("SEATRIAL_CONTENT") or Path(__file__).parents[2] / "content")


def parser() -> argparse.ArgumentParser:
    """All subcommands with their help."""
    root = argparse.ArgumentParser(prog="seatrial", description=__doc__)
    commands = root.add_subparsers(dest="command", required=True)
    one = commands.add_parser("grade", help="grade a project folder or archive, without the site")
    one.add_argument("lab", help="id of the lab, e.g. rag-service")
    one.add_argument("path", type=Path, help="project folder, .zip or .tar.gz with a Dockerfile")
    one.add_argument(
        "--json", type=Path, metavar="FILE", help="write the result here, '-' for standard output"
    )
    one.add_argument("--seed", help="repeat a run: the seed that stands on its result")
    one.add_argument(
        "--only", action="append", default=[], metavar="CRITERION", help="grade only this criterion"
    )
    one.set_defaults(run=grade.run)
    lab.add_commands(commands)
    doctor = commands.add_parser("doctor", help="check the container engine and print what is open")
    doctor.set_defaults(run=_doctor)
    return root


def _doctor(_: argparse.Namespace, __: Path, ___: Console) -> int:
    from grader.engines.docker import doctor

    return doctor.main()


def _interrupt(_number: int, _frame: object) -> None:
    """Ends the command once, politely. A second signal must not cut the tearing down short: Ctrl-C
    reaches the whole process group, and the launcher passes it on besides.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    console = Console(stderr=True, highlight=False)
    arguments = parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments, content_root(), console)
        return code
    except (SpecError, ArchiveRefused) as error:
        _tell(console, error)
        return USAGE
    except SeatrialError as error:
        _tell(console, error)
        return OURS
    except KeyboardInterrupt:
        console.print("Stopped; everything that was started is gone.")
        return OURS


def _tell(console: Console, error: SeatrialError) -> None:
    console.print(error.message, style="bold red", markup=False)
    if error.advice:
        console.print(error.advice, markup=False)


if __name__ == "__main__":
    sys.exit(main())
