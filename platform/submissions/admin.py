"""Operators look at runs here. Runs change only through services, so nothing can be edited."""

from __future__ import annotations

from django.contrib import admin

from labs.admin import ReadOnly
from submissions.models import CheckResult, Evidence, GradingRun, RunEvent, Submission


@admin.register(Submission)
class SubmissionAdmin(ReadOnly):
    list_display = ("pk", "user", "lab", "number", "filename", "created")
    list_filter = ("lab",)
    search_fields = ("user__handle", "digest")


@admin.register(GradingRun)
class GradingRunAdmin(ReadOnly):
    list_display = ("pk", "submission", "state", "verdict", "score", "tries", "fence", "worker", "created")
    list_filter = ("state", "verdict", "lab_version__lab")
    search_fields = ("submission__user__handle", "seed")


@admin.register(RunEvent)
class RunEventAdmin(ReadOnly):
    list_display = ("run", "seq", "at")


@admin.register(CheckResult)
class CheckResultAdmin(ReadOnly):
    list_display = ("run", "criterion", "outcome", "points")
    list_filter = ("outcome",)


@admin.register(Evidence)
class EvidenceAdmin(ReadOnly):
    list_display = ("run", "name", "media_type", "visibility", "size")
    list_filter = ("visibility",)
