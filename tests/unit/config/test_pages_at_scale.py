"""A page costs the same whether a learner has three runs or sixty: as many queries, as many rows
read.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from submissions.models import CheckResult, GradingRun

FEW, MANY = 3, 60
PAGES = {
    "catalogue": ("/labs/", 1),
    "lab": ("/labs/llm-serving/", 20),
    "own runs": ("/runs/", 25),
    "front page": ("/", 12),
    "status": ("/status/", 2),
    "portfolio": ("/p/ada/", 1),
    "evidence": ("/p/ada/{entry}/", 27),
    "verdict": ("/runs/{run}/", 12),
    "fragment checks": ("/runs/{run}/?fragment=checks", 1),
    "fragment log": ("/runs/{run}/?fragment=log", 1),
}
"""Address of each page, and how many runs it may read however many there are."""


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the models of which a row was read, one for each row."""
    seen: list[str] = []
    for model in (GradingRun, CheckResult):
        original = model.from_db.__func__  # type: ignore[attr-defined]

        def counted(cls: Any, *args: Any, original: Any = original) -> Any:
            seen.append(cls.__name__)
            return original(cls, *args)

        monkeypatch.setattr(model, "from_db", classmethod(counted))
    return seen


@pytest.mark.parametrize("name", PAGES)
def test_a_page_reads_no_more_for_a_learner_with_many_runs(
    client: Any, ada: Any, graded: Any, published: Any, read: list[str], name: str
) -> None:
    address, most = PAGES[name]
    runs = [graded(ada, "failed") for _ in range(FEW)]
    entry = published(runs[0])
    client.force_login(ada)
    where = address.format(entry=entry.pk, run=runs[0].pk)

    def visit() -> int:
        client.get(where)  # the first visit fills what is kept
        read.clear()
        with CaptureQueriesContext(connection) as queries:
            assert client.get(where).status_code == 200
        return len(queries)

    few = visit()
    for _ in range(MANY - FEW):
        graded(ada, "failed")
    assert visit() <= few + 1, "as many queries as with three runs (and one to turn pages)"
    assert read.count("GradingRun") <= most


def test_lists_of_runs_read_no_plots(client: Any, ada: Any, graded: Any) -> None:
    graded(ada, "failed")
    client.force_login(ada)
    for address in ("/labs/", "/runs/", "/labs/llm-serving/"):
        with CaptureQueriesContext(connection) as queries:
            client.get(address)
        whole = [q["sql"] for q in queries if re.search(r'"payload"(, "| FROM)', q["sql"])]
        assert not whole, address


@pytest.mark.parametrize(
    "table", ["gradingrun", "runevent", "checkresult", "evidence", "submission"]
)
def test_the_administration_counts_no_millions(
    client: Any, django_user_model: Any, ada: Any, graded: Any, table: str
) -> None:
    graded(ada)
    client.force_login(django_user_model.objects.create_superuser("root-1", "r@example.org"))
    with CaptureQueriesContext(connection) as queries:
        assert client.get(f"/admin/submissions/{table}/").status_code == 200
    counts = [q["sql"] for q in queries if re.search(r"COUNT\(", q["sql"])]
    assert counts
    assert all("LIMIT" in sql for sql in counts)


def test_a_bounded_count_says_that_there_is_more(
    ada: Any, graded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from webui.paging import BoundedPaginator

    monkeypatch.setattr(BoundedPaginator, "most", 2)
    for _ in range(3):
        graded(ada)
    paginator = BoundedPaginator(GradingRun.objects.all(), 1)
    assert (paginator.count, paginator.is_more) == (2, True)


def test_a_replaced_pass_is_no_pass_any_more(ada: Any, ivan: Any, graded: Any) -> None:
    """The catalogue's summary leaves out drafts, and what a published re-grade replaced."""
    from django.utils import timezone

    from labs import progress
    from submissions.models import RegradeBatch

    old = graded(ada, "passed")
    batch = RegradeBatch.objects.create(
        lab_version=old.lab_version, grader_version="2", started_by=ivan
    )
    fields = {
        "batch": batch,
        "replaces": old,
        "state": "finished",
        "verdict": "failed",
        "score": 20,
    }
    GradingRun.objects.create(
        submission=old.submission, lab_version=old.lab_version, seed="s", **fields
    )
    assert progress.standings(ada)["llm-serving"].best == "passed"
    RegradeBatch.objects.update(published_at=timezone.now())
    assert progress.standings(ada)["llm-serving"].best == "failed"
