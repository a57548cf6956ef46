"""``bench load``: is the load generator exact, and what does it cost?

Beside known targets and beside k6.

Three containers of the probe's image share one network namespace without any way out: the targets,
Seatrial's generator (one CPU), and k6. Generator and targets are processes of their own, as they
are in a run. Where the machine stalls, the best of three attempts counts; all are in the JSON.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
from docker.models.containers import Container

from grader import images
from tests.bench import load_k6

HERE = Path(__file__).parent
TRIES = 3
ONE_CPU = 1_000_000_000
LABEL = {"seatrial.bench": "load"}
Row = dict[str, Any]
Say = Callable[[str], None]


@dataclass(slots=True)
class Stage:
    """The containers, and the port of the targets."""

    say: Say
    ours: Container
    k6: Container
    port: int
    attempts: list[dict[str, Any]] = field(default_factory=list)

    def generate(self, path: str, rate: float, seconds: float, **more: Any) -> dict[str, Any]:
        """One attack by our generator, in a fresh process on one CPU."""
        wanted = {"path": path, "rate": rate, "seconds": seconds, "port": self.port, **more}
        return self._run(
            self.ours,
            ["python", "/bench/load_generator.py", json.dumps(wanted)],
            "seatrial",
            wanted,
        )

    def second_opinion(
        self, path: str, rate: float, seconds: float, *, one_core: bool
    ) -> dict[str, Any]:
        """The same attack by k6: on one core like ours, or with all it can get."""
        wanted = {"path": path, "rate": rate, "seconds": seconds, "port": self.port}
        wanted |= {"users": load_k6.USERS, "one_core": one_core}
        container = self.ours if one_core else self.k6
        return self._run(
            container, ["python", "/bench/k6_runner.py", json.dumps(wanted)], "k6", wanted
        )

    def restart(self) -> None:
        """Let the targets forget what they counted."""
        self.generate("/restart", 1, 1)

    def _run(
        self, container: Container, command: list[str], who: str, wanted: dict[str, Any]
    ) -> dict[str, Any]:
        code, output = container.exec_run(command, demux=True)
        if code:
            raise RuntimeError(
                f"{who} ended with {code}: {(output[1] or output[0] or b'').decode()[-2000:]}"
            )
        measured: dict[str, Any] = json.loads(output[0])
        self.attempts.append({"by": who, "wanted": wanted, "measured": measured})
        return measured


@contextlib.contextmanager
def staged(say: Say) -> Iterator[Stage]:
    """Start the containers; remove them at the end."""
    client = docker.from_env(timeout=300)
    made: list[Container] = []

    def start(command: list[str], network: str, **more: Any) -> Container:
        made.append(
            client.containers.create(
                "seatrial/probe:1",
                command,
                network_mode=network,
                cap_drop=["ALL"],
                mem_limit="1g",
                labels=LABEL,
                **more,
            )
        )
        made[-1].put_archive("/", _archive())
        made[-1].start()
        return made[-1]

    try:
        images.ensure(client, say, ["probe"])
        targets = start(["python", "/bench/targets.py"], "none")
        port = int(next(iter(targets.logs(stream=True, follow=True))))
        beside = f"container:{targets.id}"
        yield Stage(
            say,
            start(["sleep", "3600"], beside, nano_cpus=ONE_CPU),
            start(["sleep", "3600"], beside),
            port,
        )
    finally:
        for container in reversed(made):
            container.remove(force=True)
        client.close()


def _archive() -> bytes:
    """What the containers need besides the image, under /bench."""
    files = {name: (HERE / name).read_bytes() for name in ("targets.py", "load_generator.py")}
    files |= {"k6": load_k6.binary().read_bytes(), "k6.js": load_k6.SCRIPT.encode()}
    files["k6_runner.py"] = load_k6.RUNNER.encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(f"bench/{name}")
            entry.size, entry.mode = len(data), 0o755
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def figure(what: str, asked: str, seen: str, holds: bool) -> Row:
    return {"figure": what, "asked": asked, "seen": seen, "holds": holds}


def best(stage: Stage, name: str, attempt: Callable[[], list[Row]]) -> list[Row]:
    """The first attempt in which every figure holds, else the one in which most do."""
    found: list[list[Row]] = []
    for number in range(TRIES):
        rows = attempt()
        missed = [row for row in rows if not row["holds"]]
        stage.say(
            f"{name}, attempt {number + 1}: "
            + "; ".join(f"{row['figure']}: {row['seen']}" for row in rows)
        )
        found.append(rows)
        if not missed:
            break
    rows = max(found, key=lambda rows: sum(row["holds"] for row in rows))
    for i, row in enumerate(rows):
        row["attempts"] = [each[i]["seen"] for each in found]
    return [
        {**row, "seen": f"{row['seen']}; best of {len(found)}"} if len(found) > 1 else row
        for row in rows
    ]


def full_speed(stage: Stage) -> list[Row]:
    seen = stage.generate("/fast", 8000, 10)
    right = seen["sent"] - sum(seen["errors"].values())
    lag, rss = seen["lag"]["p99"], seen["rss_mb"]
    spread = f"{lag:.3f} ms (median {seen['lag']['p50']:.3f}, largest {seen['lag']['p100']:.1f})"
    return [
        figure(
            "8,000 req/s for 10 s on one core: validated and right",
            "all 80,000",
            f"{right:,}",
            right == 80_000,
        ),
        figure("scheduling error at 8,000 req/s, p99", "under 1 ms", spread, lag < 1),
        figure(
            "memory of the generator after that (peak RSS)",
            "under 60 MB",
            f"{rss:.1f} MB",
            rss < 60,
        ),
    ]


def half_speed(stage: Stage) -> list[Row]:
    seen = stage.generate("/fast", 500, 5)["lag"]
    text = f"{seen['p50']:.3f} ms (p99 {seen['p99']:.3f})"
    return [
        figure("scheduling error at 500 req/s, median", "under 0.15 ms", text, seen["p50"] < 0.15)
    ]


@dataclass(frozen=True, slots=True)
class Known:
    """A target whose percentiles are known.

    ``truth``: percentile -> (milliseconds, allowed relative error).
    """

    path: str
    name: str
    seconds: float
    truth: dict[str, tuple[float, float]]


RATE, EASY_RATE = 200, 1000
KNOWN = (
    Known("/fixed", "fixed 20 ms", 10, {"p50": (20, 0.03)}),
    Known("/bimodal", "92 % 5 ms, 8 % 200 ms", 10, {"p95": (200, 0.02), "p99": (200, 0.02)}),
    Known("/stall", "5 ms with one stall of 2 s", 20, {"p95": (1000, 0.03), "p99": (1800, 0.02)}),
)


def known(stage: Stage, target: Known) -> list[Row]:
    """Our generator against the truth, and k6 against our generator."""
    stage.restart()
    seen = stage.generate(target.path, RATE, target.seconds)
    asked = round(RATE * target.seconds)
    right = seen["sent"] - sum(seen["errors"].values())
    rows = []
    for name, (truth, allowed) in target.truth.items():
        off = seen["latency"][name] / truth - 1
        text = f"{off:+.1%} ({seen['latency'][name]:.1f} of {truth:g} ms)"
        rows.append(
            figure(f"{target.name}: {name}", f"within {allowed:.0%}", text, abs(off) <= allowed)
        )
    rows.append(
        figure(
            f"{target.name}: requests sent and right",
            f"all {asked:,}",
            f"{right:,}",
            right == asked,
        )
    )
    return rows


def agreement(stage: Stage, target: Known) -> list[Row]:
    """k6 and our generator, one after the other, on the same target."""
    stage.restart()
    ours = stage.generate(target.path, RATE, target.seconds)["latency"]
    stage.restart()
    theirs = stage.second_opinion(target.path, RATE, target.seconds, one_core=False)
    if theirs["dropped"] or theirs["wrong"]:
        stage.say(
            f"k6 left out {theirs['dropped']} requests and found {theirs['wrong']} wrong answers"
        )
    rows = []
    for name, allowed in (("p50", 0.10), ("p95", 0.05)):
        off = theirs["latency"][name] / ours[name] - 1
        text = f"{off:+.1%} ({theirs['latency'][name]:.1f} and {ours[name]:.1f} ms)"
        holds = abs(off) <= allowed and not theirs["dropped"]
        rows.append(
            figure(f"{target.name}: k6 beside ours, {name}", f"within {allowed:.0%}", text, holds)
        )
    return rows


def streams(stage: Stage) -> list[Row]:
    """About 32 streams at once: each lasts 1.055 s."""
    seen = stage.generate("/stream", 32 / 1.055, 10, streaming=True)
    first, gap = seen["ttft_error"]["p50"], seen["gap_error"]["p50"]
    whole = not seen["errors"]
    return [
        figure(
            "32 streams: error of TTFT, median",
            "under 1 ms",
            f"{first:.3f} ms",
            whole and first < 1,
        ),
        figure(
            "32 streams: error of inter-token latency, median",
            "under 0.2 ms",
            f"{gap:.3f} ms",
            whole and gap < 0.2,
        ),
    ]


def sustained(first: float, holds: Callable[[float], bool]) -> float:
    """The highest rate, in steps of a fifth, that is kept in one of three attempts;

    0 when there is none.

    Two steps in a row must fail before the search ends: on a shared machine one may fail because of
    a neighbour.
    """
    kept, rate, missed = 0.0, first, 0
    while missed < 2:
        if any(holds(rate) for _ in range(TRIES)):
            kept, missed = rate, 0
        else:
            missed += 1
        rate = round(rate * 1.2)
    return kept


def beside_k6(stage: Stage) -> list[Row]:
    """Rates that each keeps up for 4 s on one core, every answer validated the same way.

    Ours keeps up when the measurement counts (the client was in time, p99 of its scheduling error
    within 5 ms); k6 when its 800 users sufficed, which forgives it a queue of 800 requests. CPU per
    request is measured at one rate for both: it depends less on who else is busy.
    """

    def ours(rate: float) -> bool:
        seen = stage.generate("/fast", rate, 4)
        return not seen["errors"] and not seen["late"]

    def theirs(rate: float) -> bool:
        seen = stage.second_opinion("/fast", rate, 4, one_core=True)
        return not seen["dropped"] and not seen["wrong"] and seen["sent"] >= 0.995 * seen["asked"]

    k6, mine = sustained(1500, theirs), sustained(4000, ours)
    ratio = mine / k6 if k6 else 0.0
    cost = [
        stage.generate("/fast", EASY_RATE, 4)["cpu_s"],
        stage.second_opinion("/fast", EASY_RATE, 4, one_core=True)["cpu_s"],
    ]
    cost_text = "{:.0f} and {:.0f}".format(*(1e6 * seconds / EASY_RATE / 4 for seconds in cost))
    text = f"{ratio:.1f} ({mine:,.0f} and {k6:,.0f} req/s; {cost_text} µs of CPU a request)"
    return [
        figure(
            "sustained validated rate per core beside k6", "at least 2.5 times", text, ratio >= 2.5
        )
    ]


def run(report: Say) -> dict[str, Any]:
    """Return {figures, attempts, cpus}.

    Needs the engine; takes about five minutes on a quiet machine.
    """
    with staged(report) as stage:
        rows = best(stage, "full speed", lambda: full_speed(stage))
        rows += best(stage, "500 req/s", lambda: half_speed(stage))
        for target in KNOWN:
            rows += best(stage, target.name, lambda target=target: known(stage, target))  # type: ignore[misc]
        rows += best(stage, "streams", lambda: streams(stage))
        for target in KNOWN:
            rows += best(
                stage, f"k6, {target.name}", lambda target=target: agreement(stage, target)
            )  # type: ignore[misc]
        rows += best(stage, "beside k6", lambda: beside_k6(stage))
        return {"figures": rows, "attempts": stage.attempts, "cpus": os.cpu_count()}
