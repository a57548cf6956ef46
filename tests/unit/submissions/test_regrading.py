"""Re-grading: what is chosen, what is compared, and that nothing shows before it is published."""

from __future__ import annotations

import dataclasses
from pathlib import PurePosixPath
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from grader.lab import LabSpec, SourceFile, tree_digest
from labs import progress
from labs.models import Lab, LabVersion
from labs.sync import publish as publish_lab
from portfolios.services import publish as pin
from submissions import intake, leases, queue, regrading
from submissions.models import CheckResult, GradingRun, RegradeBatch
from submissions.regrading import CannotRegrade

pytestmark = pytest.mark.django_db


@pytest.fixture
def newer(version: LabVersion) -> LabVersion:
    """The lab's next version."""
    content = version.content
    files = {
        **content.files,
        PurePosixPath("README.md"): SourceFile(b"# Say it again\n\nLouder.\n"),
    }
    spec = LabSpec.model_validate({**version.spec, "version": "1.1.0"})
    publish_lab(dataclasses.replace(content, spec=spec, files=files, digest=tree_digest(files)))
    current = Lab.objects.get().current
    assert current is not None
    assert current != version
    return current


def judge(run: GradingRun, fast: str, score: float, verdict: str = "") -> GradingRun:
    """End a run: the criterion ``fast`` came out like this."""
    run.state, run.score, run.grader_version = "finished", score, "0.0.9"
    run.verdict = verdict or ("passed" if fast == "passed" else "failed")
    run.save()
    for criterion, outcome in (("contract", "passed"), ("fast", fast)):
        payload = {"criterion": criterion, "check": "x", "title": criterion.title(), "gate": False, "outcome": outcome,
                   "points": 1, "max_points": 1, "message": f"{criterion} was {outcome}"}  # fmt: skip
        CheckResult.objects.create(
            run=run, criterion=criterion, outcome=outcome, points=1, payload=payload
        )
    return run


@pytest.fixture
def old(ada: Any, make_run: Any) -> GradingRun:
    return judge(make_run(ada), "failed", 40)


def regraded(
    newer: LabVersion, ivan: Any, fast: str, score: float, verdict: str = ""
) -> RegradeBatch:
    batch = regrading.start(newer, ivan)
    for run in batch.runs.all():
        judge(run, fast, score, verdict)
    return batch


def test_the_newest_of_each_learner_and_what_is_pinned(
    ada: Any, ivan: Any, make_run: Any, version: LabVersion
) -> None:
    first, second = (judge(make_run(ada), "passed", 100) for _ in range(2))
    other = judge(make_run(ivan), "failed", 40)
    make_run(ada)  # still queued: nothing to compare with
    assert regrading.candidates(version) == [other, second]
    pin(first, ada)
    assert set(regrading.candidates(version)) == {first, second, other}


def test_what_this_version_and_grader_judged_is_not_judged_again(
    old: GradingRun, version: LabVersion
) -> None:
    assert regrading.candidates(version) == [old]
    GradingRun.objects.update(grader_version=regrading.__version__)
    assert regrading.candidates(version) == []


def test_it_waits_behind_learners_and_costs_them_no_place(
    ada: Any, ivan: Any, old: GradingRun, make_run: Any, newer: LabVersion
) -> None:
    batch = regrading.start(newer, ivan)
    draft = batch.runs.get()
    assert (draft.seed, draft.replaces, draft.lab_version) == (old.seed, old, newer)
    mine = make_run(ada)
    assert (queue.position(mine), queue.position(draft)) == (1, 2)
    taken = leases.claim("worker")
    assert taken == mine
    assert leases.claim("worker") == draft
    for _ in range(intake.MAX_UNFINISHED - 1):
        make_run(ada)


def test_a_draft_is_seen_by_instructors_alone(
    client: Client, ada: Any, ivan: Any, old: GradingRun, newer: LabVersion
) -> None:
    draft = regraded(newer, ivan, "passed", 100).runs.get()
    client.force_login(ada)
    assert client.get(draft.get_absolute_url()).status_code == 404
    assert f"/runs/{draft.pk}/" not in client.get("/runs/").content.decode()
    assert f"/runs/{draft.pk}/" not in client.get(old.get_absolute_url()).content.decode()
    assert progress.standings(ada)["echo-lab"].best == "failed"
    client.force_login(ivan)
    assert "only instructors see it" in client.get(draft.get_absolute_url()).content.decode()


@pytest.mark.parametrize(
    ("before", "after", "score", "kind"),
    [
        ("failed", "passed", 100, "gains"),
        ("passed", "failed", 40, "loses"),
        ("failed", "failed", 60, "more"),
        ("failed", "failed", 20, "less"),
        ("failed", "failed", 40, "same"),
    ],
)
def test_the_preview_says_who_gains_and_why(
    ada: Any,
    ivan: Any,
    make_run: Any,
    newer: LabVersion,
    before: str,
    after: str,
    score: float,
    kind: str,
) -> None:
    judge(make_run(ada), before, 40)
    batch = regraded(newer, ivan, after, score)
    [difference] = regrading.preview(batch)
    assert difference.kind == kind
    assert [(c.before, c.after) for c in difference.changes] == (
        [(before, after)] if before != after else []
    )
    assert all(c.why == f"fast was {after}" for c in difference.changes)


def test_published_it_stands_and_the_old_run_stays(
    client: Client, ada: Any, ivan: Any, old: GradingRun, newer: LabVersion
) -> None:
    entry = pin(old, ada)
    batch = regraded(newer, ivan, "passed", 100)
    entry.refresh_from_db()
    assert entry.run == old
    regrading.publish(batch, ivan)
    entry.refresh_from_db()
    new = batch.runs.get()
    assert entry.run == new
    assert progress.standings(ada)["echo-lab"].best == "passed"
    client.force_login(ada)
    assert client.get(old.get_absolute_url()).status_code == 200
    assert "A re-grade of" in client.get(new.get_absolute_url()).content.decode()
    assert RegradeBatch.objects.get().ended_by == ivan


def test_who_loses_no_longer_stands_as_passed(
    ada: Any, ivan: Any, make_run: Any, newer: LabVersion
) -> None:
    judge(make_run(ada), "passed", 100)
    regrading.publish(regraded(newer, ivan, "failed", 40), ivan)
    assert progress.standings(ada)["echo-lab"].best == "failed"


def test_without_a_verdict_the_old_run_stands(
    ada: Any, ivan: Any, make_run: Any, newer: LabVersion
) -> None:
    old = judge(make_run(ada), "passed", 100)
    entry = pin(old, ada)
    regrading.publish(regraded(newer, ivan, "inconclusive", 40, "inconclusive"), ivan)
    entry.refresh_from_db()
    assert entry.run == old
    assert progress.standings(ada)["echo-lab"].best == "passed"


def test_nothing_is_published_while_runs_go_on(
    ivan: Any, old: GradingRun, newer: LabVersion
) -> None:
    batch = regrading.start(newer, ivan)
    with pytest.raises(CannotRegrade, match="not finished"):
        regrading.publish(batch, ivan)
    with pytest.raises(CannotRegrade, match="open already"):
        regrading.start(newer, ivan)


def test_discarded_it_leaves_everything_as_it_was(
    ada: Any, ivan: Any, old: GradingRun, newer: LabVersion
) -> None:
    entry = pin(old, ada)
    batch = regrading.start(newer, ivan)
    regrading.discard(batch, ivan)
    assert batch.runs.get().state == "cancelled"
    entry.refresh_from_db()
    assert entry.run == old
    assert GradingRun.objects.visible_to(ada).count() == 1
    with pytest.raises(CannotRegrade, match="already"):
        regrading.publish(batch, ivan)
    assert regrading.candidates(newer) == [old]


def test_the_pages_from_start_to_publishing(
    client: Client, ada: Any, ivan: Any, old: GradingRun, newer: LabVersion
) -> None:
    client.force_login(ada)
    assert client.post(reverse("regrade_start", args=[newer.pk])).status_code == 403
    client.force_login(ivan)
    assert (
        "Grade 1 submission again"
        in client.get(reverse("teach_version", args=[newer.pk])).content.decode()
    )
    client.post(reverse("regrade_start", args=[newer.pk]))
    batch = RegradeBatch.objects.get()
    text = client.get(batch.get_absolute_url()).content.decode()
    assert "Not graded yet" in text
    assert 'value="publish"' not in text
    judge(batch.runs.get(), "passed", 100)
    text = client.get(batch.get_absolute_url()).content.decode()
    for part in ("Would pass", "fast was passed", 'value="publish"', "ada"):
        assert part in text, part
    client.post(reverse("regrade_end", args=[batch.pk]), {"action": "publish"})
    text = client.get(batch.get_absolute_url()).content.decode()
    assert "<b>Published</b>" in text
    assert (
        client.post(reverse("regrade_end", args=[batch.pk]), {"action": "discard"}).status_code
        == 302
    )
    batch.refresh_from_db()
    assert batch.discarded_at is None


def test_what_is_not_gradable_any_more_leaves_the_portfolio(
    ada: Any, ivan: Any, make_run: Any, newer: LabVersion
) -> None:
    entry = pin(judge(make_run(ada), "passed", 100), ada)
    regrading.publish(regraded(newer, ivan, "failed", 0, "not_gradable"), ivan)
    entry.refresh_from_db()
    assert not entry.visible


def test_more_than_one_batch_holds_is_said_and_left_for_the_next(
    client: Client,
    ada: Any,
    ivan: Any,
    make_run: Any,
    newer: LabVersion,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(regrading, "MAX_RUNS", 1)
    judge(make_run(ada), "passed", 100)
    judge(make_run(ivan), "passed", 100)
    client.force_login(ivan)
    page = client.get(reverse("teach_version", args=[newer.pk])).content.decode()
    assert "takes the newest 1; start another for the rest" in page
    first = regrading.start(newer, ivan)
    assert first.runs.count() == 1
    GradingRun.objects.filter(batch=first).update(
        state="finished", verdict="passed", grader_version=regrading.__version__, lab_version=newer
    )
    regrading.publish(first, ivan)
    assert regrading.start(newer, ivan).runs.count() == 1
