"""How the containers of a pod are created: every bound in one place.

Requests are plain API bodies.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from typing import Any

from docker import APIClient
from docker.types import LogConfig, Mount, Ulimit

from grader.engines.base import PartySpec, Role
from grader.engines.docker.seccomp import seccomp_profile
from grader.errors import LearnerError

USERS: dict[Role, str] = {
    "app": "10001:10001",
    "sidecar": "10002:10002",
    "probe": "10003:10003",
    "baseline": "10004:10004",
}
"""A user of its own for each role.

They share a network, and the kernel lets one user's processes share a port.
"""
PAUSE_USER = "10005:10005"
TMP = "/tmp"  # noqa: S108 - a tmpfs of the container's own
MIB = 1 << 20
SHM_MB = 64
LOG_MAX = "1m"
DATA_PATH = "/data"
INODES_PER_MB = 256
APP_FILES = 4096
USUAL_SHARES, PROBE_SHARES = 1024, 8192
"""The engine's own weight, and the probe's when processors are scarce. The probe needs little, but
at the right moment: beside three busy containers and a hog it woke 4.2 ms late in the median at the
usual weight, 0.07 ms at this one. Its quota stays.
"""
FIRST_HOST = 2
_KERNEL_PATHS = ("/proc", "/sys", "/dev")


def shares_of(role: Role) -> int:
    """The weight with which a party of this role starts."""
    return PROBE_SHARES if role == "probe" else USUAL_SHARES


def hosts_file(hosts: Iterable[str]) -> dict[str, str]:
    """A loopback address of its own for every name: 127.0.0.2, 127.0.0.3, and so on."""
    return {name: f"127.0.0.{number}" for number, name in enumerate(hosts, FIRST_HOST)}


def pause_host_config(api: APIClient, hosts: Iterable[str]) -> dict[str, Any]:
    """The container that owns the network namespace: nothing but ``lo``, and the names of the
    pod.
    """
    return dict(
        api.create_host_config(
            network_mode="none",
            extra_hosts=hosts_file(hosts),
            dns=["127.0.0.1"],
            dns_opt=["timeout:1", "attempts:1"],  # else a lookup stalls for 10 s
            **_common(memory_mb=32, pids=16),
            log_config=LogConfig(type="none", config={}),
        )
    )


def keeper_host_config(api: APIClient, volume: str, megabytes: int) -> dict[str, Any]:
    """A container that keeps the volume mounted while its party restarts, and fills it when a fault
    wants that.

    What is written to memory counts against whoever writes it, so its limit is above the volume's
    size.
    """
    return dict(
        api.create_host_config(
            network_mode="none",
            **_common(memory_mb=32 + megabytes, pids=16),
            log_config=LogConfig(type="none", config={}),
            mounts=[_data_mount(volume)],
        )
    )


def party_host_config(
    api: APIClient,
    party: PartySpec,
    *,
    pause: str,
    volumes: Iterable[str],
    data: str | None,
    cpus: int,
) -> dict[str, Any]:
    """``volumes``: the VOLUME paths of the image.

    ``data``: the volume for /data. ``cpus``: what the engine has.
    """
    untrusted = party.role in ("app", "baseline")
    # Only ever lowered: an engine without CAP_SYS_RESOURCE can't raise them above its own.
    limits = [Ulimit(name="core", soft=0, hard=0)]
    if untrusted:
        limits.append(Ulimit(name="nofile", soft=APP_FILES, hard=APP_FILES))
    # The channel carries hidden data; the engine must not write it to a log file.
    log = LogConfig(type="none", config={}) if party.interactive else _bounded_log()
    return dict(
        api.create_host_config(
            network_mode=f"container:{pause}",
            init=True,
            nano_cpus=int(min(party.cpu, cpus) * 1e9),
            cpu_shares=shares_of(party.role),
            oom_score_adj=500 if untrusted else 0,
            tmpfs=_tmpfs(party, volumes, data is not None),
            mounts=[_data_mount(data)] if data else None,
            ulimits=limits,
            shm_size=SHM_MB * MIB,
            log_config=log,
            **_common(memory_mb=party.memory_mb, pids=party.pids),
        )
    )


def environment(party: PartySpec) -> dict[str, str]:
    """What the party finds in its environment: a home it can write to, and the port it was
    given.
    """
    port = {"PORT": str(party.port)} if party.port is not None else {}
    return {"HOME": TMP, **port, **party.env}


def data_volume_options(megabytes: int, user: str) -> dict[str, str]:
    """A volume of bounded size for one user: it lives in memory as long as a container has it
    mounted.
    """
    uid, gid = user.split(":")
    inodes = megabytes * INODES_PER_MB
    options = f"size={megabytes}m,nr_inodes={inodes},uid={uid},gid={gid},mode=0700,nosuid,nodev"
    return {"type": "tmpfs", "device": "tmpfs", "o": options}


def _common(*, memory_mb: int, pids: int) -> dict[str, Any]:
    return {
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true", f"seccomp={seccomp_profile()}"],
        "read_only": True,
        "ipc_mode": "private",
        "pids_limit": pids,
        "mem_limit": memory_mb * MIB,
        "memswap_limit": memory_mb * MIB,
    }


def _bounded_log() -> LogConfig:
    return LogConfig(type=LogConfig.types.JSON, config={"max-size": LOG_MAX, "max-file": "2"})


def _data_mount(volume: str) -> Mount:
    # no_copy: else the engine copies what the image has at that path into the volume.
    return Mount(target=DATA_PATH, source=volume, type="volume", no_copy=True)


def _tmpfs(party: PartySpec, volumes: Iterable[str], has_data: bool) -> dict[str, str]:
    options = (
        f"rw,nosuid,nodev,size={party.tmp_mb}m,nr_inodes={party.tmp_mb * INODES_PER_MB},mode=1777"
    )
    mounts = {TMP: options}
    for path in volumes:
        clean = posixpath.normpath("/" + path.lstrip("/"))
        if (
            clean == "/"
            or clean.startswith(tuple(f"{kernel}/" for kernel in _KERNEL_PATHS))
            or clean in _KERNEL_PATHS
        ):
            raise LearnerError(
                f"The image declares a volume at {clean[:80]}, which is not allowed.",
                (
                    "Remove the VOLUME instruction; write to /tmp, or to /data where the lab offers "
                    "it."
                ),
            )
        if not (has_data and clean == DATA_PATH):
            mounts[clean] = options
    return mounts
