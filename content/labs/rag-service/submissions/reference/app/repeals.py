"""Which clauses a clause puts out of force, read from its text."""

import re

CLAUSE_ID = re.compile(r"\b[A-Z]{2}-\d{4}\b")
SENTENCE = re.compile(r"(?<=[.!?])\s+")
REPEALING = re.compile(
    r"\b(replac\w*|supersed\w*|repeal\w*|takes the place|no longer in force)\b", re.IGNORECASE
)


def repealed_by(clause_id: str, text: str) -> set[str]:
    """Ids named in a sentence that speaks of repeal. A mere "see also" repeals nothing."""
    found: set[str] = set()
    for sentence in SENTENCE.split(text):
        if REPEALING.search(sentence):
            found.update(CLAUSE_ID.findall(sentence))
    return found - {clause_id}
