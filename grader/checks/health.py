"""``health``: liveness, readiness and metrics routes behave as a platform expects."""

from __future__ import annotations

import re

from grader.checks.base import Check, Context, Params
from grader.checks.outcome import counted, every, failed, passed
from grader.http.response import Response
from grader.result import Measurement

SAMPLE = re.compile(
    r"^[a-zA-Z_:][a-zA-Z0-9_:]{0,200}(\{.{0,2000}\})? +[-+]?(\d|Inf|NaN)", re.MULTILINE
)
TYPE = re.compile(
    r"^# TYPE [a-zA-Z_:][a-zA-Z0-9_:]{0,200} (counter|gauge|histogram|summary|untyped|unknown)\s*$",
    re.MULTILINE,
)
"""A counter with labels has no sample before its first event; its declaration is all that there is
to see.
"""
UNIT = "routes"


class HealthParams(Params):
    """Paths; an empty one is not looked at."""

    healthz: str = "/healthz"
    readyz: str = "/readyz"
    metrics: str = "/metrics"


class Health(Check):
    id = "health"
    params_model = HealthParams
    params: HealthParams

    async def run(self, ctx: Context) -> Measurement:
        looks = [
            (path, self._plain if path != self.params.metrics else self._metrics)
            for path in (self.params.healthz, self.params.readyz, self.params.metrics)
            if path
        ]
        for number, (path, judge) in enumerate(looks):
            response = await ctx.app.request("GET", path, timeout_s=10)
            if wrong := judge(response):
                return failed(
                    f"GET {path}: {wrong}.",
                    counted(number, len(looks), UNIT),
                    every(UNIT),
                    ADVICE,
                    response,
                )
        early = [s for s in ctx.shared["readiness"].statuses[:-1] if s != 503]
        if self.params.readyz and early:
            return failed(
                (
                    f"While starting, GET {self.params.readyz} answered {early[0]}; only 503 says 'not "
                    "yet'."
                ),
                counted(len(looks) - 1, len(looks), UNIT),
                every(UNIT),
                "Register the readiness route before the model loads, and answer 503 until it has.",
                ctx.shared["readiness"].last,
            )
        return passed(
            "Liveness, readiness and metrics answer.",
            counted(len(looks), len(looks), UNIT),
            every(UNIT),
        )

    @staticmethod
    def _plain(response: Response) -> str:
        return "" if response.ok else response.error or f"answered {response.status}, expected 200"

    @staticmethod
    def _metrics(response: Response) -> str:
        if not response.ok:
            return response.error or f"answered {response.status}, expected 200"
        kind = response.headers.get("content-type", "")
        if not kind.startswith(("text/plain", "application/openmetrics-text")):
            return f"content type is {kind[:80]!r}, expected text/plain"
        text = response.body[:262144].decode("utf-8", "replace")
        return (
            ""
            if SAMPLE.search(text) or TYPE.search(text)
            else "holds no Prometheus sample and declares no metric"
        )


ADVICE = (
    "Add the route. /healthz is 200 while the process lives, /readyz is 200 when it can serve, "
    "/metrics is Prometheus "
    "text at this very path, without a redirect (a mounted app answers 307; a route with "
    "generate_latest() does not)."
)
