"""Tests have a home of their own, from the first line of the settings on."""

from __future__ import annotations

import os
from pathlib import Path

from config import settings as module


def test_the_settings_were_read_with_the_tests_own_home() -> None:
    home = Path(os.environ["SEATRIAL_HOME"])
    assert home.name.startswith("seatrial-test-")
    assert Path(module.SEATRIAL_HOME) == home
