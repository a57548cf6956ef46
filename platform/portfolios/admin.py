"""Portfolios, for operators who must take something down."""

from django.contrib import admin

from portfolios.models import Portfolio, PortfolioEntry


class EntryInline(admin.TabularInline):  # type: ignore[type-arg]
    model = PortfolioEntry
    extra = 0
    raw_id_fields = ("run",)


@admin.register(Portfolio)
class PortfolioAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("user", "is_public", "headline")
    list_filter = ("is_public",)
    search_fields = ("user__handle", "headline")
    raw_id_fields = ("user",)
    inlines = (EntryInline,)
