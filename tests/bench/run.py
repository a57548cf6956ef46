"""``./seatrial bench NAME [--json FILE]``: run one benchmark, print its table, exit 1 when a figure
is not reached.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path
from typing import Any

from grader.slots import machine_slot

BENCHES = {
    "flake": (
        "tests.bench.flake",
        "the rule for ratios: known ratios, quiet and beside a CPU hog (45 minutes)",
    ),
    "load": ("tests.bench.load", "the load generator: accuracy, cost, and its rate beside k6"),
    "pages": ("tests.bench.pages", "every page with 100,000 runs beside a bare view (15 minutes)"),
    "projects": (
        "tests.bench.projects",
        "twelve everyday projects, built and graded, cold and warm (10 minutes)",
    ),
    "overhead": ("tests.bench.overhead", "a whole run without checks beside a plain script"),
}
COLUMNS = ("figure", "asked", "seen", "holds")


def main(arguments: list[str]) -> int:
    """0 when every figure holds, else 1."""
    parser = argparse.ArgumentParser(prog="seatrial bench", description=__doc__)
    parser.add_argument(
        "name", choices=sorted(BENCHES), help="; ".join(f"{k}: {v[1]}" for k, v in BENCHES.items())
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write everything that was measured"
    )
    chosen = parser.parse_args(arguments)
    with machine_slot(report):  # a bench beside a run would measure the run
        result = importlib.import_module(BENCHES[chosen.name][0]).run(report)
    print(table(result["figures"]))
    if chosen.json:
        chosen.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return 0 if all(row["holds"] for row in result["figures"]) else 1


def report(line: str) -> None:
    """Progress, to standard error: the table is what goes to standard output."""
    print(f"bench: {line}", file=sys.stderr, flush=True)


def table(figures: list[dict[str, Any]]) -> str:
    """The figures as a Markdown table, ready for docs/benchmarks.md."""
    rows = [[_cell(figure, column) for column in COLUMNS] for figure in figures]
    widths = [max(len(row[i]) for row in (list(COLUMNS), *rows)) for i in range(len(COLUMNS))]
    lines = [list(COLUMNS), ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    )


def _cell(figure: dict[str, Any], column: str) -> str:
    value = figure[column]
    if column == "holds":
        return "yes" if value else "NO"
    if column == "seen" and "spread" in figure:
        return f"{value} ({figure['spread'][0]} to {figure['spread'][-1]})"
    return str(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
