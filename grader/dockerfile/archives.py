"""What ADD would unpack: told by the beginning of the file, as the engine tells it."""

from __future__ import annotations

_PACKED = (b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")
"""gzip, bzip2, xz, zstd.

A packed file that is no tar is refused as well: nobody has to look inside.
"""


def is_archive(data: bytes) -> bool:
    return data.startswith(_PACKED) or data[257:262] == b"ustar"
