"""What code and documents cite is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FILES = [
    path for top in ("grader", "labs", "platform") for path in sorted((ROOT / top).rglob("*.py"))
]
SECTION = re.compile(r"docs/([a-z-]+)\.md, '([^']+)'((?: and '[^']+')*)")


def test_every_section_that_a_module_cites_exists() -> None:
    cited = [(path, match) for path in FILES for match in SECTION.finditer(path.read_text())]
    assert len(cited) >= 5
    for path, match in cited:
        text = (ROOT / "docs" / f"{match[1]}.md").read_text()
        for title in [match[2], *re.findall(r"'([^']+)'", match[3])]:
            assert f"## {title}\n" in text, f"{path.name} cites {title!r}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_cites_a_document_that_is_not_in_the_repository(path: Path) -> None:
    for name in re.findall(r"\b((?:docs/)?[A-Za-z-]+\.md)\b", path.read_text()):
        places = [ROOT / name, ROOT / "docs" / name]
        assert name in ("README.md",) or any(place.is_file() for place in places), name
