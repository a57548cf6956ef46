"""A lab's pod as data: who belongs into it, in which order, with whose limits.

No engine is asked.
"""

from __future__ import annotations

import pytest
from site_up import ROOT

from grader.engines.base import ImageRef
from grader.lab import LabSpec, load_lab
from grader.pods.plan import PROBE, PROBE_IMAGE, app_parties, images_of, plan

LABS = {
    path.parent.name: load_lab(path.parent).spec
    for path in (ROOT / "content" / "labs").glob("*/lab.yaml")
}
BASELINE, APP = ImageRef("baseline"), ImageRef("app")


def image_of(name: str) -> ImageRef:
    return ImageRef(name)


@pytest.fixture(params=sorted(LABS))
def spec(request: pytest.FixtureRequest) -> LabSpec:
    return LABS[request.param]


def test_everybody_is_there_once_and_the_probe_comes_last(spec: LabSpec) -> None:
    made = plan(spec, "s", image_of, BASELINE, "key")
    names = [party.name for party in made.parties]
    beside = [s.name for s in spec.sidecars] + ([spec.baseline.name] if spec.baseline else [])
    balancer = [spec.service.name] if spec.replicas else []
    assert names == [*beside, *balancer, PROBE]
    assert made.hosts[0] == spec.service.name
    assert set(made.hosts) == {
        spec.service.name,
        *beside,
        *(spec.app_ports if spec.replicas else ()),
    }
    assert set(made.awaited) == set(beside)
    assert set(made.starts) <= {s.name for s in spec.sidecars}


def test_every_image_of_a_plan_is_asked_for_before_anything_starts(spec: LabSpec) -> None:
    made = plan(spec, "s", image_of, BASELINE, "key")
    used = {party.image.id for party in made.parties} - {BASELINE.id}
    assert used <= set(images_of(spec))
    assert PROBE_IMAGE in used


def test_only_the_baseline_has_the_key_and_the_learners_limits(spec: LabSpec) -> None:
    made = plan(spec, "s", image_of, BASELINE, "the-key")
    holders = [party.name for party in made.parties if "the-key" in party.env.values()]
    assert holders == ([spec.baseline.name] if spec.baseline else [])
    for party in made.parties:
        if party.role == "baseline":
            assert (party.pids, party.tmp_mb) == (spec.limits.pids, spec.limits.tmp_mb)
            assert made.awaited[party.name].closed
    assert all("the-key" not in party.env.values() for party in app_parties(spec, APP))


def test_every_copy_of_the_service_has_its_port_and_finds_the_sidecars(spec: LabSpec) -> None:
    copies = app_parties(spec, APP)
    assert [copy.name for copy in copies] == list(spec.app_ports)
    assert [copy.env["PORT"] for copy in copies] == [str(port) for port in spec.app_ports.values()]
    replicas = [copy.env.get("REPLICA") for copy in copies]
    assert replicas == ([str(n) for n in range(1, len(copies) + 1)] if spec.replicas else [None])
    for sidecar in spec.sidecars:
        for name, text in sidecar.app_env.items():
            assert all(
                copy.env[name] == text.format(host=sidecar.name, port=sidecar.port)
                for copy in copies
            )


def test_the_seed_reaches_the_sidecars_that_talk() -> None:
    starts = plan(LABS["ai-observability"], "seed-7", image_of, BASELINE, "key").starts
    assert starts
    assert {start.seed for start in starts.values()} == {"seed-7"}
