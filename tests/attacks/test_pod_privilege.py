"""Attacks from the learner's container on its privileges."""

from __future__ import annotations

import podkit
import pytest

pytestmark = pytest.mark.docker

ATTACKS = """
import ctypes, os, socket, stat, subprocess
libc = ctypes.CDLL(None, use_errno=True)

def call(number, *arguments):
    ctypes.set_errno(0)
    said = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) for a in arguments])
    return "done" if said >= 0 else os.strerror(ctypes.get_errno())

def setuid_nnp():
    with open("/proc/self/status") as status:
        fields = dict(line.rstrip().split(":\\t", 1) for line in status if ":\\t" in line)
    binary = next(p for p in ("/usr/bin/su", "/usr/bin/mount", "/usr/bin/passwd") if os.path.exists(p))
    shown = subprocess.run([binary, "--help"], env={"LD_SHOW_AUXV": "1"}, capture_output=True, text=True).stdout
    auxv = dict(line.split(":", 1) for line in shown.splitlines() if line.startswith("AT_"))
    return {
        "setuid": bool(os.stat(binary).st_mode & stat.S_ISUID),
        "euid": auxv.get("AT_EUID", "hidden").strip(),
        "nnp": fields["NoNewPrivs"],
        "caps": [fields[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")],
        "ids": [os.getuid(), os.geteuid(), os.getgid(), *os.getgroups()],
        "seccomp": fields["Seccomp"],
    }

def raw_socket():
    said = []
    for family, kind, protocol in ((2, 3, 1), (2, 3, 255), (17, 3, 0), (17, 2, 0), (38, 5, 0)):
        try:
            socket.socket(family, kind, protocol).close()
            said.append("made")
        except OSError as error:
            said.append(error.strerror)
    return said

def mount_unshare_keyctl():
    calls = {
        "mount": (165, 0, 0, 0, 0, 0), "umount2": (166, 0, 0), "pivot_root": (155, 0, 0),
        "unshare_user": (272, 0x10000000), "unshare_net": (272, 0x40000000),
        "clone_user": (56, 0x10000000 | 17, 0, 0, 0, 0), "setns": (308, 0, 0), "keyctl": (250, 0, 0),
        "add_key": (248, 0, 0, 0, 0, 0), "bpf": (321, 0, 0, 0), "perf_event_open": (298, 0, 0, 0, 0, 0),
        "userfaultfd": (323, 0), "ptrace": (101, 0, 0, 0, 0), "process_vm_readv": (310, 1, 0, 0, 0, 0, 0),
        "kexec_load": (246, 0, 0, 0, 0), "init_module": (175, 0, 0, 0), "open_by_handle_at": (304, 0, 0, 0),
        "reboot": (169, 0, 0, 0, 0), "swapon": (167, 0, 0), "fsopen": (430, 0, 0),
        "move_mount": (429, 0, 0, 0, 0, 0), "clone3": (435, 0, 0), "chroot": (161, 0),
        "sethostname": (170, 0, 0), "settimeofday": (164, 0, 0),
    }
    return {name: call(*arguments) for name, arguments in calls.items()}

def io_uring():
    return [call(425, 8, 0), call(426, 0, 0, 0, 0, 0), call(427, 0, 0, 0, 0)]

def mknod():
    said = []
    for kind, device in ((stat.S_IFCHR, os.makedev(1, 1)), (stat.S_IFBLK, os.makedev(8, 0))):
        try:
            os.mknod(f"/tmp/device{kind}", kind | 0o666, device)
            said.append("made")
        except OSError as error:
            said.append(error.strerror)
    os.mkfifo("/tmp/fifo")
    return [*said, "fifo" if stat.S_ISFIFO(os.stat("/tmp/fifo").st_mode) else "none"]

def docker_sock_absent():
    sockets = ("/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock")
    found = [path for path in sockets if os.path.exists(path)]
    with open("/proc/mounts") as mounts:
        rows = [line.split() for line in mounts]
    # Files here are the engine's masks: the null device bound over parts of /proc.
    writable = [r[1] for r in rows if "rw" in r[3].split(",") and os.path.isdir(r[1]) and os.access(r[1], os.W_OK)]
    disks = [r[1] for r in rows if r[0].startswith("/dev/") and "rw" in r[3].split(",")]
    devices = [n for n in os.listdir("/dev") if stat.S_ISBLK(os.stat(f"/dev/{n}").st_mode)]
    return {"sockets": found, "writable": writable, "disks": disks, "block": devices}
"""
NAMES = (
    "setuid_nnp",
    "raw_socket",
    "mount_unshare_keyctl",
    "io_uring",
    "mknod",
    "docker_sock_absent",
)


@pytest.fixture(scope="module")
def found():
    with podkit.pod("app") as where:
        where.start(podkit.attacker(ATTACKS, *NAMES))
        return podkit.result(where)


def test_setuid_nnp(found):
    got = found["setuid_nnp"]
    assert got["setuid"], "the image has no setuid binary to try"
    assert got["euid"] == "10001"
    assert got["nnp"] == "1"
    assert got["caps"] == ["0000000000000000"] * 5
    assert set(got["ids"]) == {10001}
    assert got["seccomp"] == "2"


def test_raw_socket(found):
    assert len(found["raw_socket"]) == 5
    assert "made" not in found["raw_socket"]


def test_mount_unshare_keyctl(found):
    said = found["mount_unshare_keyctl"]
    assert said.pop("clone3") == "Function not implemented"
    assert set(said.values()) == {"Operation not permitted"}, said


def test_io_uring(found):
    assert found["io_uring"] == ["Function not implemented"] * 3


def test_mknod(found):
    assert found["mknod"] == ["Operation not permitted", "Operation not permitted", "fifo"]


def test_docker_sock_absent(found):
    got = found["docker_sock_absent"]
    assert got["sockets"] == []
    assert got["block"] == []
    assert got["disks"] == []
    assert set(got["writable"]) <= {"/tmp", "/dev/shm", "/dev/mqueue"}
