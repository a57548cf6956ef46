"""The words of a rule are filled with the thresholds that stand beside it: each stands once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from string import Formatter
from typing import Any


def filled(rule: str, params: Iterable[Mapping[str, Any]]) -> str:
    """``rule`` with ``{name}`` and ``{name:format}`` filled from the parameters of the checks.

    The first check that has a parameter of this name gives it. Raises ValueError for a name that
    none has, and for anything that is not a plain name.
    """
    told: dict[str, Any] = {}
    for one in params:
        told = {**one, **told}
    for _, name, _, _ in Formatter().parse(rule):
        if name is not None and name not in told:
            known = ", ".join(sorted(told)) or "none"
            raise ValueError(
                f"the rule names {{{name}}}, which is no parameter of its checks; they have: "
                f"{known}"
            )
    try:
        text = rule.format(**told)
    except (ValueError, TypeError, LookupError) as error:
        raise ValueError(f"the rule can't be filled: {error}") from None
    if "{" in text or "}" in text:  # it is read again from the database, and must stay as it is
        raise ValueError("a rule has no braces but those around names of parameters")
    return text


def names_in(rule: str) -> set[str]:
    """The parameters that a template of a rule names. Raises ValueError for a broken template."""
    return {name for _, name, _, _ in Formatter().parse(rule) if name is not None}
