"""A bad lab names file, line and field."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from rich.console import Console

from grader.cli import skeleton
from grader.cli.main import parser
from grader.errors import SpecError
from grader.lab import load_lab, load_labs, submission_files


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
    wrong, reference = (
        submission_files(content, "wrong_upper"),
        submission_files(content, "reference"),
    )
    assert {path for path in wrong if wrong[path] != reference.get(path)} == {
        PurePosixPath("app.py")
    }
    assert PurePosixPath("expect.yaml") not in wrong
    (lab / "submissions/wrong_upper/more.py").write_text("MORE = 1\n")
    assert (
        submission_files(load_lab(lab), "wrong_upper")[PurePosixPath("more.py")].data
        == b"MORE = 1\n"
    )


@pytest.mark.parametrize(
    ("file", "old", "said"),
    [
        ("app.py", "nowhere to be found", "stands 0 times in the reference's app.py"),
        ("app.py", "e", "stands [0-9]+ times"),
        ("other.py", "e", "the reference has no other.py"),
        ("app.py", "''", "edits.0.old"),
    ],
)
def test_edits_quote_lines_that_stand_once_in_the_reference(
    lab: Path, file: str, old: str, said: str
) -> None:
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


@pytest.mark.parametrize(
    ("old", "new", "field", "said"),
    [
        ("check: functional", "check: functionnal", "check", "there is no check 'functionnal'"),
        ("check: health", "check: lab:own.Health", "check", "checks/own.py is missing"),
        ("check: health", "check: lab:cases.Health", "check", "has no class 'Health'"),
        (
            "cases_from: cases.reverse",
            "cases_from: cases.revers",
            "params.cases_from",
            "has no function 'revers'",
        ),
        (
            "cases_from: cases.reverse",
            "cases_from: words.reverse",
            "params.cases_from",
            "checks/words.py is missing",
        ),
        ("advice: Return", "advise: Return", "params.advise", "Extra inputs"),
    ],
)
def test_what_does_not_exist_is_an_error_with_line_and_field(
    lab: Path, old: str, new: str, field: str, said: str
) -> None:
    message = spoil(lab, old, new)
    line = next(
        n for n, text in enumerate((lab / "lab.yaml").read_text().splitlines(), 1) if new in text
    )
    assert f"lab.yaml:{line}: {field}: criterion " in message
    assert said in message


def test_all_faults_are_told_at_once(lab: Path) -> None:
    path = lab / "lab.yaml"
    path.write_text(path.read_text().replace("check: functional", "check: functionnal"))
    message = spoil(lab, "cases_from: cases.contract", "cases_from: cases.contrat")
    assert "functionnal" in message
    assert "contrat" in message


def test_a_module_that_cannot_be_parsed_is_named(lab: Path) -> None:
    (lab / "checks" / "cases.py").write_text("def reverse(:\n")
    with pytest.raises(SpecError, match=r"checks/cases\.py can't be parsed"):
        load_lab(lab)


def content_with(tmp_path: Path, *names: str) -> Path:
    (tmp_path / "labs").mkdir(exist_ok=True)
    for number, name in enumerate(names, 1):
        path = skeleton.create(tmp_path / "labs", name) / "lab.yaml"
        path.write_text(path.read_text().replace("number: 900", f"number: {number}"))
    (tmp_path / "skills.yaml").write_text(
        "skills:\n  - {id: serve, title: Model servers, text: Serving}\n"
    )
    return tmp_path


def test_broken_labs_stand_beside_good_ones(tmp_path: Path) -> None:
    content = content_with(tmp_path, "one", "two", "three", "four")
    for name, old, new in (
        ("two", "number: 2", "number: 1"),
        ("three", "skills: [serve]", "skills: [serve, serving]"),
        ("four", "level: 1", "level: 9"),
    ):
        path = content / "labs" / name / "lab.yaml"
        path.write_text(path.read_text().replace(old, new))
    found = load_labs(content)
    assert [lab.spec.id for lab in found.good] == ["one"]
    assert "two/lab.yaml:2: number: 1 belongs to one already; 4 is free" in found.broken["two"]
    assert (
        "three/lab.yaml:8: skills: 'serving' is not in skills.yaml, which has: serve"
        in found.broken["three"]
    )
    assert "level" in found.broken["four"]


def test_the_list_shows_the_good_ones_and_names_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = content_with(tmp_path, "one", "two")
    path = content / "labs" / "two" / "lab.yaml"
    path.write_text(path.read_text().replace("level: 1", "level: 9"))
    arguments = parser().parse_args(["lab", "list", "--json"])
    assert arguments.run(arguments, content, Console()) == 1
    shown = capsys.readouterr()
    assert '"id": "one"' in shown.out
    assert "two is broken and can't be published" in shown.err
    assert "level" in shown.err


STRAYS = (
    "lab.yaml~", ".lab.yaml.swp", "._README.md", "checks/._cases.py", ".vscode/settings.json", ".DS_Store", "Thumbs.db",
    "starter/app.py.orig", ".gitattributes", "checks/__pycache__/cases.cpython-311.pyc", ".idea/x.xml",
)  # fmt: skip


@pytest.mark.parametrize("name", STRAYS)
def test_strays_change_no_digest(lab: Path, name: str) -> None:
    before = load_lab(lab).digest
    path = lab / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\0stray")
    assert load_lab(lab).digest == before


def test_line_ends_of_windows_change_no_digest_and_no_content(lab: Path) -> None:
    (lab / "checks" / "table.bin").write_bytes(b"a\r\n\0")
    before = load_lab(lab)
    for path in lab.rglob("*"):
        if path.is_file() and path.suffix != ".bin":
            path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    after = load_lab(lab)
    assert after.digest == before.digest
    assert after.files == before.files
    assert after.files[PurePosixPath("checks/table.bin")].data == b"a\r\n\0", (
        "what is no text stays as it is"
    )


def test_a_changed_file_changes_the_digest(lab: Path) -> None:
    before = load_lab(lab).digest
    (lab / "README.md").write_text("other")
    assert load_lab(lab).digest != before


def spoil_contract(lab: Path, old: str, new: str) -> str:
    path = lab / "openapi.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(SpecError) as caught:
        load_lab(lab)
    return caught.value.message


SCHEMA = (
    "            schema: {type: object, required: [text], properties: {text: {type: string}}}\n"
)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("openapi: 3.1.0", "openapi: {a: What? }: b", "openapi.yaml:1: not valid YAML"),
        ("description: The text, reversed", "description: {said: who knows?}, b", "not valid YAML"),
        ("paths:", "roads:", "openapi.yaml:1: paths: the contract has no routes"),
        (
            SCHEMA,
            '            schema: {$ref: "#/components/schemas/Text"}\n',
            "'#/components/schemas/Text' is not in",
        ),
        (
            SCHEMA,
            "            schema: {type: objekt}\n",
            "openapi.yaml:10: paths./reverse.post.requestBody",
        ),
        (
            SCHEMA,
            f"{SCHEMA}            example: {{text: 7}}\n",
            "breaks its schema at /text: 7 is not of type",
        ),
        (SCHEMA, f"{SCHEMA}            example: {{}}\n", "'text' is a required property"),
    ],
)
def test_a_contract_is_read_before_anybody_is_graded_by_it(
    lab: Path, old: str, new: str, said: str
) -> None:
    assert said in spoil_contract(lab, old, new)


def test_an_example_may_be_shortened_when_it_says_so(lab: Path) -> None:
    long = (
        "            schema: {type: array, minItems: 9, items: {type: number}}\n            "
        "example: [0.5]\n"
    )
    path = lab / "openapi.yaml"
    path.write_text(
        path.read_text().replace(
            SCHEMA, long + "            x-shortened: nine numbers, one is shown\n"
        )
    )
    load_lab(lab)
    assert "is too short" in spoil_contract(
        lab, "            x-shortened: nine numbers, one is shown\n", ""
    )
