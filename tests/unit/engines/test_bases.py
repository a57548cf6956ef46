"""Which public images a Dockerfile may name, and what is asked of the engine for them."""

from __future__ import annotations

import pytest

from grader.dockerfile.bases import (
    PATTERNS,
    Allowed,
    Found,
    allowed,
    by_name_alone,
    operators_patterns,
    public_name,
)
from grader.images.public import STAND_INS

HOST = "registry.example"


@pytest.mark.parametrize(
    ("name", "public"),
    [
        ("python", "python:latest"),
        ("python:3.12-slim", "python:3.12-slim"),
        (f"{HOST}/library/python:3.12", "python:3.12"),
        (f"python:3.12-slim@sha256:{'ab' * 32}", "python:3.12-slim"),
        (f"{HOST}/distroless/python3-debian12", f"{HOST}/distroless/python3-debian12:latest"),
        (f"{HOST}:5000/team/app", f"{HOST}:5000/team/app:latest"),
        ("Python", None),
        ("a b", None),
        ("a//b", None),
        ("../x", None),
        ("", None),
        (f"sha256:{'ab' * 32}", f"sha256:{'ab' * 32}"),
    ],
)
def test_a_name_is_seen_with_a_tag_and_without_a_digest(name: str, public: str | None) -> None:
    assert public_name(name) == public


@pytest.mark.parametrize(
    "name",
    ["python:3.12-slim", "python:3.11", "python:latest", "debian:bookworm-slim", "debian:latest", "ubuntu:24.04",
     "node:22-slim", "node:latest", "golang:1.23", f"{HOST}/distroless/python3-debian12:latest",
     f"{HOST}/distroless/static-debian12:nonroot"],
)  # fmt: skip
def test_everyday_bases_are_allowed(name: str) -> None:
    assert allowed(name, PATTERNS)


@pytest.mark.parametrize(
    "name",
    ["python:3.12-alpine", "alpine:3", "python:2.7", "fedora:40", "seatrial/held:abc", f"sha256:{'ab' * 32}",
     f"{HOST}/evil/python:3.12", "user/python:3.12", f"{HOST}/python:3.12", "latest:latest"],
)  # fmt: skip
def test_others_are_not(name: str) -> None:
    assert not allowed(name, PATTERNS)


def test_an_operator_sets_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATRIAL_BASES", "python:3.13-slim")
    assert operators_patterns() == ("python:3.13-slim",)
    assert by_name_alone(["seatrial/runtime:1"]).resolve("python:3.12-slim") is None
    monkeypatch.setenv("SEATRIAL_BASES", "none")
    assert by_name_alone(["seatrial/runtime:1"]).resolve("python:3.13-slim") is None
    assert by_name_alone(["seatrial/runtime:1"]).resolve("seatrial/runtime") == "sha256:0"
    monkeypatch.delenv("SEATRIAL_BASES")
    assert by_name_alone([]).resolve("python:3.13-slim") == "sha256:0"


def test_a_public_image_is_looked_for_once_and_the_log_says_what_it_is() -> None:
    asked: list[str] = []

    def find(name: str) -> Found:
        asked.append(name)
        return (
            Found(None, advice="None here.")
            if name.startswith("ubuntu")
            else Found("sha256:1", f"{name} is one")
        )

    bases = Allowed({"seatrial/runtime:1": "sha256:0"}, PATTERNS, find)
    assert bases.resolve("python:3.12-slim") == bases.resolve("python:3.12-slim") == "sha256:1"
    assert bases.resolve("fedora:40") is None
    assert bases.resolve("ubuntu:24.04") is None
    assert asked == ["python:3.12-slim", "ubuntu:24.04"]
    assert bases.notes() == ["python:3.12-slim is one"]
    assert bases.refusal("ubuntu:24.04") == "None here."
    assert "glibc" in bases.refusal("python:3.12-alpine")
    assert "python:3*" in bases.refusal("fedora:40")


@pytest.mark.parametrize(
    ("name", "image"),
    [("python:3.12-slim", "python"), ("debian:bookworm", "debian"), ("node:20-slim", "node"), ("golang:1.23", "golang"),
     (f"{HOST}/distroless/python3-debian12:latest", "distroless"), (f"{HOST}/distroless/base:latest", "static"),
     ("ubuntu:24.04", "")],
)  # fmt: skip
def test_what_stands_in_without_a_registry(name: str, image: str) -> None:
    found = next((stand_in for pattern, stand_in, _ in STAND_INS if pattern.fullmatch(name)), "")
    assert found == (f"seatrial/{image}:1" if image else "")
