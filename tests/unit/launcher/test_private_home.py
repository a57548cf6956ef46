"""The data folder is for its owner alone."""

from __future__ import annotations

import os
from pathlib import Path

from launcher import preflight


def test_the_home_is_closed_to_others(tmp_path: Path) -> None:
    """Hashes of passwords and keys of sessions lie in it: an older home is closed at the start."""
    home = tmp_path / "var"
    (home / "blobs").mkdir(parents=True)
    (home / "seatrial.sqlite3").touch()
    for path, mode in ((home, 0o755), (home / "blobs", 0o755), (home / "seatrial.sqlite3", 0o644)):
        path.chmod(mode)
    before = os.umask(0o022)
    try:
        preflight.make_home(home)
        (home / "new").touch()
        modes = {path.name: path.stat().st_mode & 0o777 for path in (home, *home.iterdir())}
    finally:
        os.umask(before)
    assert modes == {"var": 0o700, "blobs": 0o700, "seatrial.sqlite3": 0o600, "new": 0o600}
