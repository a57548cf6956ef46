"""Words in headers. Names of codings and media types are the same in any case (RFC 9110)."""

from __future__ import annotations


def is_chunked(transfer_encoding: str) -> bool:
    """Whether the last coding is ``chunked``, so that the body says itself where it ends."""
    return transfer_encoding.rpartition(",")[2].strip().lower() == "chunked"


def media_type(content_type: str) -> str:
    """``text/html`` of ``Text/HTML; charset=utf-8``."""
    return content_type.partition(";")[0].strip().lower()
