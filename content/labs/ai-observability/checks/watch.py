"""The lab's Prometheus, as checks ask it: counters, scrapes, rules, and which alerts fire."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from lab_checks.world import INCIDENTS, WATCH

from grader.lab_api import Context

RULES_PATH = "/rules.yml"
MAX_RULES_BYTES = 64 << 10
LOOK_S = 0.3
PATIENCE = 2.5
"""So many seconds for each scrape that is waited for; when fewer came, Prometheus had no chance."""
REST = 15
"""Scrapes within which an alert has to be silent again once its cause is gone."""
WINDOW, LASTING = 5, 2
"""Scrapes. A ratio over a window that holds a part of an incident may hover about its bound, and
what comes next may push it over again. So an alert is silent when the window is past, and it has
been for this long.
"""
KEPT = "30s"
"""A scrape that fails makes its series vanish at once; what was counted before is still true."""


@dataclass(slots=True)
class Silence:
    """Tells, look by look, whether an alert falls silent to stay within ``most`` scrapes."""

    most: int
    since: int | None = None
    """Scrapes until the silence that goes on; None while there is none."""

    def decided(self, fires: bool, scrapes: int) -> bool:
        """Take one look in.

        Whether no other is needed: then ``since`` is the answer, and None means never.
        """
        if fires:
            self.since = None
        elif self.since is None and scrapes <= self.most:
            self.since = scrapes
        if self.since is None:
            return scrapes > self.most
        return scrapes >= max(WINDOW, self.since + LASTING)


class Watch:
    """Over the sidecar's control channel."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    async def ask(self, **payload: Any) -> dict[str, Any]:
        return await self._ctx.control("command", WATCH, payload=payload)

    async def vector(self, expr: str) -> list[tuple[dict[str, str], float]]:
        """(labels, value) of an instant query."""
        reply = await self.ask(command="query", expr=expr)
        return [(sample["labels"], float(sample["value"])) for sample in reply["samples"]]

    async def value(self, expr: str) -> float:
        """The one value of a query; nan when there is none."""
        found = await self.vector(expr)
        return found[0][1] if found else math.nan

    async def by(self, label: str, metric: str) -> dict[str, float]:
        """The counter's present sum for each value of a label.

        A service may write NaN; that counts nothing.
        """
        found = await self.vector(f"sum by ({label}) (last_over_time({metric}[{KEPT}]))")
        return {labels.get(label, ""): value for labels, value in found if math.isfinite(value)}

    async def scrapes_since(self, unix_s: float, *, good: bool = False) -> int:
        """How many times the service was scraped since then, well or not; ``good``: only well."""
        millis = max(1, round((time.time() - unix_s) * 1000))
        count = await self.value(
            f'{"sum" if good else "count"}_over_time(up{{job="app"}}[{millis}ms])'
        )
        return 0 if math.isnan(count) else int(count)

    async def after_scrapes(self, scrapes: int, within_s: float = 15.0) -> bool:
        """Wait for so many good scrapes from now on. False when they did not come."""
        began = time.time()
        while time.time() < began + within_s:
            await asyncio.sleep(LOOK_S)
            if await self.scrapes_since(began, good=True) >= scrapes:
                return True
        return False

    async def in_vain(self) -> bool:
        """Whether Prometheus came again and again of late, and /metrics gave it nothing."""
        since = time.time() - 10
        return await self.scrapes_since(since) >= 5 and not await self.scrapes_since(
            since, good=True
        )

    async def firing(self) -> set[str]:
        """The incidents that alerts which fire now are about; "" for an alert that names none."""
        rules = (await self.ask(command="alerts"))["rules"]
        return {rule["labels"].get("incident", "") for rule in rules if rule["state"] == "firing"}

    async def looks(self, scrapes: int) -> AsyncIterator[tuple[set[str], int]]:
        """(what ``firing`` says, scrapes since the first look) again and again.

        Ends when ``scrapes`` took too long.
        """
        began = time.time()
        while time.time() < began + PATIENCE * scrapes:
            yield await self.firing(), await self.scrapes_since(began)
            await asyncio.sleep(LOOK_S)

    async def rested(self, scrapes: int) -> set[str]:
        """Wait until nothing fires and it stays so, for so many scrapes at most.

        The incidents whose alerts did not.
        """
        silence, last = Silence(scrapes), set[str]()
        async for firing, came in self.looks(scrapes + LASTING):
            last = firing or last
            if silence.decided(bool(firing), came):
                break
        return set() if silence.since is not None else last - {""}

    async def broken_rules(self) -> list[str]:
        """What Prometheus says about rules that it can't evaluate."""
        rules = (await self.ask(command="alerts"))["rules"]
        return [f"{rule['alert']}: {rule['problem']}" for rule in rules if rule["problem"]]

    async def fired(self, start_s: float, end_s: float) -> list[tuple[str, str, float, float]]:
        """(alert, incident, first, last second) of everything that fired in between.

        Unix seconds.
        """
        expr = 'max by (alertname, incident) (ALERTS{alertstate="firing"})'
        reply = await self.ask(command="range", expr=expr, start=start_s, end=end_s, step_s=0.5)
        found = []
        for one in reply["series"]:
            times = [float(at) for at, _ in one["points"]]
            found.append(
                (
                    one["labels"].get("alertname", ""),
                    one["labels"].get("incident", ""),
                    times[0],
                    times[-1],
                )
            )
        return found


async def load_rules(ctx: Context) -> tuple[str, Any]:
    """Fetch the learner's rules and put them in force, once a run.

    ("" or what is wrong, the response).
    """
    if "rules" not in ctx.shared:
        response = await ctx.app.request("GET", RULES_PATH, timeout_s=10, max_body=MAX_RULES_BYTES)
        if not response.ok:
            said = response.error or f"answered {response.status}"
            ctx.shared["rules"] = (f"GET {RULES_PATH}: {said}.", response, [])
        else:
            reply = await Watch(ctx).ask(
                command="rules", text=response.body.decode("utf-8", "replace")
            )
            problem = (
                f"promtool refuses {RULES_PATH}: {reply['problem']}." if reply["problem"] else ""
            )
            ctx.shared["rules"] = (problem, response, reply["rules"])
    problem, response, _ = ctx.shared["rules"]
    return problem, response


async def missing_rules(ctx: Context) -> list[str]:
    """Incidents that no rule names. Only after ``load_rules``."""
    named = {rule["labels"].get("incident") for rule in ctx.shared["rules"][2]}
    return [incident for incident in INCIDENTS if incident not in named]
