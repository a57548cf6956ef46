"""What a question asks for, and the spans of that type in a sentence. Plain text work, no model."""

from __future__ import annotations

import re

_UNITS = {
    "second": ("second", "seconds"),
    "minute": ("minute", "minutes"),
    "hour": ("hour", "hours"),
    "day": ("day", "days"),
    "week": ("week", "weeks"),
    "month": ("month", "months"),
    "year": ("year", "years"),
    "dollar": ("dollar", "dollars", "$"),
    "euro": ("euro", "euros", "€"),
    "percent": ("percent", "per cent", "%"),
    "kilometre": ("kilometre", "kilometres", "km"),
}
_UNIT_OF = {word: unit for unit, words in _UNITS.items() for word in words}
_UNIT_WORDS = "|".join(re.escape(word) for word in sorted(_UNIT_OF, key=len, reverse=True))
_NUMBER = r"\d[\d,]*(?:\.\d+)?"
_QUANTITY = re.compile(
    rf"(?P<sign>[$€])\s?{_NUMBER}|\b{_NUMBER}\s*(?:[a-z]+\s+)?(?P<unit>(?:{_UNIT_WORDS})(?![a-z]))",
    re.IGNORECASE,
)
_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_DATE = re.compile(
    rf"\b\d{{4}}-\d\d-\d\d\b|\b\d{{1,2}} (?:{_MONTHS})(?: \d{{4}})?\b|\b(?:{_MONTHS}) \d{{1,2}}(?:, \d{{4}})?\b"
)
_NAME = re.compile(r"\b[A-Z][a-z]+(?: [A-Z][a-z]+)*\b")
_WORD = re.compile(r"\b[A-Z][a-z]+\b")
_TIME = frozenset({"second", "minute", "hour", "day", "week", "month", "year"})
_MONEY = frozenset({"dollar", "euro"})
_ANY = frozenset(_UNITS)
_STARTS = frozenset(
    [
        *(
            "a",
            "after",
            "among",
            "any",
            "are",
            "at",
            "before",
            "by",
            "can",
            "could",
            "did",
            "do",
            "does",
            "for",
        ),
        *(
            "from",
            "has",
            "have",
            "how",
            "i",
            "if",
            "in",
            "is",
            "it",
            "may",
            "must",
            "my",
            "of",
            "on",
            "our",
            "over",
        ),
        *(
            "please",
            "shall",
            "should",
            "since",
            "somebody",
            "someone",
            "the",
            "to",
            "under",
            "until",
            "up",
            "was",
        ),
        *(
            "we",
            "were",
            "what",
            "when",
            "where",
            "which",
            "while",
            "who",
            "whom",
            "whose",
            "why",
            "will",
            "with",
        ),
        *("within", "would"),
    ]
)


def sentences(text: str) -> list[str]:
    """Sentences of a passage; a full stop inside a number or before a small letter ends nothing."""
    return [s for s in re.split(r"(?<=[.!?])\s+(?=[A-Z\d\"'(])|\n+", text.strip()) if s.strip()]


def names_of(question: str) -> set[str]:
    """Proper names of a question, as single words. A capital that only begins a sentence makes no
    name, unless another capitalised word follows ("Heron Plus ...").
    """
    found = set()
    for match in _WORD.finditer(question):
        begins = match.start() == 0 or question[: match.start()].rstrip()[-1:] in (
            ".",
            ":",
            "?",
            "!",
        )
        word = match.group()
        follows = re.match(r" [A-Z][a-z]", question[match.end() :])
        if not begins or (follows and word.lower() not in _STARTS):
            found.add(word)
    return found


def asked_units(question: str) -> frozenset[str]:
    """The units an answer may have; empty when the question asks for no quantity."""
    low = question.lower()
    if named := re.search(
        rf"\b(?:how many|what|which|in|per)\s+(?:more\s+)?({_UNIT_WORDS})(?![a-z])", low
    ):
        return frozenset({_UNIT_OF[named.group(1)]})
    if "how long" in low or "how soon" in low or "how quickly" in low:
        return _TIME
    if "how much" in low or "what does it cost" in low:
        return _MONEY | {"percent"}
    if "how many" in low or "how far" in low:
        return _ANY
    return frozenset()


def quantities(sentence: str, units: frozenset[str]) -> list[str]:
    """Quantities of these units, as they stand in the sentence ("42 business days")."""
    found = []
    for match in _QUANTITY.finditer(sentence):
        unit = _UNIT_OF[(match["sign"] or match["unit"]).lower()]
        if unit in units:
            found.append(match.group())
    return found


def spans(question: str, sentence: str) -> list[str]:
    """Spans of the type that the question asks for, in the order of the sentence."""
    if units := asked_units(question):
        return quantities(sentence, units)
    low = question.lower()
    if re.search(r"\bwhen\b|\bdate\b", low):
        return _DATE.findall(sentence)
    asked = {word.lower() for word in re.findall(r"\w+", question)}
    others = [n for n in _named(sentence) if not {w.lower() for w in n.split()} <= asked]
    if re.search(r"\bwho\b|\bwhom\b|\bname\b|\bwhere\b", low):
        return others
    return quantities(sentence, _ANY) or _DATE.findall(sentence) or others


def _named(sentence: str) -> list[str]:
    """Names in a sentence; its first word counts only when it can't be an ordinary beginning."""
    found = []
    for match in _NAME.finditer(sentence):
        words = match.group().split()
        if words[0].lower() in _STARTS or (match.start() == 0 and len(words) == 1):
            words = words[1:]
        if words:
            found.append(" ".join(words))
    return found
