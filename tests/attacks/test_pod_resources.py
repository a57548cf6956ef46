"""Attacks from the learner's container on memory, processes, disk, logs and time."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Iterator

import podkit
import pytest

from grader.engines.base import ImageRef
from grader.engines.labels import LABEL_RUN, as_labels
from grader.errors import LearnerError

pytestmark = pytest.mark.docker

ATTACKS = """
import errno, os, resource, socket, time

def fork_bomb():
    children = 0
    try:
        while children < 5000:
            pid = os.fork()
            if pid == 0:
                time.sleep(60)
                os._exit(0)
            children += 1
    except OSError as error:
        said = errno.errorcode[error.errno]
    os.system("true")
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) not in (1, os.getpid()):
            os.kill(int(entry), 9)
    for _ in range(children):
        os.wait()
    return [children, said]

def fill(path, limit_mb=600):
    done, block = 0, b"x" * (1 << 20)
    try:
        with open(path, "wb", buffering=0) as out:
            while done < limit_mb:
                out.write(block)
                done += 1
        return [done, "no limit"]
    except OSError as error:
        return [done, errno.errorcode[error.errno]]
    finally:
        if path.endswith("/big"):
            os.unlink(path)

def rootfs_write():
    paths = ("/x", "/etc/x", "/usr/x", "/var/x", "/run/x", "/dev/x", "/etc/hosts", "/etc/resolv.conf")
    return [fill(path)[1] for path in paths]

def tmpfs_bytes():
    return fill("/tmp/big")

def tmpfs_inodes():
    os.mkdir("/tmp/many")
    made = 0
    try:
        for made in range(100_000):
            os.close(os.open(f"/tmp/many/{made}", os.O_CREAT | os.O_WRONLY))
        said = "no limit"
    except OSError as error:
        said = errno.errorcode[error.errno]
    for name in range(made):
        os.unlink(f"/tmp/many/{name}")
    return [made, said]

def shm_fill():
    return fill("/dev/shm/big")

def fd_exhaust():
    opened, said = [], "no limit"
    try:
        while len(opened) < 100_000:
            opened.append(os.open("/dev/null", os.O_RDONLY))
    except OSError as error:
        said = errno.errorcode[error.errno]
    count = len(opened)
    for fd in opened:
        os.close(fd)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 16, 1 << 16))
        said += " raised"
    except (ValueError, OSError):
        pass
    return [count, said]
"""
NAMES = ("fork_bomb", "rootfs_write", "tmpfs_bytes", "tmpfs_inodes", "shm_fill", "fd_exhaust")


@pytest.fixture(scope="module")
def found() -> dict[str, object]:
    with podkit.pod("app") as where:
        where.start(podkit.attacker(ATTACKS, *NAMES, pids=40, tmp_mb=16, memory_mb=256))
        return podkit.result(where, within_s=60)


def test_fork_bomb(found):
    children, said = found["fork_bomb"]
    assert 20 < children < 40
    assert said == "EAGAIN"


def test_rootfs_write(found):
    assert set(found["rootfs_write"]) <= {"EROFS", "EACCES"}
    assert found["rootfs_write"][0] == "EROFS"


def test_tmpfs_bytes(found):
    done, said = found["tmpfs_bytes"]
    assert (15 <= done <= 16, said) == (True, "ENOSPC")


def test_tmpfs_inodes(found):
    made, said = found["tmpfs_inodes"]
    assert (made < 5000, said) == (True, "ENOSPC")


def test_shm_fill(found):
    done, said = found["shm_fill"]
    assert (done <= 64, said) == (True, "ENOSPC")


def test_fd_exhaust(found):
    count, said = found["fd_exhaust"]
    assert (count < 4100, said) == (True, "EMFILE")


def test_mem_bomb():
    with podkit.pod("app") as where:
        where.start(
            podkit.party(
                (
                    "print('up', flush=True)\nhoard = [bytearray(b'x' * (1 << 20)) for _ in "
                    "range(4000)]"
                ),
                memory_mb=64,
            )
        )
        state = podkit.ended(where, "app")
        assert state.oom_killed
        assert state.exit_code == 137


def test_oom_child_survives():
    code = """
    import os
    if os.fork() == 0:
        hoard = [bytearray(b"x" * (1 << 20)) for _ in range(4000)]
    os.wait()
    """
    with podkit.pod("app") as where:
        where.start(podkit.party(code, memory_mb=64))
        state = podkit.ended(where, "app")
        assert state.exit_code == 0
        assert state.oom_killed


def test_log_flood():
    code = (
        "import os\nblock = b'y' * 65535 + b'\\n'\nfor _ in range(512): os.write(1, "
        "block)\nos.write(1, b'THE END\\n')"
    )
    with podkit.pod("app") as where:
        where.start(podkit.party(code))
        podkit.ended(where, "app", 60)
        began = time.monotonic()
        log = where.logs("app", max_bytes=8 << 20)
        assert time.monotonic() - began < 5
        # 32 MiB were written; the engine keeps two files of 1 MiB.
        assert 1000 < len(log) < 3 << 20
        assert log.endswith("THE END\n")


def test_log_binary_escapes():
    said = rb"\x1b[2J\x1b]0;owned\x07\rfake\x00\xff\xfe \xe2\x80\xae evil\n".decode()
    code = f"import os; os.write(1, b'{said}' + bytes(range(256)))"
    with podkit.pod("app") as where:
        where.start(podkit.party(code))
        podkit.ended(where, "app")
        log = where.logs("app")
    assert "owned" in log
    assert not [
        c
        for c in log
        if (ord(c) < 32 and c not in "\n\t") or 0x7F <= ord(c) < 0xA0 or c == "\u202e"
    ]


def test_sigterm_ignored():
    code = (
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('READY', "
        "flush=True)\ntime.sleep(60)"
    )
    with podkit.pod("app") as where:
        where.start(podkit.party(code))
        deadline = time.monotonic() + 10
        while "READY" not in where.logs("app"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        began = time.monotonic()
        state = where.stop("app", 0.5)
        assert 0.5 <= time.monotonic() - began < 4
        assert (state.running, state.exit_code) == (False, 137)


def made(*instructions: str) -> Iterator[ImageRef]:
    """An image with ``instructions`` on top of our base, as a hostile build might have left it."""
    api, run = podkit.client().api, podkit.labels()
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        text = "\n".join([f"FROM {podkit.BASE}", *instructions]).encode()
        member = tarfile.TarInfo("Dockerfile")
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text))
    stream.seek(0)
    tag = f"seatrial-test/{run.run_id}"
    for message in api.build(
        fileobj=stream,
        custom_context=True,
        tag=tag,
        labels=as_labels(run),
        rm=True,
        forcerm=True,
        decode=True,
    ):
        assert "error" not in message, message
    yield podkit.sandbox().image(tag)
    api.remove_image(tag, force=True)


@pytest.fixture(scope="module")
def stormy() -> Iterator[ImageRef]:
    yield from made(
        "HEALTHCHECK --interval=1s --timeout=1s CMD touch /tmp/health-was-checked",
        'VOLUME ["/cache", "/var/lib/stuff"]',
    )


@pytest.fixture(scope="module")
def shadowing() -> Iterator[ImageRef]:
    yield from made('VOLUME ["/proc/x"]')


def test_healthcheck_storm(stormy):
    code = "import os, time\ntime.sleep(2.5)\nprint(os.path.exists('/tmp/health-was-checked'))"
    with podkit.pod("app") as where:
        where.start(podkit.party(code, image=stormy))
        podkit.ended(where, "app")
        assert where.logs("app") == "False\n"


def test_volume_bypass(stormy):
    """A VOLUME of the image becomes a bounded tmpfs, not an anonymous volume that fills the disk
    and stays.
    """
    code = """
    for path in ("/cache/big", "/var/lib/stuff/big"):
        try:
            with open(path, "wb", buffering=0) as out:
                for _ in range(100): out.write(b"x" * (1 << 20))
            print("no limit")
        except OSError as error:
            print(error.strerror)
    """
    run = podkit.labels()
    with podkit.pod("app", run=run) as where:
        where.start(podkit.party(code, image=stormy, tmp_mb=8))
        podkit.ended(where, "app")
        assert where.logs("app") == "No space left on device\n" * 2
        api = podkit.client().api
        mine = api.containers(all=True, filters={"label": f"{LABEL_RUN}={run.run_id}"})
        assert len(mine) == 2
        assert [mount["Type"] for container in mine for mount in container["Mounts"]] == []


def test_a_volume_over_the_kernels_files_is_refused(shadowing):
    with podkit.pod("app") as where, pytest.raises(LearnerError, match="/proc/x"):
        where.start(podkit.party("pass", image=shadowing))
