"""Variables of FROM: expanded by us from ARG defaults, so that the daemon sees none there."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping

from grader.dockerfile.plan import Refusal

MAX_VALUE = 2000
NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_REFERENCE = re.compile(rf"\$(?:({NAME})|\{{({NAME})(?:(:?[-+])([^{{}}$]*))?\}})")
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64", "armv7l": "arm"}


def host_platform() -> str:
    """The platform of this machine as Docker names it, such as ``linux/amd64``."""
    machine = platform.machine()
    return f"linux/{_ARCHITECTURES.get(machine, machine)}"


def automatic() -> dict[str, str]:
    """The ARGs that BuildKit fills in by itself."""
    os_name, _, arch = host_platform().partition("/")
    found: dict[str, str] = {}
    for side in ("BUILD", "TARGET"):
        found |= {f"{side}PLATFORM": f"{os_name}/{arch}", f"{side}OS": os_name, f"{side}ARCH": arch}
        found[f"{side}VARIANT"] = ""
    return found


def expand(text: str, values: Mapping[str, str]) -> str:
    """``text`` with ``$NAME``, ``${NAME}``, ``${NAME:-word}`` and ``${NAME:+word}`` replaced.

    Raises Refusal.
    """

    def one(match: re.Match[str]) -> str:
        name, operator, word = match[1] or match[2], match[3] or "", match[4] or ""
        value = values.get(name, "")
        known = bool(value) if operator.startswith(":") else name in values
        if operator.endswith("-"):
            return value if known else word
        if operator.endswith("+"):
            return word if known else ""
        if name not in values:
            advice = (
                f"Give it one before FROM: ARG {name}=value. Nothing is handed to a build from "
                "outside."
            )
            raise Refusal(f"${name} has no value here", advice)
        return value

    out = ""
    at = 0
    for match in _REFERENCE.finditer(text):
        out += text[at : match.start()] + one(match)
        at = match.end()
        if len(out) > MAX_VALUE:
            break
    out += text[at:]
    if len(out) > MAX_VALUE:  # variables of variables would grow without end
        raise Refusal(f"{text[:60]!r} becomes too long", "Write it out.")
    if "$" in out or "\\" in out:
        raise Refusal(f"{text[:60]!r} can't be expanded", "Write ${NAME} or ${NAME:-default}.")
    return out
