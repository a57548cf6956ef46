"""Operators look at labs here. Content comes from ``lab_sync``, so nothing can be changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from labs.models import Lab, LabVersion, Skill, Track
from webui.paging import BoundedPaginator

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin


class ReadOnly(ModelAdmin):
    """Shows everything, changes nothing, and counts no millions of rows."""

    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 25  # a hundred rows cost nine bare views, fifty seven

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False


@admin.register(Lab)
class LabAdmin(ReadOnly):
    list_display = ("number", "slug", "current", "retired")


@admin.register(LabVersion)
class LabVersionAdmin(ReadOnly):
    list_display = ("lab", "label", "digest", "published_at")
    list_filter = ("lab",)


@admin.register(Skill)
class SkillAdmin(ReadOnly):
    list_display = ("slug", "title")


@admin.register(Track)
class TrackAdmin(ReadOnly):
    list_display = ("slug", "title")
