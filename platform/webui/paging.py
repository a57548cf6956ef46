"""Pages of long lists.

Nobody turns to page 2,000, so nobody waits for a count of millions of rows.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.core import paginator
from django.db.models import QuerySet

if TYPE_CHECKING:
    Paginator = paginator.Paginator[Any]
else:
    Paginator = paginator.Paginator


class BoundedPaginator(Paginator):
    """Counts to ``most`` and stops there; ``is_more`` says that it did."""

    most = 10_000

    @cached_property
    def count(self) -> int:
        """The number of rows, at most ``most``."""
        if isinstance(self.object_list, QuerySet):
            # A slice is a subquery with LIMIT: the database stops at the last row that is counted.
            return int(self.object_list.order_by().values("pk")[: self.most].count())
        return min(len(self.object_list), self.most)

    @property
    def is_more(self) -> bool:
        return self.count >= self.most
