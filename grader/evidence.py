"""What a run leaves besides its results: all samples of its load, as histograms that can be read
back and merged.
"""

from __future__ import annotations

import json
from typing import Any

from grader.result import CheckResult

HISTOGRAMS = "histograms.json"


class Histograms:
    """Collects what results carry in ``Series.whole``.

    Results are kept small: pages draw the samples shown.
    """

    def __init__(self) -> None:
        self._found: list[dict[str, Any]] = []

    def taken_from(self, result: CheckResult) -> CheckResult:
        """Keep the histograms of a result, and return it without them."""
        if not any(series.whole for series in result.series):
            return result
        for series in result.series:
            if series.whole:
                self._found.append(
                    {"criterion": result.criterion, "title": series.title, "sides": series.whole}
                )
        return result.model_copy(
            update={"series": [series.model_copy(update={"whole": {}}) for series in result.series]}
        )

    def text(self) -> str:
        """The content of ``histograms.json``: a list of {criterion, title, sides: {app, baseline}};

        "" for none.

        Each side is what ``Histogram.read`` takes (grader/stats/histogram.py).
        """
        return json.dumps(self._found) if self._found else ""
