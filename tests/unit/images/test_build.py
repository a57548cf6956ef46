"""Choosing, packing and watching builds, without an engine."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from grader.errors import EngineUnavailable
from grader.images import build, host
from grader.images.catalog import recipes


def test_wanting_one_image_wants_its_parents_in_order() -> None:
    chosen = [recipe.name for recipe in build._with_parents(["probe"])]
    assert chosen == ["seatrial/base:1", "seatrial/runtime:1", "seatrial/probe:1"]
    assert [recipe.name for recipe in build._with_parents(None)] == [
        name for name, recipe in recipes().items() if not recipe.on_demand
    ]


def test_context_is_the_same_twice_and_holds_the_certificates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(host, "ca_bundle", lambda: b"PEM")
    recipe = recipes()["seatrial/postgres:1"]
    first, second = build._context(recipe), build._context(recipe)
    assert first.getvalue() == second.getvalue()
    with tarfile.open(fileobj=first) as tar:
        modes = {member.name: member.mode for member in tar}
    assert modes["start.sh"] == 0o755
    assert modes["Dockerfile"] == 0o644
    assert "ca.crt" in modes


def test_a_failed_build_says_why() -> None:
    lines = [
        {"stream": "Step 1/2 : FROM x\n"},
        {"stream": "Step 2/2 : RUN true\n"},
        {"stream": "no space\n"},
        {"error": "returned a non-zero code: 1"},
    ]
    seen: list[str] = []
    with pytest.raises(EngineUnavailable) as caught:
        build._watch(lines, "seatrial/x:1", seen.append)
    assert "no space" in caught.value.message
    assert "non-zero code" in caught.value.message
    assert caught.value.advice
    assert seen == ["  seatrial/x:1: Step 2/2 : RUN true"]


def test_certificates_come_from_the_environment_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in host.CA_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    bundle = tmp_path / "own.pem"
    bundle.write_bytes(b"own")
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    assert host.ca_bundle() == b"own"
    monkeypatch.setenv("PIP_CERT", str(tmp_path / "missing.pem"))
    assert host.ca_bundle() == b"own"


def test_indexes_and_proxies_are_passed_on_but_folders_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.test/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "file:///srv/wheels")
    monkeypatch.setenv("https_proxy", "http://proxy.test:3128")
    args = host.build_args()
    assert args["PIP_INDEX_URL"] == "https://index.test/simple"
    assert "PIP_EXTRA_INDEX_URL" not in args
    assert args["HTTPS_PROXY"] == "http://proxy.test:3128"
