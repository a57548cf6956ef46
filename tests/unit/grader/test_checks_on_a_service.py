"""Library checks against a small service on this machine: each passes where it is right, and fails
where it isn't.
"""

from __future__ import annotations

import pytest
from small_service import (
    AcceptsAnything,
    DeclaredMetrics,
    NoMetrics,
    Service,
    WrongContentType,
    WrongType,
    case,
    context,
)

from grader.checks import TABLE, find
from grader.checks.contract import Contract, ContractParams
from grader.checks.functional import Functional, FunctionalParams
from grader.checks.health import Health, HealthParams
from grader.result import Outcome

CONTRACT = [case(), case(raw="{", title="malformed", status="4xx")]


@pytest.mark.parametrize(
    ("service", "outcome", "says"),
    [
        (Service, Outcome.PASSED, ""),
        (WrongType, Outcome.FAILED, "breaks the schema at /id"),
        (WrongContentType, Outcome.FAILED, "content type is 'text/html'"),
        (AcceptsAnything, Outcome.FAILED, "malformed: answered 200, expected 4xx"),
    ],
)
async def test_contract(service: type[Service], outcome: Outcome, says: str) -> None:
    with context(service) as ctx:
        found = await Contract(ContractParams.model_validate({"cases": CONTRACT})).run(ctx)
    assert found.outcome is outcome
    assert says in found.message
    assert bool(found.advice) == (outcome is Outcome.FAILED)


async def test_health() -> None:
    with context(Service) as ctx:
        assert (await Health(HealthParams()).run(ctx)).outcome is Outcome.PASSED
        ctx.shared["readiness"].statuses = [404, 503, 200]
        assert "answered 404; only 503" in (await Health(HealthParams()).run(ctx)).message
    with context(NoMetrics) as ctx:
        assert "no Prometheus sample" in (await Health(HealthParams()).run(ctx)).message
    with context(DeclaredMetrics) as ctx:
        assert (await Health(HealthParams()).run(ctx)).outcome is Outcome.PASSED


async def test_functional() -> None:
    right = {"cases": [case(expect={"/n": 3}), case(expect={"/id": "a"})]}
    wrong = {"cases": [case(expect={"/n": 3}), case(expect={"/n": 4})]}
    with context(Service) as ctx:
        assert (
            await Functional(FunctionalParams.model_validate(right)).run(ctx)
        ).outcome is Outcome.PASSED
        found = await Functional(FunctionalParams.model_validate(wrong)).run(ctx)
    assert found.outcome is Outcome.FAILED
    assert "/n is 3, expected 4" in found.message
    assert found.exchange is not None


@pytest.mark.parametrize("check_id", TABLE)
def test_every_line_of_the_table_leads_to_its_check(check_id: str) -> None:
    assert find(check_id).id == check_id
