"""``./seatrial test`` and ``./seatrial check``: set up what the tests need, run them, leave nothing
running.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grader.images import ensure
from launcher.engine_setup import Engine, apt_install, root_prefix
from launcher.problem import EXIT_FAILED, EXIT_OK, EXIT_OURS, EXIT_USAGE, LaunchError, say

ROOT = Path(__file__).resolve().parents[2]
QUICK = ["tests/unit", "-m", "not docker and not browser"]
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PYTEST_CODES = {0: EXIT_OK, 1: EXIT_FAILED, 4: EXIT_USAGE, 5: EXIT_FAILED}
"""pytest says 5 when it found no test: then nothing was proved."""
CHECKS = {
    "ruff check": ["-m", "ruff", "check", "."],
    "ruff format": ["-m", "ruff", "format", "--check", "."],
    "djlint": ["-m", "djlint", "--lint", "--check", "--quiet", "labs", "platform"],
    "mypy": ["-m", "mypy"],
    "lint-imports": [
        "-c",
        "import sys; from importlinter.cli import lint_imports_command; lint_imports_command()",
    ],
}


def test(arguments: list[str], *, quick: bool) -> int:
    """Run pytest with ``arguments``; return our exit code. pytest's closing line is the last thing
    printed.
    """
    if quick:
        return _pytest([*QUICK, *arguments])
    with tempfile.TemporaryDirectory(prefix="seatrial-test-") as folder:
        engine = Engine(Path(folder) / "dockerd.log")
        with _terminable():
            try:
                sandbox = engine.ensure(say)
                ensure(sandbox.client, say)
                _browser()
                return _pytest(arguments)
            finally:
                engine.stop()


def check() -> int:
    """Run ruff, djlint, mypy and import-linter; return 0 when all are content, else 1."""
    failed = []
    for name, command in CHECKS.items():
        say(name)
        if subprocess.run([sys.executable, *command], cwd=ROOT, check=False).returncode:
            failed.append(name)
    if not _labs_are_typed():
        failed.append("mypy of the labs' checks")
    say(f"failed: {', '.join(failed)}" if failed else "all checks pass")
    return EXIT_FAILED if failed else EXIT_OK


def _labs_are_typed() -> bool:
    """mypy over each lab's checks: they decide every verdict, and the probe imports them as
    ``lab_checks``.
    """
    say("mypy, labs' checks")
    good = True
    with tempfile.TemporaryDirectory(prefix="seatrial-check-") as folder:
        for checks in sorted((ROOT / "content" / "labs").glob("*/checks")):
            place = Path(folder) / checks.parent.name
            place.mkdir()
            (place / "lab_checks").symlink_to(checks)
            paths = f"{place}:{ROOT}:{ROOT / 'platform'}"
            options = ["--cache-dir", str(ROOT / ".mypy_cache" / checks.parent.name)]
            command = ["-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), *options]
            good &= not subprocess.run(
                [sys.executable, *command, "-p", "lab_checks"],
                cwd=place,
                env=os.environ | {"MYPYPATH": paths},
                check=False,
            ).returncode
    return good


def _pytest(arguments: list[str]) -> int:
    command = [sys.executable, "-m", "pytest", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL) as running:
        try:
            code = running.wait()
        except BaseException:
            running.send_signal(signal.SIGINT)  # pytest then tears its fixtures down
            try:
                running.wait(60)
            except subprocess.TimeoutExpired:
                running.kill()
            raise
    return PYTEST_CODES.get(code, EXIT_OURS)


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM becomes KeyboardInterrupt, so that the engine is stopped on the way out."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _browser() -> None:
    """Chromium from the system's packages, and what the browser tests take from npm."""
    if not any(shutil.which(name) for name in CHROMIUM):
        say("installing Chromium")
        _install("Chromium", "chromium")
    folder = ROOT / "tests" / "browser"
    locked, done = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"
    if not locked.exists() or (done.exists() and done.stat().st_mtime >= locked.stat().st_mtime):
        return
    if not shutil.which("npm"):
        say("installing npm")
        _install("npm", "npm")
    say("installing the browser tests' npm packages")
    npm = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    result = subprocess.run(npm, cwd=folder, check=False, capture_output=True, text=True)
    if result.returncode:
        tail = "\n".join(result.stderr.strip().splitlines()[-6:])
        raise LaunchError(
            f"'npm ci' in {folder} failed:\n{tail}", "Check that npm reaches its registry."
        )
    os.utime(done)


def _install(what: str, package: str) -> None:
    prefix = root_prefix()
    if prefix is None or not shutil.which("apt-get"):
        raise LaunchError(
            f"{what} is not installed.",
            f"Install the package '{package}' of your system, or run './seatrial test --quick'.",
        )
    apt_install(prefix, package)
