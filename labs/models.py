"""Labs, their immutable versions, skills and tracks.

Rows come from content/ by ``lab_sync``, never from a form.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, NoReturn

from django.db import models
from django.urls import reverse

from grader.archive import parse
from grader.lab import LabContent, LabSpec
from labs.kept import kept
from storage import blobs


class Immutable(Exception):
    """Something tried to change or delete a row that must never change."""


class ImmutableQuerySet(models.QuerySet[Any]):
    """Refuses bulk changes, which would go round ``save``."""

    def update(self, **kwargs: Any) -> NoReturn:  # noqa: ARG002
        raise Immutable("Published versions never change. Publish a new one.")

    def delete(self) -> NoReturn:
        raise Immutable("Published versions are never deleted: runs cite them.")


class Skill(models.Model):
    """Something that labs prove. Mirrors content/skills.yaml."""

    slug = models.SlugField(primary_key=True, max_length=48)
    title = models.CharField(max_length=120)
    text = models.TextField(blank=True)
    position = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["position", "slug"]

    def __str__(self) -> str:
        return self.title


class Track(models.Model):
    """A path through labs.

    ``labs`` holds slugs in order; one that is not installed is shown as planned.
    """

    slug = models.SlugField(primary_key=True, max_length=48)
    title = models.CharField(max_length=120)
    text = models.TextField(blank=True)
    labs = models.JSONField(default=list)
    planned = models.JSONField(
        default=dict, help_text="titles of labs that are not written yet, by slug"
    )
    position = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["position", "slug"]

    def __str__(self) -> str:
        return self.title


class Lab(models.Model):
    """A lab's stable identity.

    ``current`` is the version that new submissions are graded against.
    """

    slug = models.SlugField(primary_key=True, max_length=48)
    number = models.PositiveIntegerField()
    current = models.ForeignKey(
        "LabVersion", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    retired = models.BooleanField(
        default=False, help_text="Not in the content folder any more: no new submissions."
    )
    standing = models.CharField(
        max_length=60, blank=True, help_text="how far the current version was proven, in words"
    )

    class Meta:
        ordering = ["number", "slug"]

    def __str__(self) -> str:
        return self.slug

    def get_absolute_url(self) -> str:
        return reverse("lab_detail", args=[self.slug])

    @property
    def spec(self) -> LabSpec:
        """The spec of the current version. Raises ValueError for a lab that was never published."""
        if self.current is None:
            raise ValueError(f"Lab {self.slug} has no published version.")
        return self.current.spec_model

    @property
    def title(self) -> str:
        return self.spec.title if self.current else self.slug


class Draft(models.Model):
    """What the content folder holds and the last sync did not publish, because its proofs are not
    all on record.
    """

    slug = models.SlugField(primary_key=True, max_length=48)
    label = models.CharField(max_length=32)
    digest = models.CharField(max_length=64)
    standing = models.CharField(max_length=60)

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return f"{self.slug} {self.label} ({self.standing})"


class LabVersion(models.Model):
    """A frozen lab folder. ``digest`` is its identity, ``label`` the author's name for it."""

    lab = models.ForeignKey(Lab, on_delete=models.PROTECT, related_name="versions")
    digest = models.CharField(max_length=64, unique=True)
    label = models.CharField(max_length=32)
    spec = models.JSONField()
    archive = models.CharField(
        max_length=64, help_text="sha256 of the blob with every file of the folder"
    )
    published_at = models.DateTimeField(auto_now_add=True)

    objects = ImmutableQuerySet.as_manager()

    class Meta:
        ordering = ["-published_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.lab_id} {self.label} ({self.digest[:8]})"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert. Raises Immutable when the version exists already."""
        if not self._state.adding:
            raise Immutable("Published versions never change. Publish a new one.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:  # noqa: ARG002
        raise Immutable("Published versions are never deleted: runs cite them.")

    @cached_property
    def spec_model(self) -> LabSpec:
        """The spec, read once per process: a version never changes, so its digest is enough to know
        it again.
        """
        return kept("spec", self.digest, lambda: LabSpec.model_validate(self.spec))

    @cached_property
    def content(self) -> LabContent:
        """Every file of the lab as it was published. Raises storage.blobs.BlobMissing."""
        return LabContent(self.spec_model, parse(blobs.get(self.archive)).files, self.digest)
