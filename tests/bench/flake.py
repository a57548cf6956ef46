"""``bench flake``: does the rule for ratios come out right, on a quiet machine and beside a CPU
hog?

Two services whose true ratio is known are compared by the very code that the ``latency_ratio``
check uses, with its defaults. A/A: equal services at threshold 1.0, where no verdict may be given.
20 % to either side of a threshold: no wrong verdict may be given. Inconclusive is no verdict; how
often and how long is printed.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grader.checks.latency import LatencyParams
from grader.http.client import Target
from grader.load.compare import Plan, compare
from grader.load.targeter import Request
from grader.result import Outcome

ROOT = Path(__file__).resolve().parents[2]
UNITS = 100
RUNS = int(os.environ.get("SEATRIAL_BENCH_RUNS", "50"))
AA_RUNS = max(1, RUNS // 5)
DISTANCE = 0.2
ASKED_AA = (0.93, 1.08)


@dataclass(slots=True)
class Tally:
    """Outcomes of one condition."""

    name: str
    ratios: list[float] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def count(self, outcome: Outcome) -> int:
        return self.outcomes.count(outcome)


@contextlib.contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.spinner", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def service(name: str, units: int) -> Iterator[Target]:
    with started("serve", str(units)) as process:
        assert process.stdout is not None
        yield Target(name, "127.0.0.1", int(process.stdout.readline()))


async def cost_s(target: Target) -> float:
    times = [(await target.request("GET", "/")).total_s for _ in range(20)]
    return statistics.median(times[5:])


async def once(sides: tuple[Target, Target], threshold: float, tally: Tally) -> None:
    defaults = LatencyParams(threshold=threshold)
    plan = Plan(
        threshold=threshold,
        op="at_most",
        rate=2 * defaults.utilisation / await cost_s(sides[1]),
        per_window=defaults.per_window,
        warm_s=defaults.warm_s,
        budget_s=defaults.budget_s,
    )
    began = time.perf_counter()
    seen = await compare(sides, lambda pair: Request("GET", "/"), plan)
    if seen.wrong is not None:
        raise RuntimeError(f"a service of the bench failed: {seen.wrong}")
    tally.seconds.append(time.perf_counter() - began)
    tally.outcomes.append(seen.decision.outcome or Outcome.INCONCLUSIVE)
    if seen.log_ratios:
        tally.ratios.append(math.exp(statistics.median(seen.log_ratios)))
    for side in sides:
        await side.close()


def measure(
    name: str, units: int, threshold: float, runs: int, say: Callable[[str], None]
) -> Tally:
    """``runs`` comparisons of a service of ``units`` with one of ``UNITS``."""
    tally = Tally(name)
    for number in range(runs):
        with service("app", units) as app, service("baseline", UNITS) as baseline:
            asyncio.run(once((app, baseline), threshold, tally))
        ratio = f"{tally.ratios[-1]:.3f}" if tally.ratios else "none"
        say(
            f"{name} {number + 1}/{runs}: {tally.outcomes[-1]}, ratio {ratio}, "
            f"{tally.seconds[-1]:.0f} s"
        )
    return tally


def said(tally: Tally, wrong: Outcome) -> str:
    """Wrong verdicts, inconclusive ones, and how long a verdict took."""
    undecided = tally.count(Outcome.INCONCLUSIVE)
    seconds = f"median {statistics.median(tally.seconds):.0f} s, longest {max(tally.seconds):.0f} s"
    ratios = f"ratios {min(tally.ratios):.2f} to {max(tally.ratios):.2f}"
    return f"{tally.count(wrong)}; {undecided} inconclusive; {seconds}; {ratios}"


def figures(aa: Tally, slow: Tally, fast: Tally) -> list[dict[str, Any]]:
    """The rows of one machine state: asked, seen, holds."""
    middle = statistics.median(aa.ratios)
    verdicts = len(aa.outcomes) - aa.count(Outcome.INCONCLUSIVE)
    rows = [
        {
            "figure": f"{aa.name}: median ratio",
            "asked": f"{ASKED_AA[0]} to {ASKED_AA[1]}",
            "seen": round(middle, 3),
            "spread": [round(min(aa.ratios), 3), round(max(aa.ratios), 3)],
            "holds": ASKED_AA[0] <= middle <= ASKED_AA[1],
        },
        {
            "figure": f"{aa.name}: verdicts at threshold 1.0 in {len(aa.outcomes)} runs",
            "asked": "0",
            "seen": verdicts,
            "holds": verdicts == 0,
        },
    ]
    for tally, wrong in ((slow, Outcome.PASSED), (fast, Outcome.FAILED)):
        rows.append(
            {
                "figure": f"{tally.name}: wrong verdicts in {len(tally.outcomes)} runs",
                "asked": "0",
                "seen": said(tally, wrong),
                "holds": tally.count(wrong) == 0,
                "ratios": [round(ratio, 3) for ratio in tally.ratios],
                "seconds": [round(seconds, 1) for seconds in tally.seconds],
            }
        )
    return rows


def run(say: Callable[[str], None]) -> dict[str, Any]:
    """All conditions, quiet and beside a hog. Takes about 45 minutes with 50 runs each."""
    rows: list[dict[str, Any]] = []
    slow_units, fast_units = round(UNITS * (1 + DISTANCE)), round(UNITS * (1 - DISTANCE))
    for state in ("quiet", "hog"):
        with contextlib.ExitStack() as stack:
            if state == "hog":
                stack.enter_context(started("hog", "flake"))
            rows += figures(
                measure(f"{state}, A/A", UNITS, 1.0, AA_RUNS, say),
                measure(f"{state}, 20 % slower than allowed", slow_units, 1.0, RUNS, say),
                measure(f"{state}, 20 % faster than asked", fast_units, 1.0, RUNS, say),
            )
    return {"figures": rows, "runs": RUNS}
