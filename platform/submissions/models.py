"""Submissions, the runs that grade them, and what a run leaves: events, results and evidence."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models.fields.json import KeyTextTransform
from django.urls import reverse
from django.utils import timezone

from grader import result
from labs.models import Lab, LabVersion

if TYPE_CHECKING:
    from accounts.models import User


class Submission(models.Model):
    """An immutable source snapshot.

    Its ``number`` counts per learner and lab; pages call it the attempt.

    What was only tried ("Check it") has none: it is no attempt.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="submissions"
    )
    lab = models.ForeignKey(Lab, on_delete=models.PROTECT, related_name="submissions")
    lab_version = models.ForeignKey(
        LabVersion, on_delete=models.PROTECT, related_name="submissions"
    )
    number = models.PositiveIntegerField(null=True, blank=True)
    digest = models.CharField(max_length=64, help_text="sha256 over the files of the snapshot")
    blob = models.CharField(
        max_length=64, blank=True, help_text="empty when no run of it ever began"
    )
    size = models.PositiveIntegerField(default=0, help_text="bytes of the blob")
    note = models.CharField(max_length=120, blank=True)
    filename = models.CharField(max_length=200, blank=True)
    left_out = models.CharField(
        max_length=300, blank=True, help_text="what the archive held and was not taken"
    )
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "lab", "number"], name="submission_number_unique"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.lab_id} {self.name}"

    @property
    def name(self) -> str:
        """What pages call it."""
        return f"attempt {self.number}" if self.number else "try"


class RegradeBatch(models.Model):
    """Old submissions graded again by another version of their lab or of the grader, as a draft
    until published.

    Until then nobody but instructors sees its runs; a discarded batch stays a draft for ever.
    """

    lab_version = models.ForeignKey(LabVersion, on_delete=models.PROTECT, related_name="regrades")
    grader_version = models.CharField(max_length=32)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    created = models.DateTimeField(auto_now_add=True)
    published_at = models.DateTimeField(null=True, blank=True)
    discarded_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["-pk"]
        verbose_name_plural = "regrade batches"

    def __str__(self) -> str:
        return f"regrade {self.pk} by {self.lab_version}"

    def get_absolute_url(self) -> str:
        return reverse("regrade_detail", args=[self.pk])

    @property
    def is_draft(self) -> bool:
        return self.published_at is None and self.discarded_at is None


class RunQuerySet(models.QuerySet["GradingRun"]):
    def shown(self) -> RunQuerySet:
        """Without the drafts of re-grades."""
        return self.exclude(batch__isnull=False, batch__published_at__isnull=True)

    def attempts(self) -> RunQuerySet:
        """Those shown that may count and be published. What was only tried may not."""
        return self.shown().filter(trial=False)

    def standing(self) -> RunQuerySet:
        """Those that stand for their submission: attempts, not replaced by a published re-grade
        with a verdict.
        """
        judged = ("passed", "failed", "not_gradable")
        replaced = GradingRun.objects.filter(
            replaces=models.OuterRef("pk"), batch__published_at__isnull=False, verdict__in=judged
        )
        return self.attempts().exclude(models.Exists(replaced))

    def next_in_line(self) -> RunQuerySet:
        """Queued runs in the order in which they are claimed: re-grades wait until no learner
        does.
        """
        queued = self.filter(state=GradingRun.State.QUEUED)
        return queued.order_by(models.F("batch_id").asc(nulls_first=True), "created", "pk")

    def unfinished(self) -> RunQuerySet:
        return self.filter(state__in=(GradingRun.State.QUEUED, GradingRun.State.RUNNING))

    def visible_to(self, user: User) -> RunQuerySet:
        """All runs for instructors, the own ones for everybody else."""
        return self if user.is_instructor else self.shown().filter(learner=user)

    def detailed(self) -> RunQuerySet:
        """With everything that a row of a list shows, in two queries."""
        return self.with_people().prefetch_related("check_results")

    def with_people(self) -> RunQuerySet:
        """With learner, attempt, lab and version; the spec comes from the cache of the process."""
        related = self.select_related("submission__user", "lab_version__lab")
        return related.defer("lab_version__spec")

    def listed(self) -> RunQuerySet:
        """For rows of lists: of the results only the titles of those that failed, never the
        plots.
        """
        title = KeyTextTransform("title", "payload")
        failed = CheckResult.objects.filter(outcome="failed").annotate(title=title).defer("payload")
        prefetch = models.Prefetch("check_results", queryset=failed, to_attr="failed_results")
        return self.with_people().prefetch_related(prefetch)


class GradingRun(models.Model):
    """One execution of the grader.

    ``state`` says where it is; ``verdict`` what came out, apart from it.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        FINISHED = "finished", "Finished"
        CANCELLED = "cancelled", "Cancelled"
        LOST = "lost", "Lost"

    class Verdict(models.TextChoices):
        PASSED = "passed", "Passed"
        FAILED = "failed", "Failed"
        INCONCLUSIVE = "inconclusive", "Inconclusive"
        NOT_GRADABLE = "not_gradable", "Not gradable"
        ERRORED = "errored", "Errored"

    submission = models.ForeignKey(Submission, on_delete=models.CASCADE, related_name="runs")
    lab_version = models.ForeignKey(LabVersion, on_delete=models.PROTECT, related_name="runs")
    # Copies of what the submission says: an index over them answers pages without looking at every
    # run.
    learner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    lab = models.ForeignKey(Lab, on_delete=models.PROTECT, related_name="+")
    batch = models.ForeignKey(
        RegradeBatch, null=True, blank=True, on_delete=models.PROTECT, related_name="runs"
    )
    replaces = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="regraded_by"
    )
    trial = models.BooleanField(default=False, help_text="only tried: no attempt, never public")
    only = models.JSONField(
        default=list, blank=True, help_text="ids of the criteria to grade; empty: all"
    )
    outvoted = models.BooleanField(
        default=False, help_text="passed, but as many runs of this source failed"
    )
    state = models.CharField(max_length=12, choices=State.choices, default=State.QUEUED)
    verdict = models.CharField(max_length=16, choices=Verdict.choices, blank=True)
    score = models.FloatField(
        null=True, blank=True, help_text="0 to 100; empty when nothing was judged"
    )
    seed = models.CharField(max_length=40)
    reason = models.TextField(blank=True)
    advice = models.TextField(blank=True)
    image_digest = models.CharField(max_length=128, blank=True)
    grader_version = models.CharField(max_length=32, blank=True)

    fence = models.PositiveIntegerField(
        default=0, help_text="Grows with every claim; writes with an old one fail"
    )
    lease_until = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=120, blank=True)
    tries = models.PositiveIntegerField(default=0)
    cancel_requested = models.BooleanField(default=False)

    created = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["state", "lease_until"]),
            models.Index(fields=["state", "created"]),
            models.Index(fields=["learner", "lab", "-id"], name="run_of_learner_in_lab"),
            models.Index(
                fields=["learner", "trial", "lab", "verdict", "-id"], name="run_verdict_of_learner"
            ),
            models.Index(fields=["learner", "-id"], name="run_of_learner"),
            models.Index(
                fields=["learner"],
                name="regrade_of_learner",
                condition=models.Q(batch__isnull=False),
            ),
            models.Index(fields=["lab", "verdict", "-id"], name="run_verdict_in_lab"),
            models.Index(fields=["verdict", "-id"], name="run_verdict"),
            models.Index(fields=["trial", "lab_version", "verdict"], name="run_verdict_of_version"),
            models.Index(fields=["state", "-id"], name="run_state"),
            models.Index(fields=["state", "-finished_at"], name="run_finished"),
        ]

    def __str__(self) -> str:
        return f"run {self.pk} ({self.outcome})"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save; a new run takes learner and lab from its submission."""
        if not self.learner_id:
            self.learner_id = self.submission.user_id
        if not self.lab_id:
            self.lab_id = self.submission.lab_id
        super().save(*args, **kwargs)

    def get_absolute_url(self) -> str:
        return reverse("run_detail", args=[self.pk])

    @property
    def outcome(self) -> str:
        """One word for badges: the verdict of a finished run, else its state."""
        if self.state == self.State.FINISHED:
            return self.verdict
        return "errored" if self.state == self.State.LOST else self.state

    @property
    def is_over(self) -> bool:
        return self.state not in (self.State.QUEUED, self.State.RUNNING)

    @property
    def counts(self) -> bool:
        """Whether this run counts as an attempt: only when the outcome is the learner's own."""
        own = (self.Verdict.PASSED, self.Verdict.FAILED, self.Verdict.NOT_GRADABLE)
        return not self.trial and self.verdict in own

    @property
    def took(self) -> timedelta | None:
        """From the start of the last try to its end, or to now.

        Never negative: clocks are set back.
        """
        if self.started_at is None:
            return None
        return max(timedelta(), (self.finished_at or timezone.now()) - self.started_at)


class RunEvent(models.Model):
    """Progress of a run, append-only. ``seq`` grows within a run, also from one try to the next."""

    run = models.ForeignKey(GradingRun, on_delete=models.CASCADE, related_name="events")
    seq = models.BigIntegerField()
    at = models.DateTimeField(default=timezone.now)
    payload = models.JSONField()

    class Meta:
        ordering = ["seq"]
        constraints = [models.UniqueConstraint(fields=["run", "seq"], name="event_seq_unique")]

    def __str__(self) -> str:
        return f"event {self.seq} of run {self.run_id}"


class CheckResult(models.Model):
    """Outcome of one criterion in one run. ``payload`` is grader.result.CheckResult as JSON."""

    run = models.ForeignKey(GradingRun, on_delete=models.CASCADE, related_name="check_results")
    criterion = models.CharField(max_length=48)
    outcome = models.CharField(max_length=16)
    points = models.FloatField()
    payload = models.JSONField()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["run", "criterion"], name="criterion_once_a_run")
        ]

    def __str__(self) -> str:
        return f"{self.criterion}: {self.outcome}"

    @cached_property
    def model(self) -> result.CheckResult:
        return result.CheckResult.model_validate(self.payload)


class Evidence(models.Model):
    """An artefact of a run. 'private' is for the learner and instructors; 'reviewer' also for
    reviewers.
    """

    class Visibility(models.TextChoices):
        PRIVATE = "private", "Learner and instructors"
        REVIEWER = "reviewer", "Reviewers too"

    run = models.ForeignKey(GradingRun, on_delete=models.CASCADE, related_name="evidence")
    name = models.CharField(max_length=80)
    media_type = models.CharField(max_length=80)
    visibility = models.CharField(
        max_length=16, choices=Visibility.choices, default=Visibility.PRIVATE
    )
    digest = models.CharField(max_length=64)
    blob = models.CharField(max_length=64)
    size = models.PositiveIntegerField(default=0, help_text="bytes")

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "evidence"
        constraints = [models.UniqueConstraint(fields=["run", "name"], name="evidence_name_unique")]

    def __str__(self) -> str:
        return f"{self.name} of run {self.run_id}"
