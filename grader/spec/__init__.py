"""Labs as data: the models, and how a lab folder is read."""

from grader.spec.load import LabContent, SourceFile, load_expectation, load_lab, load_planned, load_skills, load_tracks
from grader.spec.models import (
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

__all__ = [
    "CheckUse",
    "Criterion",
    "Expectation",
    "LabContent",
    "LabSpec",
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
    "load_planned",
    "load_skills",
    "load_tracks",
]
