"""Cancel, grade again, evidence, the list of runs, and the instructor's page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from storage import blobs
from submissions.models import Evidence, GradingRun

pytestmark = pytest.mark.django_db
Make = Callable[..., GradingRun]


@pytest.fixture
def me(client: Client, ada: Any) -> Client:
    client.force_login(ada)
    return client


def test_cancel_needs_a_post(me: Client, ada: Any, make_run: Make) -> None:
    run = make_run(ada)
    assert me.get(reverse("run_cancel", args=[run.pk])).status_code == 405
    me.post(reverse("run_cancel", args=[run.pk]))
    assert GradingRun.objects.get().state == "cancelled"


def test_grade_again_goes_to_the_new_run(me: Client, ada: Any, make_run: Make) -> None:
    old = make_run(ada, state="finished", verdict="failed", finished_at=timezone.now())
    response = me.post(reverse("run_regrade", args=[old.pk]))
    new = GradingRun.objects.latest("pk")
    assert new.pk != old.pk
    assert response["Location"] == new.get_absolute_url()


def test_grade_again_pressed_twice_is_one_run(me: Client, ada: Any, make_run: Make) -> None:
    old = make_run(ada, state="finished", verdict="failed", finished_at=timezone.now())
    pages = [me.post(reverse("run_regrade", args=[old.pk]))["Location"] for _ in range(2)]
    assert pages[0] == pages[1]
    assert GradingRun.objects.count() == 2


def test_grade_again_says_why_not(me: Client, ada: Any, make_run: Make) -> None:
    run = make_run(ada)
    response = me.post(reverse("run_regrade", args=[run.pk]), follow=True)
    assert "This run still goes on" in response.content.decode()
    assert GradingRun.objects.count() == 1


def test_evidence_is_a_download_whatever_it_claims_to_be(
    me: Client, ada: Any, make_run: Make
) -> None:
    run = make_run(ada)
    data = b"<script>alert(1)</script>"
    blob = blobs.put(data)
    Evidence.objects.create(run=run, name='a".html', media_type="text/html", digest=blob, blob=blob)
    response = me.get(reverse("run_evidence", args=[run.pk, 'a".html']))
    assert response.content == data
    assert response["Content-Type"] == "application/octet-stream"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Disposition"] == f'attachment; filename="run-{run.pk}-a-.html"'
    assert me.get(reverse("run_evidence", args=[run.pk, "none"])).status_code == 404


def test_the_list_holds_only_the_own_runs(me: Client, ada: Any, ivan: Any, make_run: Make) -> None:
    assert "No runs yet" in me.get(reverse("run_list")).content.decode()
    mine, other = make_run(ada), make_run(ivan)
    text = me.get(reverse("run_list")).content.decode()
    assert mine.get_absolute_url() in text
    assert other.get_absolute_url() not in text


def test_teach_is_for_instructors(client: Client, ada: Any, ivan: Any, make_run: Make) -> None:
    run = make_run(ada, state="finished", verdict="failed", score=12, finished_at=timezone.now())
    client.force_login(ada)
    assert client.get(reverse("teach")).status_code == 403
    client.force_login(ivan)
    text = client.get(reverse("teach")).content.decode()
    assert run.get_absolute_url() in text
    assert "echo-lab" in text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"who": "AD"}, True),
        ({"who": "zed"}, False),
        ({"outcome": "failed"}, True),
        ({"outcome": "passed"}, False),
        ({"outcome": "queued"}, False),
        ({"lab": "echo-lab"}, True),
        ({"lab": "other"}, False),
        ({"page": "99"}, True),
    ],
)
def test_teach_filters(
    client: Client, ada: Any, ivan: Any, make_run: Make, query: dict[str, str], found: bool
) -> None:
    run = make_run(ada, state="finished", verdict="failed", finished_at=timezone.now())
    client.force_login(ivan)
    assert (run.get_absolute_url() in client.get(reverse("teach"), query).content.decode()) is found


def test_the_lab_page_and_the_catalogue_know_the_own_runs(
    me: Client, ada: Any, make_run: Make
) -> None:
    run = make_run(ada, state="finished", verdict="failed", score=40, finished_at=timezone.now())
    lab = me.get(reverse("lab_detail", args=["echo-lab"])).content.decode()
    assert run.get_absolute_url() in lab
    assert 'type="file"' in lab
    catalogue = me.get(reverse("lab_list")).content.decode()
    assert "Carry on:" in catalogue
    assert "40 points, attempt 1" in catalogue


def test_the_admin_shows_everything_and_changes_nothing(
    client: Client, ada: Any, make_run: Make, django_user_model: Any
) -> None:
    run = make_run(ada)
    client.force_login(
        django_user_model.objects.create_superuser("root2", "r@example.org", "x" * 12)
    )
    for name in ("labs_lab", "labs_labversion", "submissions_gradingrun", "submissions_submission"):
        assert client.get(reverse(f"admin:{name}_changelist")).status_code == 200
    change = reverse("admin:submissions_gradingrun_change", args=[run.pk])
    assert client.get(change).status_code == 200
    assert client.post(change, {"verdict": "passed"}).status_code == 403
