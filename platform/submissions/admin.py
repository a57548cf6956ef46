"""Operators look at runs here. Runs change only through services, so nothing can be edited."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from labs.admin import ReadOnly
from submissions.models import CheckResult, Evidence, GradingRun, RunEvent, Submission


@admin.register(Submission)
class SubmissionAdmin(ReadOnly):
    list_select_related = ("user", "lab")
    list_display = ("pk", "user", "lab", "number", "filename", "created")
    list_filter = ("lab",)
    search_fields = ("user__handle", "digest")


@admin.register(GradingRun)
class GradingRunAdmin(ReadOnly):
    list_select_related = ("submission",)
    ordering = ("-pk",)
    list_display = (
        "pk",
        "submission",
        "state",
        "verdict",
        "score",
        "tries",
        "fence",
        "worker",
        "created",
    )
    list_filter = ("state", "verdict", "lab")
    search_fields = ("submission__user__handle", "seed")


@admin.register(RunEvent)
class RunEventAdmin(ReadOnly):
    list_display = ("pk", "run_id", "seq", "at")
    ordering = ("-pk",)
    raw_id_fields = ("run",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[RunEvent]:
        return super().get_queryset(request).defer("payload")


@admin.register(CheckResult)
class CheckResultAdmin(ReadOnly):
    list_display = ("pk", "run_id", "criterion", "outcome", "points")
    ordering = ("-pk",)
    raw_id_fields = ("run",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[CheckResult]:
        return super().get_queryset(request).defer("payload")


@admin.register(Evidence)
class EvidenceAdmin(ReadOnly):
    list_display = ("pk", "run_id", "name", "media_type", "visibility", "size")
    ordering = ("-pk",)
    raw_id_fields = ("run",)
