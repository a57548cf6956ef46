"""Hostile RUN steps on the real engine: bounded in processes, memory, disk, output, time and
reach.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

import podkit
import pytest

from grader.engines.base import BuildRequest, RunLabels
from grader.engines.docker.build import disk
from grader.engines.docker.build.contained import PIDS
from grader.engines.labels import LABEL_RUN, as_labels
from grader.errors import BuildFailed, DockerfileRefused, RunCancelled
from grader.job import Snapshot
from grader.lab import SourceFile

pytestmark = pytest.mark.docker


class Trial:
    """One build of ``body``, and what came of it."""

    def __init__(self, body: str, files: dict[str, str] | None = None, **limits: Any) -> None:
        texts = {
            "Dockerfile": f"FROM {podkit.BASE}\nENV ONCE={uuid.uuid4().hex}\n{body}\n",
            **(files or {}),
        }
        sources = {PurePosixPath(name): SourceFile(text.encode()) for name, text in texts.items()}
        self.run: RunLabels = podkit.labels()
        self.lines: list[str] = []
        bases = {podkit.BASE: podkit.image().id}
        bounds = {"timeout_s": 30.0, **limits}
        self.request = BuildRequest(Snapshot(sources, uuid.uuid4().hex), bases, self.run, **bounds)

    def build(self, cancelled: Callable[[], bool] = lambda: False) -> dict[str, Any]:
        """Build, give the image's configuration, and remove the image."""
        image = podkit.sandbox().build(self.request, self.lines.append, cancelled)
        try:
            inspected: dict[str, Any] = podkit.client().api.inspect_image(image.id)
            return inspected
        finally:
            podkit.sandbox().remove_image(image)

    def fails(self, match: str) -> BuildFailed:
        with pytest.raises(BuildFailed, match=match) as caught:
            self.build()
        assert podkit.left(self.run) == []
        return caught.value


def python(code: str) -> dict[str, str]:
    return {"attack.py": code}


RUN_IT = "COPY attack.py /attack.py\nRUN python3 -u /attack.py"


def test_run_fork_bomb():
    code = """
import os, time
started = 0
try:
    while started < 2000:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        started += 1
except OSError as error:
    print("STARTED", started, error.errno, flush=True)
os.kill(-1, 9)
"""
    info = podkit.client().api.info()
    if str(info.get("CgroupVersion") or "1") != "1" or info.get("CgroupDriver") != "cgroupfs":
        pytest.xfail("here only the memory limit bounds the processes of a build")
    trial = Trial(RUN_IT, python(code))
    trial.build()
    started = [int(line.split()[1]) for line in trial.lines if line.startswith("STARTED")]
    assert started, trial.lines
    assert 0 < started[0] < PIDS


def test_run_memory_bomb():
    trial = Trial(
        RUN_IT,
        python("keep = [bytearray(8 << 20) for _ in range(60)]\nprint('SURVIVED')"),
        memory_mb=128,
    )
    failed = trial.fails("A step of the build was killed")
    assert "128 MiB of memory" in failed.advice
    assert "SURVIVED" not in "".join(trial.lines)


def test_run_disk_fill():
    fill = "RUN for i in $(seq 30); do head -c 20M /dev/zero > /fill$i; done; sleep 60"
    began = time.monotonic()
    Trial(fill, disk_mb=100).fails("more than 100 MiB to disk")
    assert time.monotonic() - began < 20


def test_blocks_without_a_size_are_counted():
    """FALLOC_FL_KEEP_SIZE: the file stays empty, RLIMIT_FSIZE does not apply, and the disk fills
    all the same.
    """
    code = """
import ctypes, os, time
libc = ctypes.CDLL(None, use_errno=True)
handle = os.open("/hidden", os.O_CREAT | os.O_RDWR)
done = libc.fallocate(handle, 1, ctypes.c_long(0), ctypes.c_long(300 << 20))
print("FALLOCATE", done, ctypes.get_errno(), os.stat("/hidden").st_size, flush=True)
time.sleep(20 if done == 0 else 0)
raise SystemExit(0 if done == 0 else "refused: more than 100 MiB to disk")
"""
    Trial(RUN_IT, python(code), disk_mb=100).fails("more than 100 MiB to disk|ended with code")


@pytest.mark.parametrize("steps", [1, 3])
def test_inodes_are_counted_over_all_steps(steps: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(disk, "MAX_INODES", 12_000)
    many = disk.MAX_INODES // steps + 1000
    code = f"""
import os, pathlib, sys
folder = pathlib.Path("/" + sys.argv[1])
folder.mkdir()
for number in range({many}):
    os.close(os.open(f"{{folder}}/{{number}}", os.O_CREAT))
import time; time.sleep(4)
"""
    body = "COPY attack.py /attack.py\n" + "\n".join(
        f"RUN python3 -u /attack.py f{n}" for n in range(steps)
    )
    Trial(body, python(code), timeout_s=90.0).fails("more than 12,000 files")


def test_one_large_file_is_cut_by_the_kernel():
    Trial("RUN head -c 200M /dev/zero > /fill", disk_mb=50).fails("ran out of disk|ended with code")


def test_run_infinite_output():
    trial = Trial("RUN yes 'a line of no use at all'", output_kb=256)
    trial.fails("more than 256 KiB of output")
    assert sum(map(len, trial.lines)) < 2 * 256 << 10


def test_run_endless_line_without_a_newline():
    Trial("RUN cat /dev/zero", output_kb=256).fails("more than 256 KiB of output")


def test_run_hang_cancel():
    trial = Trial("RUN echo STARTED && sleep 300")
    began = time.monotonic()
    with pytest.raises(RunCancelled):
        trial.build(cancelled=lambda: "STARTED" in trial.lines)
    assert time.monotonic() - began < 15
    assert podkit.left(trial.run) == []


def test_run_hang_is_ended_by_the_time_limit():
    trial = Trial("RUN echo STARTED && trap '' TERM && sleep 300", timeout_s=3)
    failed = trial.fails("did not finish within 3 s")
    assert "STARTED" in failed.tail


def test_run_broadcast():
    code = """
import os, socket
print("INTERFACES", sorted(os.listdir("/sys/class/net")))
for address in ("255.255.255.255", "172.17.0.1", "169.254.169.254", "224.0.0.1", "1.1.1.1"):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    try:
        s.sendto(b"x", (address, 9))
        print("SENT", address)
    except OSError as error:
        print("REFUSED", address, error.errno)
"""
    trial = Trial(RUN_IT, python(code))
    trial.build()
    assert "INTERFACES ['lo']" in trial.lines
    assert len([line for line in trial.lines if line.startswith("REFUSED")]) == 5, trial.lines


def test_from_other_learner_and_copy_from_image():
    """An image of another run is on the engine under an id and a name: neither opens it."""
    api = podkit.client().api
    other = Trial("RUN echo secret > /secret")
    image = podkit.sandbox().build(other.request, lambda _: None, lambda: False)
    name = f"other-{uuid.uuid4().hex[:8]}"
    try:
        api.tag(image.id, name, "1")
        for known in (image.id, image.id.removeprefix("sha256:")[:12], f"{name}:1"):
            for body in (f"COPY --from={known} /secret /x", f"FROM {known}\nRUN cat /secret"):
                trial = Trial(body)
                with pytest.raises(DockerfileRefused):
                    trial.build()
                assert trial.lines == []
    finally:
        api.remove_image(f"{name}:1")
        podkit.sandbox().remove_image(image)


def test_label_spoof_on_the_engine():
    trial = Trial(f'LABEL {LABEL_RUN}="someone-else" seatrial.expires="99999999999"\nRUN true')
    labels = trial.build()["Config"]["Labels"]
    assert labels.items() >= as_labels(trial.run).items()


def test_stages_that_stay_behind_are_removed():
    trial = Trial(
        f"RUN echo a > /a\nFROM {podkit.BASE} AS two\nRUN echo b > /b\nFROM {podkit.BASE}\nRUN "
        "echo c > /c"
    )
    trial.build()
    assert podkit.left(trial.run) == []


def test_copy_sees_the_project_and_nothing_of_ours():
    trial = Trial(
        "WORKDIR /srv\nCOPY . .\nRUN echo FOUND $(find . -type f | sort)",
        {"a.py": "", "src/b.py": ""},
    )
    trial.build()
    assert "FOUND ./Dockerfile ./a.py ./src/b.py" in trial.lines


def test_output_is_neutralised():
    trial = Trial("RUN printf '\\033[2J\\033]0;owned\\007 gone\\rover\\n'")
    trial.build()
    assert not any(ord(c) < 32 for line in trial.lines for c in line if c != "\t")
    assert any("\\x1b]0;owned\\x07" in line for line in trial.lines), trial.lines
