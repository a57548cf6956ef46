"""A new lab from the template beside this file: whole, small, and accepted by ``lab verify``."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from grader.errors import SpecError
from grader.lab.models import SLUG

TEMPLATE = Path(__file__).parent / "template"


def create(labs: Path, lab_id: str) -> Path:
    """Make ``labs/lab_id`` and return it.

    Raises SpecError for a bad id or a folder that is there already.
    """
    if not re.fullmatch(SLUG, lab_id):
        raise SpecError(
            f"{lab_id!r} is no lab id.", "Use lower-case letters, digits and hyphens, e.g. my-lab."
        )
    folder = labs / lab_id
    if folder.exists():
        raise SpecError(f"{folder} exists already.", "Choose another id; ids never change hands.")
    shutil.copytree(TEMPLATE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    spec = folder / "lab.yaml"
    spec.write_text(spec.read_text("utf-8").replace("LAB_ID", lab_id), "utf-8")
    return folder
