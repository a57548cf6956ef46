"""Labs as data: the models, and how a lab folder is read."""

from grader.lab.content import LabContent, SourceFile, read_folder, tree_digest
from grader.lab.load import Labs, load_lab, load_labs, load_planned, load_skills, load_tracks
from grader.lab.models import (
    CheckUse,
    Criterion,
    Expectation,
    LabSpec,
    Limits,
    Replicas,
    Rubric,
    Service,
    Sidecar,
    Skill,
    Track,
)
from grader.lab.parse import parse
from grader.lab.submissions import load_expectation, submission_files

__all__ = [
    "CheckUse",
    "Criterion",
    "Expectation",
    "LabContent",
    "LabSpec",
    "Labs",
    "Limits",
    "Replicas",
    "Rubric",
    "Service",
    "Sidecar",
    "Skill",
    "SourceFile",
    "Track",
    "load_expectation",
    "load_lab",
    "load_labs",
    "load_planned",
    "load_skills",
    "load_tracks",
    "parse",
    "read_folder",
    "submission_files",
    "tree_digest",
]
