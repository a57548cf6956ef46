"""Who else speaks to the baseline: what the kernel's tables say, and what becomes of a
criterion.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from grader.checks.outcome import counted, every, failed, passed
from grader.probe import runner
from grader.probe.strangers import Strangers, foreign
from grader.result import Outcome

HEAD = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
    "inode"
)
MINE, THEIRS, PORT = 10003, 10001, 8090


def row(local: int, remote: int, state: str = "01", uid: int = THEIRS, inode: int = 77) -> str:
    return (
        f"   0: 0100007F:{local:04X} 0100007F:{remote:04X} {state} 0:0 00:0 0 {uid} 0 {inode} 1 0 "
        "20 4 30 10 -1"
    )


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([], 0),
        ([row(40000, PORT)], 1),
        ([row(40000, PORT), row(40001, PORT, "02"), row(40002, PORT, uid=MINE)], 2),
        ([row(PORT, 40000)], 0),
        ([row(40000, PORT + 1)], 0),
        ([row(40000, PORT, "08")], 1),
        ([row(40000, PORT, "06", uid=0, inode=0)], 0),
        ([row(40000, PORT, "01", uid=0, inode=0)], 0),
        (["what is this"], 0),
    ],
)
def test_a_table_tells_the_connections_of_others(rows: list[str], found: int) -> None:
    assert foreign("\n".join([HEAD, *rows]), PORT, MINE) == found


def test_it_looks_at_what_is_there(tmp_path: Path) -> None:
    table = tmp_path / "tcp"
    strangers = Strangers(PORT, tables=(table, tmp_path / "none"))
    strangers.look()
    assert (strangers.seen, strangers.most) == (0, 0)
    table.write_text("\n".join([HEAD, row(1, PORT), row(2, PORT)]))
    strangers.look()
    table.write_text(HEAD)
    strangers.look()
    assert (strangers.seen, strangers.most) == (1, 2)


@pytest.mark.skipif(os.getuid() != 0, reason="needs another user's process")
def test_another_users_connection_is_seen_in_the_real_tables() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        server.settimeout(20)
        # A socket belongs to whoever makes it. Names are not looked up: the other user can't read
        # our libraries.
        code = (
            "import os, socket; os.setuid(65534); s = socket.socket(); s.connect(('127.0.0.1', "
            f"{port})); input()"
        )
        with socket.create_connection(("127.0.0.1", port)):
            own = Strangers(port)
            own.look()
            assert own.seen == 0, "one's own connection is no stranger's"
        command = [sys.executable, "-c", code]
        with (
            subprocess.Popen(command, stdin=subprocess.PIPE) as other,
            Strangers(port, every_s=0.02) as strangers,
        ):
            kept = [server.accept() for _ in range(2)]
            for _ in range(200):
                if strangers.seen:
                    break
                strangers._over.wait(0.02)
            other.communicate(b"\n")
            for line, _ in kept:
                line.close()
        assert strangers.seen
        assert strangers.most == 1


def test_what_was_passed_while_somebody_spoke_to_the_baseline_is_failed() -> None:
    strangers = Strangers(PORT)
    strangers.most = 4
    good = passed("Fast.", counted(1, 1, "requests"), every("requests"))
    found = runner._touched(good, strangers)
    assert found.outcome is Outcome.FAILED
    assert (
        found.message
        == "Fast. But your service had connections to the baseline meanwhile, 4 at once."
    )
    assert found.advice
    assert found.measured == good.measured
    bad = failed("Slow.", counted(0, 1, "requests"), every("requests"), "Be fast.")
    assert bad.outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("looks", "pressed"),
    [
        ("", False),
        ("1", False),
        ("11", True),
        ("1000", False),
        ("1100000000", True),
        ("11000000000", False),
        ("1" * 9, True),
    ],
)
def test_single_calls_are_no_pressure(tmp_path: Path, looks: str, pressed: bool) -> None:
    table = tmp_path / "tcp"
    strangers = Strangers(PORT, tables=(table,))
    table.write_text("\n".join([HEAD, row(1, PORT)]))
    strangers.look()
    mark = strangers.mark()
    for look in looks:
        table.write_text("\n".join([HEAD, row(1, PORT)] if look == "1" else [HEAD]))
        strangers.look()
    assert strangers.pressed_since(mark) is pressed
