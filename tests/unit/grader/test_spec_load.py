"""A bad lab names file, line and field."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from grader.cli import skeleton
from grader.errors import SpecError
from grader.spec import load_lab, submission_files


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    (tmp_path / "labs").mkdir()
    return skeleton.create(tmp_path / "labs", "my-lab")


def spoil(lab: Path, old: str, new: str) -> str:
    """Change lab.yaml, and return what loading it says."""
    path = lab / "lab.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(SpecError) as caught:
        load_lab(lab)
    return caught.value.message


def test_the_skeleton_loads(lab: Path) -> None:
    content = load_lab(lab)
    assert content.submissions() == ["reference", "wrong_upper"]


def test_an_error_names_file_line_and_field(lab: Path) -> None:
    message = spoil(lab, "level: 1", "level: 9")
    line = (lab / "lab.yaml").read_text().splitlines().index("level: 9") + 1
    assert f"lab.yaml:{line}: level:" in message


def test_an_error_deep_in_the_rubric_names_its_line(lab: Path) -> None:
    message = spoil(lab, "      weight: 60", "      weight: sixty")
    line = (lab / "lab.yaml").read_text().splitlines().index("      weight: sixty") + 1
    assert f"lab.yaml:{line}: rubric.criteria.1.weight:" in message


def test_weights_must_add_up(lab: Path) -> None:
    assert "weights must add up to 100, not 95" in spoil(lab, "weight: 60", "weight: 55")


def test_an_unknown_field_is_refused(lab: Path) -> None:
    assert "hourz" in spoil(lab, "hours: 1", "hours: 1\nhourz: 2")


def test_broken_yaml_names_its_line(lab: Path) -> None:
    assert "not valid YAML" in spoil(lab, "skills: [serve]", "skills: [serve")


def test_the_id_is_the_folder(lab: Path) -> None:
    assert "must equal the folder's name" in spoil(lab, "id: my-lab", "id: other-lab")


def test_a_lab_check_must_exist(lab: Path) -> None:
    assert "no class 'Nope'" in spoil(lab, "- check: health", "- check: lab:cases.Nope")


def test_expectations_name_known_criteria(lab: Path) -> None:
    (lab / "submissions/wrong_upper/expect.yaml").write_text("verdict: failed\nfails: [nonsense]\n")
    with pytest.raises(SpecError, match="unknown criteria"):
        load_lab(lab)


WRONG = "verdict: failed\nfails: [reverse]\nedits: [{file: %s, old: %s, new: ''}]\n"


def test_a_wrong_submission_is_the_reference_with_its_edits_and_files(lab: Path) -> None:
    content = load_lab(lab)
    wrong, reference = submission_files(content, "wrong_upper"), submission_files(content, "reference")
    assert {path for path in wrong if wrong[path] != reference.get(path)} == {PurePosixPath("app.py")}
    assert PurePosixPath("expect.yaml") not in wrong
    (lab / "submissions/wrong_upper/more.py").write_text("MORE = 1\n")
    assert submission_files(load_lab(lab), "wrong_upper")[PurePosixPath("more.py")].data == b"MORE = 1\n"


@pytest.mark.parametrize(
    ("file", "old", "said"),
    [
        ("app.py", "nowhere to be found", "stands 0 times in the reference's app.py"),
        ("app.py", "e", "stands [0-9]+ times"),
        ("other.py", "e", "the reference has no other.py"),
        ("app.py", "''", "edits.0.old"),
    ],
)
def test_edits_quote_lines_that_stand_once_in_the_reference(lab: Path, file: str, old: str, said: str) -> None:
    (lab / "submissions/wrong_upper/expect.yaml").write_text(WRONG % (file, old))
    with pytest.raises(SpecError, match=said):
        load_lab(lab)


def test_symbolic_links_are_refused(lab: Path) -> None:
    (lab / "link").symlink_to("/etc/passwd")
    with pytest.raises(SpecError, match="symbolic links"):
        load_lab(lab)


def test_the_digest_sees_content_path_and_mode(lab: Path) -> None:
    first = load_lab(lab).digest
    assert load_lab(lab).digest == first
    (lab / "README.md").chmod(0o755)
    second = load_lab(lab).digest
    (lab / "extra.md").write_text("x")
    assert len({first, second, load_lab(lab).digest}) == 3
