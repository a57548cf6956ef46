"""A lab's page: brief, rubric, contract, hints, submit, own runs, limits and versions."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from grader.archive import pack_zip
from grader.dockerfile.bases import operators_patterns
from grader.lab import LabContent
from labs import progress
from labs.contract import Operation, operations
from labs.kept import kept
from labs.models import Lab, LabVersion, Skill
from storage.blobs import BlobMissing
from webui.text_render import markdown


@dataclass(frozen=True, slots=True)
class Hint:
    """One hint: its first heading is the title of the fold."""

    number: int
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Told:
    """What a version's files say: the brief as HTML, the routes, the hints, facts about the
    starter.
    """

    brief: str
    operations: list[Operation]
    hints: list[Hint]
    starter: dict[str, object] | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an upload was not taken: what stands in the form, with what the learner had typed."""

    reasons: tuple[str, ...]
    advice: str = ""
    filename: str = ""
    note: str = ""
    only: Sequence[str] = ()


@require_safe
def lab_detail(request: HttpRequest, slug: str) -> HttpResponse:
    """The page of a lab, also of one that is retired."""
    return render_lab(request, find(slug))


def find(slug: str) -> Lab:
    """The published lab, or 404."""
    return get_object_or_404(
        Lab.objects.select_related("current"), slug=slug, current__isnull=False
    )


def render_lab(
    request: HttpRequest,
    lab: Lab,
    *,
    refusal: Refusal | None = None,
    fragment: str = "",
    status: int = 200,
) -> HttpResponse:
    """The whole page, or its fragment ``submit-form``. Also used by the submit view on refusal."""
    version = lab.current
    assert version is not None
    spec = version.spec_model
    if fragment == "submit-form":
        form = {"lab": lab, "refusal": refusal, "spec": spec}
        return render(request, "labs/lab_detail/_submit.html", form, status=status)
    told = _told(version)
    own = progress.own_runs(request.user, lab.slug)
    skills = {s.slug: s.title for s in Skill.objects.filter(slug__in=spec.skills)}
    context = {
        "nav_current": "labs",
        "lab": lab,
        "spec": spec,
        "packages": settings.SEATRIAL_PACKAGES.sentence(),
        "public_bases": operators_patterns(),
        "version": version,
        "versions": list(lab.versions.exclude(pk=version.pk).defer("spec")[:10]),
        "brief": told.brief,
        "rubric": [(c, own.outcomes.get(c.id, "")) for c in spec.rubric.criteria],
        "gates": sum(c.gate for c in spec.rubric.criteria),
        "operations": told.operations,
        "hints": told.hints,
        "runs": own.rows,
        "skills": [(s, skills.get(s, s)) for s in spec.skills],
        "starter": told.starter,
        "refusal": refusal,
    }
    return render(request, "labs/lab_detail.html", context, status=status)


def _told(version: LabVersion) -> Told:
    """What the files of the version say, read once.

    A version without its blob says nothing, this time.
    """
    try:
        return kept("told", version.digest, lambda: _tell(version.content))
    except BlobMissing:
        return _tell(LabContent(version.spec_model, {}, version.digest))


def _tell(content: LabContent) -> Told:
    routes = operations(_text(content, content.spec.contract).encode())
    return Told(markdown(_brief(content)), routes, _hints(content), _starter_facts(content))


def _text(content: LabContent, path: str) -> str:
    file = content.files.get(PurePosixPath(path))
    return file.data.decode("utf-8", "replace") if file else ""


def _brief(content: LabContent) -> str:
    """README.md without its first heading, which is the page's own title."""
    text = _text(content, "README.md").lstrip()
    if text.startswith("# "):
        text = text.partition("\n")[2]
    return text


def _hints(content: LabContent) -> list[Hint]:
    hints = []
    for number, path in enumerate(
        sorted(p for p in content.under("hints") if p.suffix == ".md"), 1
    ):
        text = _text(content, f"hints/{path}").strip()
        first, _, rest = text.partition("\n")
        title = first.lstrip("# ").strip() if first.startswith("#") else f"Hint {number}"
        hints.append(Hint(number, title, rest if first.startswith("#") else text))
    return hints


def _starter_facts(content: LabContent) -> dict[str, object] | None:
    files = content.under("starter")
    if not files:
        return None
    archive = pack_zip(files)
    return {
        "size": len(archive),
        "digest": hashlib.sha256(archive).hexdigest(),
        "files": len(files),
    }
