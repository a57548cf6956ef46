"""The instructor's page: labs with their versions, and all runs with filters."""

from __future__ import annotations

from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from accounts.decorators import instructor_required
from accounts.models import User
from grader.lab import load_expectation
from labs.models import Draft, Lab, LabVersion
from submissions import regrading
from submissions.models import GradingRun
from submissions.progress import row_of
from webui.cached import figure
from webui.paging import BoundedPaginator

PER_PAGE = 50
MOST_PEOPLE = 200
FRESH_S = 60
"""How old the figures of all runs of a version may be, in seconds."""
OUTCOMES = (
    "queued",
    "running",
    "passed",
    "failed",
    "inconclusive",
    "not_gradable",
    "errored",
    "cancelled",
)
WORDS = [(outcome, outcome.replace("_", " ").capitalize()) for outcome in OUTCOMES]


@instructor_required
@require_safe
def teach(request: HttpRequest) -> HttpResponse:
    """All labs and all runs; ``lab``, ``outcome`` and ``who`` filter by GET."""
    lab, outcome, who = (request.GET.get(key, "")[:48] for key in ("lab", "outcome", "who"))
    runs = _filtered(GradingRun.objects.listed(), lab, outcome, who)
    page = BoundedPaginator(runs, PER_PAGE).get_page(request.GET.get("page"))
    query = request.GET.copy()
    query.pop("page", None)
    context = {
        "nav_current": "teach",
        "labs": _labs(),
        "drafts": Draft.objects.all(),
        "page": page,
        "rows": [(row_of(run), run) for run in page],
        "filters": {"lab": lab, "outcome": outcome, "who": who},
        "outcomes": WORDS,
        "query": query.urlencode(),
        "waiting": GradingRun.objects.unfinished().count(),
    }
    return render(request, "submissions/teach.html", context)


@instructor_required
@require_safe
def teach_version(request: HttpRequest, pk: int) -> HttpResponse:
    """One lab version: its rubric beside the submissions that prove it and what each must fail."""
    version = get_object_or_404(LabVersion.objects.select_related("lab", "lab__current"), pk=pk)
    content = version.content
    proofs = [
        (name, load_expectation(content, name)) for name in ("starter", *content.submissions())
    ]
    broken = {criterion for _, expected in proofs for criterion in expected.fails}
    rubric = [(c, c.id in broken) for c in version.spec_model.rubric.criteria]
    context = {
        "nav_current": "teach",
        "version": version,
        "proofs": proofs,
        "rubric": rubric,
        "candidates": (waiting := len(regrading.candidates(version))),
        "at_once": min(waiting, regrading.MAX_RUNS),
        "regrades": version.regrades.select_related("started_by", "ended_by"),
    }
    return render(request, "submissions/teach_version.html", context)


def _filtered(runs: QuerySet[GradingRun], lab: str, outcome: str, who: str) -> QuerySet[GradingRun]:
    if lab:
        runs = runs.filter(lab=lab)
    if outcome in ("queued", "running", "cancelled"):
        runs = runs.filter(state=outcome)
    elif outcome in OUTCOMES:
        runs = runs.filter(verdict=outcome)
    if who:
        # Learners first: the index of their runs is then enough, whoever is asked for.
        people = User.objects.filter(handle__icontains=who).values_list("pk", flat=True)
        runs = runs.filter(learner__in=list(people[:MOST_PEOPLE]))
    return runs


def _labs() -> list[dict[str, object]]:
    """Each lab with its versions; a version with its runs and the rate of passes among the judged
    ones.
    """
    rows: list[dict[str, object]] = []
    counted = figure("runs by version", FRESH_S, _runs_by_version)
    for lab in Lab.objects.select_related("current"):
        for version in lab.versions.defer("spec"):
            verdicts = counted.get(version.pk, {})
            judged = sum(verdicts.get(verdict, 0) for verdict in regrading.JUDGED)
            rate = round(100 * verdicts.get("passed", 0) / judged) if judged else None
            live = version.pk == lab.current_id and not lab.retired
            state = "live" if live else "retired" if version.pk == lab.current_id else "replaced"
            count = sum(verdicts.values())
            rows.append(
                {
                    "lab": lab,
                    "version": version,
                    "live": live,
                    "state": state,
                    "rate": rate,
                    "n": count,
                }
            )
    return rows


def _runs_by_version() -> dict[int, dict[str, int]]:
    """How many runs had which verdict, by key of the lab version. One pass over an index."""
    out: dict[int, dict[str, int]] = {}
    groups = (
        GradingRun.objects.filter(trial=False)
        .order_by()
        .values_list("lab_version", "verdict")
        .annotate(n=Count("pk"))
    )
    for version, verdict, count in groups:
        out.setdefault(version, {})[verdict] = count
    return out
