"""``python -m launcher up|test|check|sync``;

``./seatrial`` calls it inside the environment.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from launcher.problem import EXIT_OURS, LaunchError

ROOT = Path(__file__).resolve().parents[2]


def main(argv: list[str]) -> int:
    """Return the exit code: 0 passed, 1 failed, 2 usage, 3 our own error."""
    if argv[:1] == ["engine"]:
        return _guarded(lambda: _with_engine(argv[1:]))
    parser = argparse.ArgumentParser(
        prog="seatrial", description="Start the site, or run the tests."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="set everything up and start the site", description=UP)
    up.add_argument("--port", type=_port, default=8000, help="port of the site (default 8000)")
    up.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default 127.0.0.1: this machine only)",
    )
    up.add_argument(
        "--home", type=Path, help="data folder (default: SEATRIAL_HOME, or var/ in the checkout)"
    )
    test = commands.add_parser("test", help="set everything up and run all tests", description=TEST)
    test.add_argument(
        "--quick", action="store_true", help="unit tests alone, without an engine and a browser"
    )
    commands.add_parser("check", help="ruff, mypy and import-linter")
    commands.add_parser("mutate", help="change the arithmetic of verdicts; the tests must notice")
    sync = commands.add_parser("sync", help="publish changed labs to the site as new versions")
    sync.add_argument("content", nargs="?", help="the content folder (default: content/)")
    options, rest = parser.parse_known_args(argv)
    if rest and options.command != "test":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    os.chdir(ROOT)
    return _guarded(lambda: _run(options, rest))


def _with_engine(command: list[str]) -> int:
    """For the entry script: make sure that an engine answers, then run Python with these
    arguments.
    """
    from launcher.engine_run import run_with_engine

    return run_with_engine(command)


def _guarded(work: Callable[[], int]) -> int:
    """The exit code of ``work``; what goes wrong becomes words and code 3."""
    try:
        return work()
    except LaunchError as error:
        print(f"\n{error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
    except Exception:
        traceback.print_exc()
        print(
            "\nThis is a fault of Seatrial itself; please report it with the lines above.",
            file=sys.stderr,
        )
    return EXIT_OURS


def _run(options: argparse.Namespace, rest: list[str]) -> int:
    if options.command == "up":
        from launcher.up import up

        home = options.home or Path(os.environ.get("SEATRIAL_HOME", "").strip() or ROOT / "var")
        return up(home.expanduser().resolve(), options.host, options.port)
    if options.command == "sync":
        from launcher.up import sync

        return sync(options.content)
    if options.command == "mutate":
        from launcher.mutate import mutate

        return mutate()
    from launcher import testing

    if options.command == "test":
        return testing.test([word for word in rest if word != "--"], quick=options.quick)
    return testing.check()


def _port(text: str) -> int:
    value = int(text) if text.isdigit() else 0
    if not 1 <= value <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; write a number from 1 to 65535")
    return value


UP = (
    "Make the environment, find or install a container engine, build the sandbox images, update "
    "the "
    "database, publish the labs and serve the site. The site comes up first; grading starts when "
    "the engine is ready. "
    "Ctrl-C stops everything."
)
TEST = "Set up the engine, the images and Chromium, then run pytest. Other arguments go to pytest."

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
