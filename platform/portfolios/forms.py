"""The settings of a portfolio."""

from __future__ import annotations

from typing import Any

from django import forms

from accounts.models import User
from portfolios.models import Portfolio


class PortfolioForm(forms.ModelForm):  # type: ignore[type-arg]
    """Name, headline, words about oneself, and whether all this is public."""

    display_name = forms.CharField(
        max_length=80, required=False, label="Name", help_text="Empty: your handle."
    )

    class Meta:
        model = Portfolio
        fields = ("is_public", "headline", "about")

    field_order = ("is_public", "display_name", "headline", "about")

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        self.fields["display_name"].initial = user.display_name
        self.fields["about"].widget.attrs["rows"] = 6

    def save(self, commit: bool = True) -> Portfolio:
        self.user.display_name = self.cleaned_data["display_name"]
        self.user.save(update_fields=["display_name"])
        portfolio: Portfolio = super().save(commit)
        return portfolio
