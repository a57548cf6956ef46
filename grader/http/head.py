"""The header section of every request that leaves the probe, so that no client can be told from
another by it.
"""

from __future__ import annotations

from collections.abc import Mapping

CONTENT_TYPE = "Content-Type"


def fields(
    host: str,
    method: str,
    body: bytes,
    always: Mapping[str, str],
    own: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Header fields in the order in which they are sent.

    ``always``: what the party gets with every request; ``own``: what this request adds. A content
    type stands before
    the content length, wherever it was named.
    """
    extra = {**always, **(own or {})}
    out = {
        "Host": host,
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "User-Agent": "Mozilla/5.0",
    }
    if CONTENT_TYPE in extra:
        out[CONTENT_TYPE] = extra[CONTENT_TYPE]
    if body or method in ("POST", "PUT", "PATCH"):
        out["Content-Length"] = str(len(body))
    out.update(extra)
    return out


def encode(method: str, path: str, named: Mapping[str, str]) -> bytes:
    """The header section on the wire, with the empty line."""
    lines = "".join(f"{k}: {v}\r\n" for k, v in named.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")


def head(
    host: str,
    method: str,
    path: str,
    body: bytes,
    always: Mapping[str, str],
    own: Mapping[str, str] | None = None,
) -> bytes:
    """The whole header section for these parts, see ``fields``."""
    return encode(method, path, fields(host, method, body, always, own))
