"""One attack by Seatrial's own engine in a process of its own:

``python load_generator.py '{...}'`` in the probe image.

Takes {path, rate, seconds, port, streaming} and prints what was measured as one line of JSON, in
milliseconds. Runs on uvloop, as the probe does.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvloop

from grader.http.client import Target
from grader.load.attack import attack
from grader.load.metrics import percentile
from grader.load.pacer import constant
from grader.load.targeter import Answer, Request

FIRST_S, GAP_S, TOKENS = 0.080, 0.025, 40


def right(answer: Answer) -> str:
    """Validated as a check would: the status, and the meaning of the body."""
    if answer.status != 200:
        return f"status {answer.status}"
    try:
        body = json.loads(answer.body)
        good = body["label"] == "positive" and abs(body["score"] - 0.9731) < 1e-3
    except (ValueError, KeyError, TypeError):
        good = False
    return "" if good else "a wrong answer"


def whole_stream(answer: Answer) -> str:
    return "" if len(answer.events()) == TOKENS else f"{len(answer.events())} tokens"


def ms(values: Sequence[float]) -> dict[str, float | None]:
    at = {f"p{q}": percentile(values, q) for q in (50, 95, 99, 100)}
    return {
        name: round(value * 1000, 4) if math.isfinite(value) else None for name, value in at.items()
    }


def peak_mb() -> float:
    """The largest resident set of this process, in MB of 10^6 bytes."""
    status = Path("/proc/self/status").read_text()
    return round(int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6, 1)


async def main(wanted: dict[str, Any]) -> dict[str, Any]:
    streaming = bool(wanted.get("streaming"))
    request = Request("GET", wanted["path"], validate=whole_stream if streaming else right)
    schedule = constant(wanted["rate"], wanted["seconds"])
    target = Target("app", "127.0.0.1", wanted["port"])
    cpu, began = time.process_time(), time.perf_counter()
    samples = await attack(
        [target], schedule, lambda _: request, connections=32, streaming=streaming
    )
    wall = time.perf_counter() - began
    out = {
        "asked": len(schedule),
        "sent": len(samples),
        "errors": samples.errors(),
        "lag": ms(samples.lag_s),
        "latency": ms(samples.latency_s),
        "late": samples.client_was_late(),
        "cpu_s": round(time.process_time() - cpu, 4),
        "wall_s": round(wall, 3),
        "rss_mb": peak_mb(),
    }
    if streaming:
        out["ttft_error"] = ms([abs(t - FIRST_S) for t in samples.ttft_s])
        out["gap_error"] = ms([abs(gap - GAP_S) for gap in samples.token_gaps()])
        out["tokens_per_s"] = round(samples.tokens_per_s(), 1)
    return out


if __name__ == "__main__":
    print(json.dumps(uvloop.run(main(json.loads(sys.argv[1])))))
