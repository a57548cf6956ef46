"""Publishing: new versions are added, old ones never change, broken labs keep nobody back."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from labs.models import Draft, Immutable, Lab, LabVersion, Skill, Track
from labs.sync import sync
from storage import blobs

pytestmark = pytest.mark.django_db


def edit(content: Path, old: str, new: str) -> None:
    path = content / "labs" / "echo-lab" / "lab.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_first_sync_publishes_everything(content: Path) -> None:
    report = sync(content)
    assert (report.published, report.errors) == (["echo-lab 1.0.0"], [])
    lab = Lab.objects.get(slug="echo-lab")
    assert lab.current is not None
    assert lab.current.label == "1.0.0"
    assert lab.spec.rubric.criteria[0].gate
    assert Skill.objects.get().title == "Model servers"
    assert Track.objects.get().labs == ["echo-lab", "not-yet"]
    files = {str(p): f.data for p, f in lab.current.content.files.items()}
    assert files["starter/Dockerfile"] == b"FROM seatrial/runtime:1\n"


def test_unchanged_is_a_no_op(content: Path) -> None:
    sync(content)
    before = LabVersion.objects.values().get()
    report = sync(content)
    assert (report.published, report.unchanged) == ([], ["echo-lab 1.0.0"])
    assert LabVersion.objects.values().get() == before


def test_a_change_adds_a_version_and_leaves_the_old_one(content: Path) -> None:
    sync(content)
    old = LabVersion.objects.get()
    edit(content, "1.0.0", "1.1.0")
    (content / "labs" / "echo-lab" / "starter" / "Dockerfile").write_text(
        "FROM seatrial/runtime:1\nUSER 1\n"
    )
    assert sync(content).published == ["echo-lab 1.1.0"]
    again = LabVersion.objects.get(pk=old.pk)
    assert (again.digest, again.spec, again.archive) == (old.digest, old.spec, old.archive)
    assert b"USER" not in blobs.get(again.archive)
    current = Lab.objects.get().current
    assert current is not None
    assert current.label == "1.1.0"


def test_going_back_makes_the_old_version_current_again(content: Path) -> None:
    sync(content)
    edit(content, "1.0.0", "1.1.0")
    sync(content)
    edit(content, "1.1.0", "1.0.0")
    sync(content)
    assert LabVersion.objects.count() == 2
    assert Lab.objects.get().current.label == "1.0.0"


def test_a_version_cannot_be_changed_or_deleted(content: Path) -> None:
    sync(content)
    version = LabVersion.objects.get()
    version.label = "9.9.9"
    for attempt in (
        version.save,
        version.delete,
        LabVersion.objects.all().delete,
        lambda: LabVersion.objects.update(label="9.9.9"),
    ):
        with pytest.raises(Immutable):
            attempt()
    assert LabVersion.objects.get().label == "1.0.0"


def test_a_broken_lab_names_file_line_and_field_and_leaves_the_others(content: Path) -> None:
    broken = content / "labs" / "bad-lab"
    shutil.copytree(content / "labs" / "echo-lab", broken)
    text = (
        (broken / "lab.yaml")
        .read_text()
        .replace("echo-lab", "bad-lab")
        .replace("level: 2", "level: 9")
    )
    (broken / "lab.yaml").write_text(text)
    report = sync(content)
    assert report.published == ["echo-lab 1.0.0"]
    (error,) = report.errors
    assert "bad-lab/lab.yaml:6: level" in error


def test_a_lab_that_breaks_later_keeps_its_last_version(content: Path) -> None:
    sync(content)
    edit(content, "level: 2", "level: 9")
    assert sync(content).errors
    lab = Lab.objects.get()
    assert (lab.retired, lab.current.label) == (False, "1.0.0")


def test_a_lab_that_is_gone_is_retired_and_comes_back(content: Path, tmp_path: Path) -> None:
    sync(content)
    shutil.move(content / "labs" / "echo-lab", tmp_path / "away")
    assert sync(content).retired == ["echo-lab"]
    assert Lab.objects.get().retired
    shutil.move(tmp_path / "away", content / "labs" / "echo-lab")
    sync(content)
    assert not Lab.objects.get().retired


def test_the_command_fails_with_the_errors(
    content: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("lab_sync", content)
    assert "published  echo-lab 1.0.0" in capsys.readouterr().out
    edit(content, "weight: 60", "weight: 50")
    with pytest.raises(CommandError, match="weights must add up to 100"):
        call_command("lab_sync", content)


def test_a_damaged_blob_is_noticed(content: Path, home: Path) -> None:
    sync(content)
    version = LabVersion.objects.get()
    (home / "blobs" / version.archive).write_bytes(b"something else")
    with pytest.raises(blobs.BlobMissing, match="damaged"):
        _ = version.content


def test_a_version_label_names_one_state_for_ever(content: Path) -> None:
    sync(content)
    first = LabVersion.objects.get()
    (content / "labs" / "echo-lab" / "README.md").write_text("# Say it again\n\nOther words.\n")
    report = sync(content)
    assert report.published == []
    assert "version: 1.0.0 of echo-lab was published before with other contents" in report.errors[0]
    assert "Raise `version`" in report.errors[0]
    assert Lab.objects.get().current == first, "the last good version stays open"
    edit(content, "1.0.0", "1.0.1")
    assert sync(content).published == ["echo-lab 1.0.1"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("check: contract", "check: contrakt", "there is no check 'contrakt'"),
        ("skills: [serve]", "skills: [serving]", "'serving' is not in skills.yaml"),
    ],
)
def test_nothing_that_does_not_exist_is_published(
    content: Path, old: str, new: str, said: str
) -> None:
    edit(content, old, new)
    report = sync(content)
    assert report.published == []
    assert said in report.errors[0]
    assert not Lab.objects.exists()


def test_a_draft_is_named_and_held_back_where_the_operator_wants_proofs(
    content: Path, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.SEATRIAL_PUBLISH = "proven"
    call_command("lab_sync", str(content))
    assert (
        "draft      echo-lab 1.0.0: draft: 0 of 2 proven; it was not published"
        in capsys.readouterr().out
    )
    assert not Lab.objects.exists()
    assert Draft.objects.get().standing == "draft: 0 of 2 proven"
    settings.SEATRIAL_PUBLISH = "all"
    call_command("lab_sync", str(content))
    assert "learners see it all the same" in capsys.readouterr().out
    first = Lab.objects.get().current
    assert first is not None
    assert Lab.objects.get().standing == "draft: 0 of 2 proven"
    assert not Draft.objects.exists()
    settings.SEATRIAL_PUBLISH = "proven"
    edit(content, "1.0.0", "1.1.0")
    call_command("lab_sync", str(content))
    assert Lab.objects.get().current == first, "what was published stays"
    assert not Lab.objects.get().retired
