"""What the engine is asked for, without an engine: every bound that the design names is in the
request.
"""

from __future__ import annotations

import json

import pytest
from docker import APIClient

from grader.engines.base import ImageRef, PartySpec
from grader.engines.docker.seccomp import seccomp_profile
from grader.engines.docker.settings import (
    PAUSE_USER,
    USERS,
    data_volume_options,
    environment,
    hosts_file,
    keeper_host_config,
    party_host_config,
    pause_host_config,
)
from grader.errors import LearnerError

API = APIClient(base_url="tcp://127.0.0.1:1", version="1.41")
IMAGE = ImageRef("sha256:1")


def config(party: PartySpec, **changes):
    values = {"pause": "p1", "volumes": (), "data": None, "cpus": 2, **changes}
    return party_host_config(API, party, **values)


@pytest.mark.parametrize(
    "made",
    [
        pause_host_config(API, ("app",)),
        keeper_host_config(API, "v1", 8),
        config(PartySpec("app", "app", IMAGE)),
        config(PartySpec("probe", "probe", IMAGE, interactive=True)),
        config(PartySpec("db", "sidecar", IMAGE, data_mb=10), data="v1"),
    ],
)
def test_every_container_is_hardened(made):
    assert made["CapDrop"] == ["ALL"]
    assert made["SecurityOpt"][0] == "no-new-privileges:true"
    assert (
        json.loads(made["SecurityOpt"][1].removeprefix("seccomp="))["defaultAction"]
        == "SCMP_ACT_ERRNO"
    )
    assert made["ReadonlyRootfs"] is True
    assert made["IpcMode"] == "private"
    assert made["Memory"] == made["MemorySwap"] > 0
    assert 0 < made["PidsLimit"] <= 256
    assert made["NetworkMode"] in ("none", "container:p1")
    assert not {"Binds", "Privileged", "CapAdd", "Devices", "PidMode", "VolumesFrom"} & {
        k for k, v in made.items() if v
    }


def test_the_learners_container():
    made = config(PartySpec("app", "app", IMAGE, cpu=1.5, memory_mb=300, pids=77, tmp_mb=20))
    assert made["Memory"] == 300 << 20
    assert made["PidsLimit"] == 77
    assert made["NanoCpus"] == 1_500_000_000
    assert made["OomScoreAdj"] == 500
    assert made["Init"] is True
    assert made["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "2"}}
    options = made["Tmpfs"]["/tmp"].split(",")
    assert {"nosuid", "nodev", "size=20m", "mode=1777"} <= set(options)
    assert any(o.startswith("nr_inodes=") for o in options)
    limits = {u["Name"]: u["Hard"] for u in made["Ulimits"]}
    assert limits == {"core": 0, "nofile": 4096}


def test_the_probe_goes_first_and_nobody_else():
    shares = {
        role: config(PartySpec(role, role, IMAGE))["CpuShares"]
        for role in ("app", "baseline", "sidecar", "probe")
    }
    assert shares == {"app": 1024, "baseline": 1024, "sidecar": 1024, "probe": 8192}


def test_cpu_never_exceeds_what_the_engine_has():
    assert config(PartySpec("app", "app", IMAGE, cpu=8), cpus=2)["NanoCpus"] == 2_000_000_000


def test_the_channel_is_not_logged_by_the_engine():
    assert (
        config(PartySpec("probe", "probe", IMAGE, interactive=True))["LogConfig"]["Type"] == "none"
    )


def test_the_baseline_gets_what_the_app_gets():
    app, baseline = (config(PartySpec("x", role, IMAGE)) for role in ("app", "baseline"))
    assert app == baseline


def test_volumes_of_the_image_become_bounded_tmpfs():
    made = config(
        PartySpec("app", "app", IMAGE, tmp_mb=8), volumes=("/cache/", "var/lib/x", "/data")
    )
    assert set(made["Tmpfs"]) == {"/tmp", "/cache", "/var/lib/x", "/data"}
    made = config(PartySpec("app", "app", IMAGE, data_mb=8), volumes=("/data",), data="v1")
    assert set(made["Tmpfs"]) == {"/tmp"}
    assert made["Mounts"][0]["VolumeOptions"] == {"NoCopy": True}


@pytest.mark.parametrize(
    "path", ["/", "", "/proc", "/proc/sys", "/sys", "/dev/shm", "/x/../proc", "//proc/1"]
)
def test_volumes_over_the_system_are_refused(path):
    with pytest.raises(LearnerError, match="volume at /"):
        config(PartySpec("app", "app", IMAGE), volumes=(path,))


def test_names_get_loopback_addresses_in_order():
    assert hosts_file(("app", "models", "db")) == {
        "app": "127.0.0.2",
        "models": "127.0.0.3",
        "db": "127.0.0.4",
    }
    made = pause_host_config(API, ("app", "models"))
    assert sorted(made["ExtraHosts"]) == ["app:127.0.0.2", "models:127.0.0.3"]
    assert made["Dns"] == ["127.0.0.1"]
    assert made["DnsOptions"] == ["timeout:1", "attempts:1"]


def test_environment_has_home_and_port_and_the_lab_has_the_last_word():
    assert environment(PartySpec("a", "app", IMAGE, port=80)) == {"HOME": "/tmp", "PORT": "80"}
    assert (
        environment(PartySpec("a", "app", IMAGE, port=80, env={"PORT": "81", "X": "y"}))["PORT"]
        == "81"
    )
    assert environment(PartySpec("a", "app", IMAGE)) == {"HOME": "/tmp"}


def test_data_is_bounded_and_private():
    options = data_volume_options(32, USERS["app"])
    assert options["type"] == "tmpfs"
    assert {"size=32m", "uid=10001", "mode=0700", "nosuid", "nodev"} <= set(options["o"].split(","))


def test_seccomp_names_nothing_that_it_should_shut():
    profile = json.loads(seccomp_profile())
    allowed = {
        n
        for rule in profile["syscalls"]
        if rule["action"] == "SCMP_ACT_ALLOW"
        for n in rule["names"]
    }
    for name in (
        "io_uring_setup",
        "clone3",
        "unshare",
        "setns",
        "mount",
        "ptrace",
        "bpf",
        "keyctl",
        "socketcall",
    ):
        assert name not in allowed
    assert {"read", "mmap", "futex", "epoll_wait", "accept4", "sendfile"} <= allowed
    families = [
        rule["args"][0]["value"] for rule in profile["syscalls"] if rule["names"] == ["socket"]
    ]
    assert families == [1, 2, 10, 16]
    assert all(
        a["op"] == "SCMP_CMP_EQ"
        for r in profile["syscalls"]
        if r["names"] == ["socket"]
        for a in r["args"]
    )


def test_each_role_has_a_user_of_its_own() -> None:
    """A learner's 200 listeners took 191 of 200 requests from the balancer: both were the same
    user.
    """
    assert len({*USERS.values(), PAUSE_USER}) == 5
    assert USERS["app"] == "10001:10001"


def test_the_balancer_shares_its_port_with_nobody() -> None:
    from grader.sidecars import haproxy

    assert "noreuseport" in haproxy.CONFIG.split("defaults")[0]
