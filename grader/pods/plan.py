"""What a lab's pod is made of: parties with their images, limits, environment and order.

Pure: it touches no engine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from grader.engines.base import ImageRef, PartySpec
from grader.lab import LabSpec, Sidecar
from grader.sidecars import KINDS, haproxy
from grader.sidecars.base import config_of
from grader.wire.probe import Awaited
from grader.wire.sidecar import SidecarStart

PROBE = "probe"
PROBE_IMAGE = "seatrial/probe:1"
READY_PATH = "/readyz"
ImageOf = Callable[[str], ImageRef]


def images_of(spec: LabSpec) -> list[str]:
    """Names of all images of ours that a run of this lab needs."""
    balancer = [haproxy.IMAGE] if spec.replicas else []
    return [
        PROBE_IMAGE,
        *spec.bases,
        *(KINDS[sidecar.kind].image for sidecar in spec.sidecars),
        *balancer,
    ]


@dataclass(frozen=True, slots=True)
class Plan:
    """A lab's pod before the learner's service comes."""

    hosts: tuple[str, ...]
    """Names that everybody in the pod can look up.

    The learner's service is the first: it has the first address.
    """
    parties: tuple[PartySpec, ...]
    """Sidecars, baseline, balancer and probe, in the order in which they start."""
    starts: dict[str, SidecarStart] = field(default_factory=dict)
    """The first line of every sidecar that talks, by name."""
    awaited: dict[str, Awaited] = field(default_factory=dict)
    """Whom the probe waits for before the learner's service starts."""


def plan(spec: LabSpec, seed: str, image_of: ImageOf, baseline: ImageRef | None, key: str) -> Plan:
    """The pod of a lab.

    ``image_of``: images of ours by name. ``key``: what the baseline asks of the probe.
    """
    copies = tuple(spec.app_ports) if spec.replicas else ()
    beside = [*spec.sidecars, *([spec.baseline] if spec.baseline else [])]
    parties = [_sidecar(sidecar, image_of) for sidecar in spec.sidecars]
    awaited = {sidecar.name: Awaited(port=sidecar.port) for sidecar in spec.sidecars}
    if spec.baseline and baseline:
        parties.append(_baseline(spec, spec.baseline, baseline, key))
        awaited[spec.baseline.name] = Awaited(
            port=spec.baseline.port, ready_path=READY_PATH, closed=True
        )
    if spec.replicas:
        parties.append(_balancer(spec, image_of))
    return Plan(
        hosts=(spec.service.name, *copies, *(party.name for party in beside)),
        parties=(*parties, _probe(image_of)),
        starts={s.name: _start(s, seed) for s in spec.sidecars if KINDS[s.kind].interactive},
        awaited=awaited,
    )


def app_parties(spec: LabSpec, image: ImageRef) -> list[PartySpec]:
    """The learner's service, each copy of it."""
    limits, env = spec.limits, dict(spec.service.env)
    for sidecar in spec.sidecars:
        env |= {
            k: v.format(host=sidecar.name, port=sidecar.port) for k, v in sidecar.app_env.items()
        }
    return [
        PartySpec(
            name=name,
            role="app",
            image=image,
            port=port,
            env={**env, "PORT": str(port), **({"REPLICA": str(number)} if spec.replicas else {})},
            cpu=limits.cpu,
            memory_mb=limits.memory_mb,
            pids=limits.pids,
            tmp_mb=limits.tmp_mb,
            data_mb=limits.data_mb,
            stop_grace_s=limits.stop_grace_s,
        )
        for number, (name, port) in enumerate(spec.app_ports.items(), 1)
    ]


def _shared(sidecar: Sidecar) -> dict[str, Any]:
    return {
        "name": sidecar.name,
        "cpu": sidecar.cpu,
        "memory_mb": sidecar.memory_mb,
        "port": sidecar.port,
    }


def _sidecar(sidecar: Sidecar, image_of: ImageOf) -> PartySpec:
    kind = KINDS[sidecar.kind]
    return PartySpec(
        role="sidecar",
        image=image_of(kind.image),
        command=kind.command,
        env={"PORT": str(sidecar.port), **sidecar.env, **kind.env(sidecar)},
        interactive=kind.interactive,
        tmp_mb=kind.tmp_mb,
        data_mb=kind.data_mb,
        pids=kind.pids,
        **_shared(sidecar),
    )


def _baseline(spec: LabSpec, baseline: Sidecar, image: ImageRef, key: str) -> PartySpec:
    """With the learner's limits."""
    env = {"PORT": str(baseline.port), **baseline.env, "BASELINE_KEY": key}
    limits = spec.limits
    return PartySpec(
        role="baseline",
        image=image,
        env=env,
        tmp_mb=limits.tmp_mb,
        pids=limits.pids,
        **_shared(baseline),
    )


def _balancer(spec: LabSpec, image_of: ImageOf) -> PartySpec:
    assert spec.replicas is not None
    return PartySpec(
        name=spec.service.name,
        role="sidecar",
        image=image_of(haproxy.IMAGE),
        command=haproxy.COMMAND,
        port=spec.service.port,
        env=haproxy.balancer_env(spec),
        cpu=spec.replicas.balancer_cpu,
        memory_mb=spec.replicas.balancer_memory_mb,
    )


def _probe(image_of: ImageOf) -> PartySpec:
    """Half a core on top of the learner's share; short bursts of oracle work need the memory."""
    command = ("python", "-m", "grader.probe")
    return PartySpec(
        PROBE,
        "probe",
        image_of(PROBE_IMAGE),
        command=command,
        cpu=0.8,
        memory_mb=1024,
        pids=256,
        interactive=True,
    )


def _start(sidecar: Sidecar, seed: str) -> SidecarStart:
    config = config_of(KINDS[sidecar.kind], sidecar)
    return SidecarStart(seed=seed, name=sidecar.name, port=sidecar.port, config=config)
