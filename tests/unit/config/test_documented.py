"""Every variable that the settings read stands in the operator's handbook, and the other way
round.
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
READ = re.compile(r"env(?:str|bool|int|list|secret)\(\s*[\"']([A-Z_]+)[\"']")


def test_settings_and_handbook_agree() -> None:
    read = set(READ.findall((ROOT / "platform/config/settings.py").read_text()))
    for path in (ROOT / "grader").rglob(
        "*.py"
    ):  # the grader reads its own, and works without the site
        read |= set(re.findall(r"environ\.get\(\s*\"(SEATRIAL_[A-Z_]+)\"", path.read_text()))
    handbook = (ROOT / "docs/operator.md").read_text()
    table = handbook.split("<!-- settings -->")[1]
    documented = set(re.findall(r"^\| `([A-Z_]+)`", table, flags=re.MULTILINE))
    assert read
    assert documented == read


def test_platform_is_not_a_package() -> None:
    assert not (ROOT / "platform/__init__.py").exists(), (
        "it would hide the standard library's platform"
    )
