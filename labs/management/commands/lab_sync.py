"""``manage.py lab_sync``: publish what changed in content/."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from labs.sync import sync


class Command(BaseCommand):
    help = (
        "Publish changed lab folders as new versions. Exit code 1 when a folder is broken; the "
        "others are published."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "content", nargs="?", type=Path, help="the content folder (default: SEATRIAL_CONTENT)"
        )

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        folder = options["content"] or Path(settings.SEATRIAL_CONTENT)
        if not folder.is_dir():
            raise CommandError(
                f"{folder} is not a folder. Name the content folder, or set SEATRIAL_CONTENT."
            )
        proven_only = settings.SEATRIAL_PUBLISH == "proven"
        report = sync(folder, proven_only=proven_only)
        for name in report.published:
            self.stdout.write(f"published  {name}")
        for name in report.unchanged:
            self.stdout.write(f"unchanged  {name}")
        for name in report.retired:
            self.stdout.write(f"retired    {name}: its folder is gone; its runs stay")
        for name in report.drafts:
            held = (
                "it was not published: run ./seatrial lab verify"
                if proven_only
                else "learners see it all the same"
            )
            self.stdout.write(f"draft      {name}; {held}")
        if report.errors:
            raise CommandError(
                "\n".join(report.errors) + "\nThese were not published. Everything else was."
            )
