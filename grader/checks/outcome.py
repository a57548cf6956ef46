"""Short ways to say what a check found, so that every check says it in the same form."""

from __future__ import annotations

from typing import Any

from grader.http.response import Response
from grader.result import Measured, Measurement, Outcome, Rule, Series


def counted(good: int, total: int, unit: str) -> Measured:
    """'61 of 61 requests'."""
    return Measured(value=good, unit=unit, n=total, text=f"{good} of {total} {unit}")


def every(unit: str) -> Rule:
    """The rule that allows no exception."""
    return Rule(op="all", unit=unit, text=f"all {unit}")


def passed(message: str, measured: Measured, rule: Rule, **more: Any) -> Measurement:
    return Measurement(
        outcome=Outcome.PASSED, message=message, measured=measured, rule=rule, **more
    )


def failed(
    message: str,
    measured: Measured,
    rule: Rule,
    advice: str,
    response: Response | None = None,
    **more: Any,
) -> Measurement:
    """A failure always tells what to do next, and shows the exchange that shows it best."""
    exchange = response.exchange() if response is not None else None
    return Measurement(
        outcome=Outcome.FAILED,
        message=message,
        measured=measured,
        rule=rule,
        advice=advice,
        exchange=exchange,
        **more,
    )


NOISY = "The machine was too noisy to tell. Grade again; this costs no attempt."


def undecided(
    message: str,
    measured: Measured,
    rule: Rule,
    series: list[Series] | None = None,
    advice: str = NOISY,
) -> Measurement:
    return Measurement(
        outcome=Outcome.INCONCLUSIVE,
        message=message,
        measured=measured,
        rule=rule,
        advice=advice,
        series=series or [],
    )
