"""What a build reaches: the operator's choice, the host's own configuration, and the proxy that is
made from both.
"""

from __future__ import annotations

import re
import subprocess

import pytest

from grader.engines.docker.packages import environment, nginx, sources
from grader.engines.docker.packages.policy import Policy
from grader.engines.docker.packages.sources import Address, Sources, debian_mirrors
from grader.images import host

INDEX = Address("https://index.test", "/a/simple")
MORE = Address("https://more.test", "/simple")
FULL = Sources(
    python=(INDEX, MORE),
    files=("https://files.test",),
    debian=(("debian", Address("http://mirror.test", "/pub/debian")),),
    npm=Address("https://npm.test", ""),
)


def test_an_operator_takes_kinds_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEATRIAL_PACKAGES", raising=False)
    assert Policy.from_environment().kinds == ("python", "debian", "npm")
    monkeypatch.setenv("SEATRIAL_PACKAGES", "python, npm")
    assert (
        Policy.from_environment().sentence()
        == "A build reaches PyPI and npm through a cache, and nothing else."
    )
    monkeypatch.setenv("SEATRIAL_PACKAGES", "none")
    assert Policy.from_environment().kinds == ()
    assert "no network" in Policy.from_environment().sentence()
    monkeypatch.setenv("SEATRIAL_PACKAGES", "cargo")
    with pytest.raises(ValueError, match="'cargo' is no kind"):
        Policy.from_environment()


@pytest.mark.parametrize(
    "url",
    ["", "file:///srv/x", "ftp://x/y", "https://user:word@x.test/simple", 'https://x.test/";}', "https://x.test/$uri",
     "https://x.test/a b", "mirror+file:/etc/apt/mirrors"],
)  # fmt: skip
def test_what_is_no_plain_address_never_reaches_the_configuration(url: str) -> None:
    assert Address.of(url) is None


def test_apt_files_of_both_kinds_are_read() -> None:
    texts = [
        (
            "# Types: deb\nTypes: deb\nURIs: http://m.test/debian http://n.test/debian\nSuites: "
            "bookworm\n"
        ),
        (
            "# deb http://old.test/debian x main\ndeb [arch=amd64 signed-by=/k] "
            "https://s.test/debian-security x main\n"
        ),
        "deb https://cloud.test/apt x main\n",
    ]
    assert debian_mirrors(texts) == (
        ("debian", Address("http://m.test", "/debian")),
        ("debian-security", Address("https://s.test", "/debian-security")),
    )
    assert debian_mirrors(["deb http://m.test/pub/debian trixie main"])[1] == (
        "debian-security",
        Address("http://m.test", "/pub/debian-security"),
    )
    assert debian_mirrors([""]) == ()


def test_pip_and_npm_tell_their_indexes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        host, "build_args", lambda: {"PIP_INDEX_URL": "https://index.test/a/simple/"}
    )
    found = sources.read_sources(["python"])
    assert found.python == (INDEX,)
    assert found.npm is None
    assert found.debian == ()
    monkeypatch.setattr(host, "build_args", dict)
    assert sources.read_sources(["python"]).python[0].origin.startswith("https://")
    monkeypatch.delenv("NPM_CONFIG_REGISTRY", raising=False)
    monkeypatch.setattr(sources.shutil, "which", lambda _name: "/usr/bin/npm")
    assert sources._npm(lambda _command: "https://npm.test/\n") == Address("https://npm.test", "")
    assert sources._npm(lambda _command: "undefined") is None
    monkeypatch.setenv("npm_config_registry", "https://own.test/npm/")
    assert sources._npm() == Address("https://own.test", "/npm")


def test_clients_are_sent_to_the_relay() -> None:
    names = environment.variables(FULL)
    assert names["PIP_INDEX_URL"] == names["UV_DEFAULT_INDEX"] == "http://127.0.0.1:3141/a/simple/"
    assert names["PIP_EXTRA_INDEX_URL"] == "http://127.0.0.1:3141/-/1/simple/"
    assert names["NPM_CONFIG_REGISTRY"] == "http://127.0.0.1:3143/"
    assert names["http_proxy"] == "http://127.0.0.1:3142"
    assert "127.0.0.1" in names["no_proxy"]
    assert "SSL_CERT_FILE" not in names
    assert environment.variables(FULL, own_certificates=True)["SSL_CERT_FILE"].startswith(
        "/etc/ssl"
    )
    assert environment.argument_line(FULL).startswith("ARG ")
    assert "\n" not in environment.argument_line(FULL)
    assert not any(
        "npm" in value or "index.test" in value
        for value in environment.variables(Sources()).values()
    )


def test_no_part_of_a_request_chooses_a_host() -> None:
    """Each proxy_pass begins with a constant origin of the configuration;

    TLS goes to names that are listed.
    """
    text = nginx.config(FULL, 10)
    origins = set(re.findall(r'set \$origin "([^"]+)";', text))
    assert origins == {
        "https://index.test",
        "https://more.test",
        "https://files.test",
        "http://mirror.test",
        "https://npm.test",
    }
    passed = re.findall(r"proxy_pass (\S+);", text)
    assert all(
        target.startswith("$origin$") or target.startswith("$origin/") for target in passed[:-1]
    )
    assert passed[-1] == "$indexes"
    listed = re.findall(r'^    "([^"]+)" "[^"]+:443";', text, re.MULTILINE)
    assert listed == ["index.test", "more.test", "files.test", "npm.test"]
    assert "$host" not in text
    assert "$http_host" not in text
    assert text.count("{") == text.count("}")


def test_a_kind_that_is_not_configured_has_no_server() -> None:
    text = nginx.config(Sources(npm=Address("http://npm.test:4873", "")), 1)
    assert "python.sock" not in text
    assert "debian.sock" not in text
    assert "stream" not in text.replace("upstream", "")


def test_links_of_an_index_come_back_to_the_proxy() -> None:
    text = nginx.config(FULL, 10)
    assert 'sub_filter "https://files.test/" "http://127.0.0.1:3141/-/2/";' in text
    assert nginx.python_index(FULL, INDEX) == "http://127.0.0.1:3141/a/simple/"


def test_no_address_of_an_index_stands_in_our_code() -> None:
    """They are read from pip, apt and npm while a build runs."""
    from pip._internal.models.index import PyPI

    found = subprocess.run(
        ["git", "grep", "-lF", "-e", PyPI.netloc, "-e", PyPI.file_storage_domain, "--", "grader", "docs"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.stdout == ""
