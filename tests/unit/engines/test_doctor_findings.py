"""The doctor's judgement, on engines that are not here."""

from __future__ import annotations

import pytest

from grader.engines.docker import doctor
from grader.engines.docker.doctor import disk_finding, engine_findings, pod_findings

GOOD = {
    "interfaces": ["lo"],
    "reached": [],
    "resolves": "127.0.0.2",
    "uid": 10001,
    "nnp": "1",
    "caps": 0,
    "rootfs": "EROFS",
    "tmp_mb": 16,
    "forks": 38,
    "vsock": "closed",
    "io_uring": "closed",
    "userns": "closed",
}


def test_a_contained_pod_has_no_fault():
    assert {f.level for f in pod_findings(GOOD)} == {"ok"}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"interfaces": ["lo", "eth0"]}, "network"),
        ({"reached": ["172.17.0.1:22"]}, "network"),
        ({"resolves": "unknown"}, "names"),
        ({"uid": 0}, "privileges"),
        ({"caps": 0x2000}, "privileges"),
        ({"nnp": "0"}, "privileges"),
        ({"rootfs": "writable"}, "root file system"),
        ({"tmp_mb": 64}, "tmpfs limit"),
        ({"forks": 500}, "process limit"),
        ({"vsock": "open"}, "AF_VSOCK"),
        ({"io_uring": "open"}, "io_uring"),
        ({"userns": "open"}, "user namespaces"),
    ],
)
def test_each_gap_is_named_with_advice(change, what):
    broken = [f for f in pod_findings({**GOOD, **change}) if f.level == "broken"]
    assert [f.what for f in broken] == [what]
    assert broken[0].advice


def test_what_the_engine_says():
    info = {
        "ServerVersion": "29",
        "CgroupVersion": "2",
        "SwapLimit": True,
        "Runtimes": {"runc": {}, "runsc": {}},
    }
    levels = {
        f.what: f.level
        for f in engine_findings({**info, "SecurityOptions": ["name=seccomp", "name=userns"]})
    }
    assert "kernel isolation" not in levels
    assert levels["root in builds"] == "ok"
    bare = {f.what: f.level for f in engine_findings({"SwapLimit": False})}
    assert (bare["seccomp"], bare["root in builds"], bare["swap limit"]) == (
        "broken",
        "open",
        "open",
    )


def test_disk(tmp_path, monkeypatch):
    assert disk_finding("/no/such/folder").level == "open"
    monkeypatch.setattr(doctor, "MIN_FREE_GB", 0)
    assert disk_finding(str(tmp_path)).level == "ok"
    monkeypatch.setattr(doctor, "MIN_FREE_GB", 10**9)
    assert disk_finding(str(tmp_path)).level == "broken"


def test_without_an_engine_it_says_so_and_fails(monkeypatch, capsys):
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    assert doctor.main() == 1
    assert "No container engine answers" in capsys.readouterr().out
