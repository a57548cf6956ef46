"""Criteria about providers that fail: answers given, calls made, a hung provider, refusals that are
not retried.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

from lab_checks.phases import NEWS_S, RETRY_AFTER_S, Phase, drive, favourite, trouble
from lab_checks.world import Providers, conversations, headers_of, open_key

from grader.lab_api import (
    Check,
    Context,
    FaultRule,
    Measured,
    Measurement,
    Params,
    Response,
    Rule,
    Samples,
    Series,
    Tally,
    failed,
    passed,
    percentile,
    undecided,
)


def worst_errors(samples: Samples) -> str:
    """The most frequent errors in words."""
    return ", ".join(f"{count} x {text}" for text, count in list(samples.errors().items())[:3])


def plot(title: str, samples: Samples, summary: str) -> Series:
    """Errors a second over time."""
    points = [(float(at), float(value)) for at, value in samples.timeline(0.5).errors]
    return Series(kind="timeline", title=title, unit="errors/s", app=points, summary=summary)


class SuccessParams(Params):
    share: float


class Success(Check):
    """Right answers while every provider fails one call in five, and while one is at its limit."""

    id = "success"
    params_model = SuccessParams
    params: SuccessParams

    async def run(self, ctx: Context) -> Measurement:
        rule = Rule(
            op="at_least",
            threshold=self.params.share,
            unit="share",
            text=(
                f"at least {self.params.share:g} of the requests answered, with a text that a "
                "provider gave"
            ),
        )
        found = await trouble(ctx)
        right, total = (
            found.flaky.right + found.storm.right,
            len(found.flaky.samples) + len(found.storm.samples),
        )
        share = right / total
        measured = Measured(
            value=round(share, 4), unit="share", n=total, text=f"{right} of {total} answered"
        )
        series = [
            plot(
                "Errors while every provider fails 20 %",
                found.flaky.samples,
                f"{found.flaky.right} answered.",
            ),
            plot(
                f"Errors while {found.stormy} is at its limit",
                found.storm.samples,
                f"{found.storm.right} answered.",
            ),
        ]
        if share >= self.params.share:
            return passed(
                "The providers' faults did not reach the users.", measured, rule, series=series
            )
        worse = min(
            (found.flaky, found.storm), key=lambda phase: phase.right / max(1, len(phase.samples))
        )
        when = (
            "every provider failed one call in five"
            if worse is found.flaky
            else f"{found.stormy} was at its limit"
        )
        advice = (
            "Ask another provider when one fails with 429, 5xx or a broken answer, up to four or "
            "five times. "
            "A text that no provider gave is no answer."
        )
        return failed(
            f"While {when}, users saw {worst_errors(worse.samples)}.",
            measured,
            rule,
            advice,
            series=series,
        )


class UpstreamCallsParams(Params):
    per_request: float


class UpstreamCalls(Check):
    """Provider calls per request while providers fail, and calls inside Retry-After."""

    id = "upstream-calls"
    params_model = UpstreamCallsParams
    params: UpstreamCallsParams

    async def run(self, ctx: Context) -> Measurement:
        bound = self.params.per_request
        text = f"at most {bound:g} provider calls per request, none while Retry-After runs"
        rule = Rule(op="at_most", threshold=bound, unit="calls", text=text)
        found = await trouble(ctx)
        calls = max(found.flaky.amplification, found.storm.amplification)
        inside = found.inside()
        measured = Measured(
            value=round(calls, 3),
            unit="calls",
            n=len(found.flaky.samples),
            text=f"{calls:.2f} calls per request, {len(inside)} inside Retry-After",
        )
        series = [_calls_plot(found.storm, found.stormy)]
        if inside:
            return failed(
                f"{found.stormy} said Retry-After: {RETRY_AFTER_S:g}, and {len(inside)} calls came "
                "to it before that "
                f"was over ({NEWS_S:g} s are granted for the news to travel).",
                measured,
                rule,
                (
                    "Note in the shared state until when a provider rests, and let every copy look "
                    "there before it asks."
                ),
                series=series,
            )
        if calls <= bound:
            return passed("Failing providers were not flooded.", measured, rule, series=series)
        return failed(
            f"Each request cost the providers {calls:.2f} calls where 1.25 are enough.",
            measured,
            rule,
            "Ask one provider at a time, and another one only after the first has failed.",
            series=series,
        )


def _calls_plot(phase: Phase, name: str) -> Series:
    """Calls a second to the provider that was at its limit."""
    begin = min((row.start for row in phase.rows), default=0.0)
    seconds = Counter(int(row.start - begin) for row in phase.rows if row.provider == name)
    points = [(float(s), float(seconds[s])) for s in range(max(seconds, default=-1) + 1)]
    title = f"Calls to {name} while it says Retry-After"
    return Series(
        kind="timeline",
        title=title,
        unit="calls/s",
        app=points,
        summary=f"{sum(seconds.values())} calls.",
    )


class HungParams(Params):
    ratio: float
    traffic: float
    near: float = 2.5
    healthy_s: float = 5.0
    warm_s: float = 5.0
    open_s: float = 7.0
    timeout_s: float = 4.0
    well_s: float = 10.0
    again_s: float = 3.0
    again: float = 0.1


@dataclass(frozen=True)
class Hung:
    """p90 in seconds, and the share of calls that went to the hung provider."""

    name: str
    before_s: float
    while_s: float
    share: float
    calls: int
    again: float = 1.0
    """Its share of the calls some time after it was well again."""

    @property
    def ratio(self) -> float:
        return (
            self.while_s / self.before_s
            if math.isfinite(self.before_s) and self.before_s > 0
            else math.inf
        )


class HungProvider(Check):
    """Latency and traffic once a provider has been hanging for a while."""

    id = "hung"
    params_model = HungParams
    params: HungParams

    async def run(self, ctx: Context) -> Measurement:
        p = self.params
        text = (
            f"p90 at most {p.ratio:g} x healthy, at most {p.traffic:.0%} of the calls to the hung "
            "provider"
        )
        rule = Rule(op="at_most", threshold=p.ratio, unit="ratio", text=text)
        key = await open_key(ctx, "hung")
        samples, found = await self._measure(ctx, key)
        return self._verdict(samples, found, rule)

    def _verdict(self, samples: Samples, found: Hung, rule: Rule) -> Measurement:
        p, finite = self.params, math.isfinite(found.ratio)
        measured = Measured(
            value=round(found.ratio, 3) if finite else None,
            unit="ratio",
            n=len(samples),
            text=(
                f"p90 {found.ratio:.2f} x healthy, {found.share:.1%} of {found.calls} calls to "
                f"{found.name}"
            ),
        )
        series = [
            plot(
                f"Errors while {found.name} hangs",
                samples,
                f"p90 is {found.ratio:.2f} times the healthy one.",
            )
        ]
        if not math.isfinite(found.before_s):
            message = f"Already with healthy providers users saw {worst_errors(samples)}."
            return failed(message, measured, rule, "Make plain requests work first.")
        if found.ratio <= p.ratio and found.share <= p.traffic and found.again < p.again:
            return failed(
                (
                    f"{p.well_s:g} s after {found.name} was well again, it still got only "
                    f"{found.again:.0%} of the calls."
                ),
                measured,
                rule,
                (
                    "A few seconds after a provider was given up, let one request through; use it "
                    "again when it answers."
                ),
                series=series,
            )
        if found.ratio <= p.ratio and found.share <= p.traffic:
            return passed(
                f"{found.name} hung, and the users did not notice.", measured, rule, series=series
            )
        close = found.ratio <= p.near or (finite and samples.client_was_late(found.before_s))
        if close and found.share <= p.traffic:
            return undecided("The machine was too busy to tell.", measured, rule, series)
        slow = f"one request in ten took {found.while_s:.1f} s or longer"
        return failed(
            f"{p.warm_s:g} s after {found.name} began to hang, "
            f"{slow if finite else 'at least one request in ten got no answer'} (healthy: "
            f"{found.before_s:.2f} s), "
            f"and {found.share:.0%} of the calls still went to it.",
            measured,
            rule,
            (
                "Give every call a deadline, and after a few failures in a row stop asking that "
                "provider for some seconds."
            ),
            series=series,
        )

    async def _measure(self, ctx: Context, key: str) -> tuple[Samples, Hung]:
        p, providers = self.params, Providers(ctx)
        await providers.reset()
        # Half of the requests are streams: they need the same care.
        before = await drive(ctx, "healthy", p.healthy_s, key=key, sse_every=2)
        name = favourite(before.rows)
        before_s = before.samples.percentile(90)
        if not math.isfinite(before_s):
            return before.samples, Hung(name, before_s, math.inf, 0.0, 0)
        ctx.note(f"{name} hangs")
        try:
            await providers.faults({name: [FaultRule(kind="hang")]})
            await drive(ctx, "opening", p.warm_s, key=key, timeout_s=p.timeout_s, sse_every=2)
            known = {(row.provider, row.start) for row in await providers.rows()}
            after = await drive(ctx, "open", p.open_s, key=key, timeout_s=p.timeout_s, sse_every=2)
        finally:
            await providers.reset()
        ctx.note(f"{name} is well again")
        await drive(ctx, "well again", p.well_s, key=key, timeout_s=p.timeout_s)
        await providers.reset()
        used = await drive(ctx, "used again", p.again_s, key=key, timeout_s=p.timeout_s)
        again = sum(row.provider == name for row in used.rows) / max(1, len(used.rows))
        calls = [row for row in after.rows if (row.provider, row.start) not in known]
        share = sum(row.provider == name for row in calls) / max(1, len(calls))
        while_s = percentile(after.samples.latency_s, 90)
        return after.samples, Hung(name, before_s, while_s, share, len(calls), again)


class ClientErrorsParams(Params):
    """``rounds`` times ``at_once`` refused requests more: a breaker opens for seconds, so they have
    to come faster than one by one.
    """

    requests: int = 6
    rounds: int = 4
    at_once: int = 12
    good: int = 12


class ClientErrors(Check):
    """Requests that a provider refuses with 4xx are not sent again, and trip no breaker."""

    id = "client-errors"
    params_model = ClientErrorsParams
    params: ClientErrorsParams

    async def run(self, ctx: Context) -> Measurement:
        p, tally = self.params, Tally("refused requests asked once")
        key = await open_key(ctx, "client-errors")
        await Providers(ctx).reset()
        for body in self._bodies(ctx, "client-errors", 2 * p.requests):
            answer, calls = await self._ask(ctx, key, body)
            tally.add("" if asked_once(answer, calls) else sent_again(answer, calls), answer)
        if tally.faults:
            return tally.verdict("", HAND_ON)
        # Many more, for breakers that count them as failures of the provider.
        for number in range(p.rounds):
            bodies = self._bodies(ctx, f"more client-errors {number}", p.at_once)
            for answer in await asyncio.gather(*(self._send(ctx, key, b) for b in bodies)):
                tally.add("" if asked_once(answer, 1) else shut_out(answer, tally.total), answer)
        for body in conversations(ctx, "after-errors", p.good):
            answer = await self._send(ctx, key, body)
            tally.add("" if answer.ok else good_shut_out(answer, tally.total), answer)
        return tally.verdict("A client's mistake was not sent again.", NO_FAULT)

    async def _send(self, ctx: Context, key: str, body: dict[str, Any]) -> Response:
        path = "/v1/chat/completions"
        return await ctx.app.request("POST", path, json=body, headers=headers_of(key), timeout_s=12)

    def _bodies(self, ctx: Context, label: str, count: int) -> list[dict[str, Any]]:
        """Requests that every provider refuses: for a role or a model that does not exist."""
        bodies = conversations(ctx, label, count)
        for i, body in enumerate(bodies):
            if i % 2:
                body["model"] = f"chat-{ctx.rng(f'{label} {i}').randrange(10**6)}"
            else:
                body["messages"] = [{"role": "wizard", "content": "Open the gate."}]
        return bodies

    async def _ask(self, ctx: Context, key: str, body: dict[str, Any]) -> tuple[Response, int]:
        """The answer, and how many provider calls it took."""
        providers = Providers(ctx)
        before = len(await providers.rows())
        answer = await self._send(ctx, key, body)
        return answer, len(await providers.settled()) - before


def asked_once(answer: Response, calls: int) -> bool:
    """A client's error, handed on after one call or none."""
    return (
        answer.status is not None
        and 400 <= answer.status < 500
        and answer.status != 429
        and calls <= 1
    )


HAND_ON = (
    "Hand a provider's 4xx (but 429) to the client at once: the same request can't succeed "
    "elsewhere."
)
NO_FAULT = "A client's mistake is no fault of the provider."


def sent_again(answer: Response, calls: int) -> str:
    said = answer.status or answer.error
    return (
        f"A request that no provider accepts cost {calls} provider calls and was answered with "
        f"{said}."
    )


def shut_out(answer: Response, before: int) -> str:
    said = answer.status or answer.error
    return f"After {before} refused requests, one more was answered with {said}, not refused."


def good_shut_out(answer: Response, before: int) -> str:
    said = answer.status or answer.error
    return f"After {before} refused requests a good one was answered with {said}."
