"""The wordings of clauses and questions, read from ``wordings.yaml`` beside this module."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Field:
    """One regulated matter.

    ``low`` to ``high`` (inclusive, in steps of ``step``) bounds the number.
    """

    topic: str
    unit: str
    low: int
    high: int
    step: int
    clauses: tuple[str, ...]
    plain: tuple[str, ...]
    paraphrased: tuple[str, ...]


def _field(raw: dict[str, Any]) -> Field:
    wordings = (tuple(raw[kind]) for kind in ("clauses", "plain", "paraphrased"))
    return Field(raw["topic"], raw["unit"], *raw["range"], *wordings)


_RAW: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("wordings.yaml").read_text("utf-8"))

FIELDS: tuple[Field, ...] = tuple(_field(raw) for raw in _RAW["fields"])
UNITS: tuple[str, ...] = tuple(_RAW["units"])
FILLERS: tuple[str, ...] = tuple(_RAW["fillers"])
REPEALS: tuple[str, ...] = tuple(_RAW["repeals"])
OFF_TOPIC: tuple[str, ...] = tuple(_RAW["off_topic"])
FAMILIES, TIERS, COMPANIES, CITIES = (
    tuple(str(_RAW[kind]).split()) for kind in ("families", "tiers", "companies", "cities")
)
