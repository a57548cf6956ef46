"""Publishing and unpublishing runs."""

from __future__ import annotations

from accounts.models import User
from portfolios.models import Portfolio, PortfolioEntry
from submissions.models import GradingRun

PUBLISHABLE = (GradingRun.Verdict.PASSED, GradingRun.Verdict.FAILED)


class CannotPublish(Exception):
    """The run has no verdict about the learner's system.

    The message says so in words for the page.
    """


def portfolio_of(user: User) -> Portfolio:
    """Return the user's portfolio; make a private one when there is none."""
    return Portfolio.objects.get_or_create(user=user)[0]


def publish(run: GradingRun, user: User) -> PortfolioEntry:
    """Pin the run on its owner's portfolio.

    Raises CannotPublish. Doing it twice changes nothing.
    """
    if run.trial or run.state != GradingRun.State.FINISHED or run.verdict not in PUBLISHABLE:
        raise CannotPublish(
            "Only a run that passed or failed can be published. Grade it again first."
        )
    if run.outvoted:
        raise CannotPublish(
            "As many runs of this source failed as passed. It counts once more of them pass than "
            "fail."
        )
    entry, _ = PortfolioEntry.objects.get_or_create(portfolio=portfolio_of(user), run=run)
    if not entry.visible:
        entry.visible = True
        entry.save(update_fields=["visible"])
    return entry


def unpublish(run: GradingRun, user: User) -> None:
    """Take the run off the page. The entry keeps its address, for publishing it again."""
    PortfolioEntry.objects.filter(portfolio__user=user, run=run).update(visible=False)


def move_up(entry: PortfolioEntry) -> None:
    """Swap the entry with the one above it, and number all entries anew."""
    entries = list(entry.portfolio.entries.all())
    place = [e.pk for e in entries].index(entry.pk)
    if place:
        entries[place - 1], entries[place] = entries[place], entries[place - 1]
    for order, item in enumerate(entries, start=1):
        item.order = order
    PortfolioEntry.objects.bulk_update(entries, ["order"])
