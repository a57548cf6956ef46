"""The rag lab's folder: it loads, its wrong submissions name criteria, its service code behaves on
plain data.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path, PurePosixPath
from types import ModuleType

import pytest
import yaml

from grader.lab import load_expectation, load_lab, load_skills, load_tracks, submission_files

CONTENT = Path(__file__).parents[2] / "content"
LAB = CONTENT / "labs" / "rag-service"
WRONG = sorted(p.name for p in (LAB / "submissions").glob("wrong_*"))


def load_module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"rag_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_loads_and_every_expectation_names_its_criteria() -> None:
    lab = load_lab(LAB)
    ids = {c.id for c in lab.spec.rubric.criteria}
    assert lab.submissions()[0] == "reference"
    assert not load_expectation(lab, "reference").fails
    assert len(WRONG) >= 5
    for name in WRONG:
        expected = load_expectation(lab, name)
        assert expected.verdict == "failed" or expected.fails
        assert set(expected.fails) <= ids
        assert expected.because


def test_every_hint_that_the_rubric_names_exists() -> None:
    lab = load_lab(LAB)
    numbers = {int(p.name.partition("-")[0]): f.data for p, f in lab.under("hints").items()}
    for criterion in lab.spec.rubric.criteria:
        assert criterion.hint in numbers
    assert all(text.startswith(b"# ") for text in numbers.values())


def test_the_contract_describes_every_route() -> None:
    document = yaml.safe_load((LAB / "openapi.yaml").read_text())
    assert set(document["paths"]) == {
        "/ingest",
        "/docs/{id}",
        "/search",
        "/ask",
        "/healthz",
        "/readyz",
        "/metrics",
    }
    for item in document["paths"].values():
        for operation in item.values():
            assert operation["responses"]


def test_starter_and_submissions_have_a_dockerfile_from_the_runtime() -> None:
    lab = load_lab(LAB)
    for name in ("starter", *lab.submissions()):
        dockerfile = submission_files(lab, name)[PurePosixPath("Dockerfile")].data.decode()
        assert dockerfile.startswith("FROM seatrial/runtime:1\n")


@pytest.mark.parametrize(
    ("text", "repealed"),
    [
        ("The fee is 5 dollars. This clause replaces clause KX-1001.", {"KX-1001"}),
        ("It supersedes clause KX-1001 from 2024 on.", {"KX-1001"}),
        ("Clause KX-1001 is repealed by this clause. See also clause AB-2002.", {"KX-1001"}),
        ("It takes the place of clause KX-1001, which is no longer in force.", {"KX-1001"}),
        ("{p} provides a replacement car for 9 days. See also clause KX-1001.", set()),
        ("Read together with clause KX-1001.", set()),
        ("This clause ZZ-9000 replaces clause KX-1001.", {"KX-1001"}),
    ],
)
def test_the_reference_reads_repeals(text: str, repealed: set[str]) -> None:
    module = load_module(LAB / "submissions" / "reference" / "app" / "repeals.py")
    assert module.repealed_by("ZZ-9000", text) == repealed


def test_skills_and_tracks_fit_together() -> None:
    skills = {s.id for s in load_skills(CONTENT)}
    tracks = load_tracks(CONTENT)
    assert len(skills) == 21
    assert len(tracks) == 6
    assert all(len(set(t.labs)) == len(t.labs) >= 7 for t in tracks)
    assert len({lab for t in tracks for lab in t.labs}) == 21
    assert set(load_lab(LAB).spec.skills) <= skills
    assert any("rag-service" in t.labs for t in tracks)
