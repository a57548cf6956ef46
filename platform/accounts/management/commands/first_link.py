"""``manage.py first_link``: print a one-time link for making the first instructor account."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.urls import reverse

from accounts.models import FirstLink
from accounts.services import instructor_exists


class Command(BaseCommand):
    help = (
        "Print a one-time link for making the first instructor account. Prints nothing when there "
        "is one."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--base-url", default=settings.SEATRIAL_BASE_URL, help="address of the site"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        if instructor_exists():
            self.stderr.write(
                "An instructor exists already. Roles are given under Administration on the site."
            )
            return
        self.stdout.write(
            options["base_url"].rstrip("/") + reverse("first", args=[FirstLink.make()])
        )
