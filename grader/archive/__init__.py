"""Uploads and folders into checked snapshots, and snapshots into bytes and back."""

from grader.archive.folder import read_folder_snapshot
from grader.archive.limits import ArchiveLimits
from grader.archive.read import read_archive
from grader.archive.store import dump, pack_zip, parse

__all__ = ["ArchiveLimits", "dump", "pack_zip", "parse", "read_archive", "read_folder_snapshot"]
