"""The portfolio of a learner and the runs pinned on it.

Nothing is public unless the learner says so.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.urls import reverse

from accounts.models import User
from submissions.models import GradingRun


class Portfolio(models.Model):
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="portfolio"
    )
    is_public = models.BooleanField(
        "Everybody with the address may see it",
        default=False,
        help_text="Off: only you see the page, and the address answers 404 to others.",
    )
    headline = models.CharField(
        max_length=160, blank=True, help_text="One sentence under your name."
    )
    about = models.TextField(
        max_length=2000, blank=True, help_text="Markdown, up to 2,000 characters."
    )

    def __str__(self) -> str:
        return f"portfolio of {self.user}"

    def get_absolute_url(self) -> str:
        return reverse("portfolio", args=[self.user.handle])

    def is_visible_to(self, user: User) -> bool:
        """Public for all; otherwise for the owner alone."""
        return self.is_public or self.user_id == user.pk


class EntryQuerySet(models.QuerySet["PortfolioEntry"]):
    def shown(self) -> EntryQuerySet:
        """Entries that stand on the page, with everything that it shows of them."""
        return (
            self.filter(visible=True, run__state=GradingRun.State.FINISHED)
            .exclude(run__batch__isnull=False, run__batch__published_at__isnull=True)
            .select_related("run__submission", "run__lab_version__lab__current", "portfolio__user")
            .prefetch_related("run__check_results")
            .defer("run__lab_version__spec", "run__lab_version__lab__current__spec")
        )


class PortfolioEntry(models.Model):
    """A pinned run. Its key is in the address that goes into a CV, so it never changes."""

    portfolio = models.ForeignKey(Portfolio, on_delete=models.CASCADE, related_name="entries")
    run = models.ForeignKey(GradingRun, on_delete=models.CASCADE, related_name="portfolio_entries")
    order = models.PositiveIntegerField(default=0)
    visible = models.BooleanField(default=True)
    created = models.DateTimeField(auto_now_add=True)

    objects = EntryQuerySet.as_manager()

    class Meta:
        ordering = ["order", "-pk"]
        verbose_name_plural = "portfolio entries"
        constraints = [
            models.UniqueConstraint(fields=["portfolio", "run"], name="run_once_a_portfolio")
        ]

    def __str__(self) -> str:
        return f"run {self.run_id} on the {self.portfolio}"

    def get_absolute_url(self) -> str:
        return reverse("portfolio_entry", args=[self.portfolio.user.handle, self.pk])
