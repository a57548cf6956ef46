"""``python -m grader.images [names]``: build what is missing or stale, print what the engine
holds.
"""

from __future__ import annotations

import argparse
import sys

import docker
from docker.errors import DockerException

from grader.errors import EngineUnavailable
from grader.images import NAMES, current, ensure
from grader.images.catalog import full_name


def main(argv: list[str] | None = None) -> int:
    """Return 0 when every wanted image is there, 2 for a wrong name, 3 when the engine or a build
    failed.
    """
    parser = argparse.ArgumentParser(
        prog="seatrial images", description="Build the sandbox images that are missing."
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"one of {', '.join(NAMES)}; default: all that are always used",
    )
    parser.add_argument("--list", action="store_true", help="only say which are current")
    options = parser.parse_args(argv)
    try:
        names = [full_name(name) for name in options.names]
    except KeyError as error:
        print(f"No image of ours is called {error}. There are {', '.join(NAMES)}.", file=sys.stderr)
        return 2
    try:
        client = docker.from_env(timeout=600)
        if options.list:
            held = current(client)
            for name in names or NAMES:
                print(f"{name}  {held.get(name, 'missing or stale')}")
            return 0
        for name, image in ensure(
            client, lambda line: print(line, flush=True), names or None
        ).items():
            print(f"{name}  {image}")
    except EngineUnavailable as error:
        print(f"{error.message}\n{error.advice}", file=sys.stderr)
        return 3
    except DockerException as error:
        print(
            f"No container engine answers: {error}\nStart Docker, or run ./seatrial up.",
            file=sys.stderr,
        )
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
