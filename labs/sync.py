"""From content/ to rows.

A changed folder becomes a new version; an old version is never touched.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from django.db import transaction

from grader.archive import dump
from grader.errors import SpecError
from grader.job import Snapshot
from grader.lab import LabContent, LabSpec, load_labs, load_planned, load_skills, load_tracks
from grader.proving import records
from grader.proving.cheats import load_cheats
from labs.models import Draft, Lab, LabVersion, Skill, Track
from storage import blobs


@dataclass
class Report:
    """What a sync did: slugs with version labels, and the errors, one text per broken file or
    folder.
    """

    published: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    retired: list[str] = field(default_factory=list)
    drafts: list[str] = field(default_factory=list)
    """Labs without a whole record of proofs, and how far they are."""
    errors: list[str] = field(default_factory=list)


def publish(content: LabContent) -> bool:
    """Publish one lab as it is. Returns False when exactly this was the current version already.

    A folder that went back to an older state makes that older version current again. Raises
    SpecError when the version label was published with other contents.
    """
    spec = content.spec
    with transaction.atomic():
        lab, _ = Lab.objects.get_or_create(slug=spec.id, defaults={"number": spec.number})
        version = LabVersion.objects.filter(digest=content.digest).first()
        if version is not None and lab.current_id == version.pk and not lab.retired:
            return False
        if version is None:
            _refuse_used_label(lab, spec)
            archive = blobs.put(dump(Snapshot(content.files, content.digest)))
            version = LabVersion.objects.create(
                lab=lab,
                digest=content.digest,
                label=spec.version,
                spec=spec.model_dump(mode="json"),
                archive=archive,
            )
        lab.number, lab.current, lab.retired = spec.number, version, False
        lab.save()
    return True


def _refuse_used_label(lab: Lab, spec: LabSpec) -> None:
    """A label names one version for ever: "1.0.0" on a verdict has to say what was graded."""
    if lab.versions.filter(label=spec.version).exists():
        raise SpecError(
            (
                f"{spec.id}/lab.yaml: version: {spec.version} of {spec.id} was published before with "
                "other contents."
            ),
            "Raise `version` in lab.yaml, then sync again.",
        )


def sync(content_dir: Path, *, proven_only: bool = False) -> Report:
    """Bring the database to the state of ``content_dir``.

    One broken lab doesn't keep the others back.

    ``proven_only``: a lab whose proofs are not all on record stays as it was published last.
    """
    report = Report()
    _sync_skills(content_dir, report)
    _sync_tracks(content_dir, report)
    seen: set[str] = set()
    labs = load_labs(content_dir)
    seen.update(labs.broken)  # a broken lab is still there: its last good version stays open
    report.errors.extend(labs.broken.values())
    for content in labs.good:
        seen.add(content.spec.id)
        try:
            proofs = records.standing(
                content_dir / "labs" / content.spec.id, content, load_cheats(content_dir)
            )
            if not proofs.whole:
                report.drafts.append(f"{content.spec.id} {content.spec.version}: {proofs.words}")
                if proven_only:
                    _hold_back(content, proofs)
                    continue
            changed = publish(content)
            Draft.objects.filter(slug=content.spec.id).delete()
            Lab.objects.filter(slug=content.spec.id).update(standing=proofs.words)
        except (SpecError, OSError) as error:
            said = (
                f"{error.message} {error.advice}"
                if isinstance(error, SpecError)
                else f"{content.spec.id}: {error}"
            )
            report.errors.append(said)
            continue
        (report.published if changed else report.unchanged).append(
            f"{content.spec.id} {content.spec.version}"
        )
    Draft.objects.exclude(slug__in=seen).delete()
    for lab in Lab.objects.filter(retired=False).exclude(slug__in=seen):
        lab.retired = True
        lab.save()
        report.retired.append(lab.slug)
    return report


def _hold_back(content: LabContent, proofs: records.Standing) -> None:
    """Keep an unproven state for instructors to see; when it was published before, say so of the
    version that is.
    """
    spec = content.spec
    if Lab.objects.filter(slug=spec.id, current__digest=content.digest).update(
        standing=proofs.words
    ):
        Draft.objects.filter(slug=spec.id).delete()
        return
    told = {"label": spec.version, "digest": content.digest, "standing": proofs.words}
    Draft.objects.update_or_create(slug=spec.id, defaults=told)


def _sync_skills(content_dir: Path, report: Report) -> None:
    if not (content_dir / "skills.yaml").is_file():
        return
    try:
        skills = load_skills(content_dir)
    except SpecError as error:
        report.errors.append(error.message)
        return
    for position, skill in enumerate(skills):
        defaults = {"title": skill.title, "text": skill.text, "position": position}
        Skill.objects.update_or_create(slug=skill.id, defaults=defaults)
    Skill.objects.exclude(slug__in=[s.id for s in skills]).delete()


def _sync_tracks(content_dir: Path, report: Report) -> None:
    try:
        tracks, titles = load_tracks(content_dir), load_planned(content_dir)
    except SpecError as error:
        report.errors.append(error.message)
        return
    for position, track in enumerate(tracks):
        planned = {slug: titles[slug] for slug in track.labs if slug in titles}
        defaults = {
            "title": track.title,
            "text": track.text,
            "labs": track.labs,
            "planned": planned,
            "position": position,
        }
        Track.objects.update_or_create(slug=track.id, defaults=defaults)
    Track.objects.exclude(slug__in=[t.id for t in tracks]).delete()
