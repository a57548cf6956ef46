"""A lab folder as data: its files, their digest, and how they are read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from grader.errors import SpecError
from grader.lab.models import LabSpec

IGNORED = frozenset(
    {
        "__pycache__", ".DS_Store", ".git", ".gitattributes", ".pytest_cache", ".ruff_cache", ".mypy_cache",
        ".idea", ".vscode", ".venv", "venv", "node_modules", "Thumbs.db", "desktop.ini",
    }
)  # fmt: skip
"""What editors, systems and tools leave in a folder: no part of a lab."""
RECORD = "proof.json"
"""Which proofs of the lab hold (grader/proving/records.py): about the lab, and no part of it."""
STRAY = ("._*", "*~", "*.pyc", "*.swp", "*.swo", "*.orig", "*.rej", "#*#", ".#*")
MAX_FILE = 4 << 20


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One regular file of a source tree."""

    data: bytes
    executable: bool = False


@dataclass(frozen=True, slots=True)
class LabContent:
    """A lab as it was published: its spec, every file of its folder, and the sha256 over them."""

    spec: LabSpec
    files: Mapping[PurePosixPath, SourceFile]
    digest: str

    def under(self, folder: str) -> dict[PurePosixPath, SourceFile]:
        """The files below ``folder``, with paths relative to it."""
        root = PurePosixPath(folder)
        return {
            p.relative_to(root): f
            for p, f in self.files.items()
            if p.is_relative_to(root) and p != root
        }

    def submissions(self) -> list[str]:
        """Names of the proving submissions: ``reference`` first, then ``wrong_*`` by name."""
        names = {p.parts[1] for p in self.files if len(p.parts) > 2 and p.parts[0] == "submissions"}
        return sorted(names, key=lambda name: (name != "reference", name))


def tree_digest(files: Mapping[PurePosixPath, SourceFile]) -> str:
    """sha256 hex over sorted paths, modes and contents, each length-prefixed so that no two trees
    collide.
    """
    total = hashlib.sha256()
    for path in sorted(files, key=str):
        file = files[path]
        name = str(path).encode()
        total.update(b"%d:%b%d%d:" % (len(name), name, file.executable, len(file.data)))
        total.update(file.data)
    return total.hexdigest()


def _unix(data: bytes) -> bytes:
    """Text with line feeds alone; what is no text stays as it is."""
    if b"\r\n" not in data or b"\0" in data:
        return data
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return data
    return data.replace(b"\r\n", b"\n")


def read_folder(root: Path) -> dict[PurePosixPath, SourceFile]:
    """Every regular file below ``root``, without caches and strays. Symbolic links are refused.

    Texts have the line ends of Unix, whatever the checkout made of them: a lab has one digest
    everywhere.
    """
    files: dict[PurePosixPath, SourceFile] = {}
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        if IGNORED & set(relative.parts) or any(
            fnmatchcase(part, stray) for part in relative.parts for stray in STRAY
        ):
            continue
        if relative.as_posix() == RECORD:
            continue
        if path.is_symlink():
            raise SpecError(
                f"{path}: symbolic links are not allowed in a lab folder", "Copy the file instead."
            )
        if path.is_file():
            if path.stat().st_size > MAX_FILE:
                raise SpecError(
                    f"{path}: larger than {MAX_FILE >> 20} MiB",
                    "Generate large data from the seed.",
                )
            executable = bool(path.stat().st_mode & 0o111)
            files[PurePosixPath(relative.as_posix())] = SourceFile(
                _unix(path.read_bytes()), executable
            )
    return files
