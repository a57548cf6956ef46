"""The knowledge base: short articles, found by the words they share with a question."""

import re

ARTICLES = [
    (
        "A card is blocked in the app under Cards, Safety, Block. A new one arrives by post within a "
        "week."
    ),
    "An invoice can be paid in three parts. The first part is due at once, the others each month.",
    "A parcel that does not arrive within ten days counts as lost, and its price is paid back.",
    "A contract ends at the end of the month after the one in which it was cancelled.",
    (
        "A password is reset by a link that is sent to the address of the account and works for an "
        "hour."
    ),
    "Statements are kept for seven years and can be downloaded as one file for each year.",
    "A transfer abroad costs a fee of one percent, at least two and at most forty.",
    "A meter that shows more than twice the usual use is read again by a technician for free.",
    "A second user gets access when the owner invites them and both confirm within two days.",
    "A refund goes to the card that paid, or to the account when that card has ended.",
    "A subscription can be paused once a year for up to three months.",
    "Data of a closed account are erased after ninety days, except those that the law wants kept.",
]


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]{3,}", text.lower()))


WORDS = [words(article) for article in ARTICLES]


def best(question: str) -> str:
    """The article that shares most words with the question."""
    asked = words(question)
    return max(zip(WORDS, ARTICLES, strict=True), key=lambda pair: len(pair[0] & asked))[1]
