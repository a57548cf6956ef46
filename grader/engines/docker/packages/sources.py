"""Where packages come from: the host's own configuration of pip, apt and npm.

No address stands in our code.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from grader.images import host

APT_FILES = ("sources.list", "sources.list.d/*.list", "sources.list.d/*.sources")
DEBIAN_PATHS = ("debian", "debian-security", "ubuntu")
"""Last part of a mirror's path: what an image asks for, whatever host it names."""
_URIS = re.compile(
    r"^\s*URIs:\s*(.+)$|^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)", re.MULTILINE | re.IGNORECASE
)
_WEB = ("http", "https")


@dataclass(frozen=True, slots=True)
class Address:
    """``origin``: scheme and host, such as ``https://index.example``.

    ``path`` begins with ``/`` and ends with none.
    """

    origin: str
    path: str

    @classmethod
    def of(cls, url: str) -> Address | None:
        """None for what is no plain address of the web.

        User names and passwords are refused: logs would show them.
        """
        parts = urlsplit(url.strip())
        if (
            parts.scheme not in _WEB
            or not parts.hostname
            or parts.username
            or re.search(r"[\s\"';{}$\\]", url)
        ):
            return None
        return cls(f"{parts.scheme}://{parts.netloc.lower()}", parts.path.rstrip("/"))

    @property
    def host(self) -> str:
        return urlsplit(self.origin).netloc


@dataclass(frozen=True, slots=True)
class Sources:
    """``python``: indexes, the main one first.

    ``debian``: last part of the path to the mirror. ``npm``: registry.

    ``files``: origins that serve what the Python indexes list.
    """

    python: tuple[Address, ...] = ()
    files: tuple[str, ...] = ()
    debian: tuple[tuple[str, Address], ...] = ()
    npm: Address | None = None

    @property
    def secure_hosts(self) -> tuple[str, ...]:
        """Hosts that a lock file may name by address: connections to them are passed through as
        they are.
        """
        origins = [*(address.origin for address in self.python), *self.files]
        origins += [self.npm.origin] if self.npm else []
        hosts = [
            origin.removeprefix("https://") for origin in origins if origin.startswith("https://")
        ]
        return tuple(dict.fromkeys(host for host in hosts if ":" not in host))


def read_sources(kinds: Iterable[str]) -> Sources:
    """What the host's configuration says, for these kinds. What it does not say is left out."""
    wanted = set(kinds)
    indexes, files = _python() if "python" in wanted else ((), ())
    return Sources(
        python=indexes,
        files=files,
        debian=debian_mirrors(_apt_texts()) if "debian" in wanted else (),
        npm=_npm() if "npm" in wanted else None,
    )


def _python() -> tuple[tuple[Address, ...], tuple[str, ...]]:
    """pip's own defaults hold where nothing else is configured: pip carries its address."""
    from pip._internal.models.index import PyPI

    given = host.build_args()
    main = Address.of(given.get("PIP_INDEX_URL", "").split(" ")[0]) or Address.of(PyPI.simple_url)
    more = [Address.of(url) for url in given.get("PIP_EXTRA_INDEX_URL", "").split()]
    indexes = tuple(address for address in (main, *more) if address)
    files = [
        f"https://{PyPI.file_storage_domain}",
        *os.environ.get("SEATRIAL_PYPI_FILES", "").split(),
    ]
    return indexes, tuple(
        dict.fromkeys(address.origin for url in files if (address := Address.of(url)))
    )


def _apt_texts() -> list[str]:
    given = os.environ.get("SEATRIAL_DEBIAN_URL", "").strip()
    if given:
        return [f"deb {given} stable main"]
    folder = Path("/etc/apt")
    return [
        path.read_text(errors="replace") for name in APT_FILES for path in sorted(folder.glob(name))
    ]


def debian_mirrors(texts: Iterable[str]) -> tuple[tuple[str, Address], ...]:
    """Mirrors named in apt's files.

    A security archive that is not named is looked for beside the main one.
    """
    found: dict[str, Address] = {}
    for text in texts:
        for match in _URIS.finditer(_without_comments(text)):
            for url in (match[1] or match[2]).split():
                address = Address.of(url)
                last = address.path.rpartition("/")[2] if address else ""
                if address and last in DEBIAN_PATHS:
                    found.setdefault(last, address)
    if "debian" in found and "debian-security" not in found:
        main = found["debian"]
        found["debian-security"] = Address(
            main.origin, f"{main.path.removesuffix('/debian')}/debian-security"
        )
    return tuple(found.items())


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))


def _npm(run: Callable[[list[str]], str] | None = None) -> Address | None:
    """npm knows its registry: from its own files, or its built-in default."""
    given = next(
        (value for name, value in os.environ.items() if name.upper() == "NPM_CONFIG_REGISTRY"), ""
    )
    if given:
        return Address.of(given)
    if not shutil.which("npm"):
        return None
    return Address.of((run or _output)(["npm", "config", "get", "registry"]).strip().strip('"'))


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=30, check=False, cwd="/"
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
