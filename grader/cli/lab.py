"""``seatrial lab``: list the labs, prove one, make a new one, export the schema."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from grader.cli import skeleton, verify
from grader.errors import SpecError
from grader.lab import LabContent, Labs, LabSpec, load_lab, load_labs
from grader.proving import records
from grader.proving.cheats import load_cheats


def add_commands(commands: Any) -> None:
    """Register ``lab list|verify|new|schema``;

    ``lab sync`` belongs to the site and is handled by the script.
    """
    group = commands.add_parser("lab", help="list, prove and make labs").add_subparsers(
        dest="lab", required=True
    )
    listing = group.add_parser("list", help="the labs of this checkout")
    listing.add_argument("--json", action="store_true", help="as JSON on standard output")
    listing.set_defaults(run=_list)
    verify.add_command(group)
    new = group.add_parser("new", help="make a skeleton that `lab verify` accepts")
    new.add_argument("lab", help="id of the new lab, e.g. my-lab")
    new.set_defaults(run=_new)
    schema = group.add_parser("schema", help="JSON Schema of lab.yaml, for editors")
    schema.set_defaults(run=_schema)
    sync = group.add_parser("sync", help="publish changed labs to the site as new versions")
    sync.set_defaults(run=_sync)


def _list(arguments: argparse.Namespace, content: Path, _: Console) -> int:
    found = load_labs(content)
    labs = found.good
    if arguments.json:
        rows = [
            {
                "id": c.spec.id,
                "number": c.spec.number,
                "title": c.spec.title,
                "version": c.spec.version,
                "digest": c.digest,
                "level": c.spec.level,
                "skills": c.spec.skills,
                "criteria": [
                    {"id": r.id, "weight": r.weight, "gate": r.gate} for r in c.spec.rubric.criteria
                ],
                "submissions": c.submissions(),
                "state": _standing(content, c).words,
                "unbroken": records.unbroken(c),
            }
            for c in labs
        ]
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return _tell_broken(found)
    table = Table("No", "Lab", "Title", "Level", "Version", "Digest", "Proofs", "State")
    for c in labs:
        s = c.spec
        table.add_row(
            str(s.number),
            s.id,
            s.title,
            str(s.level),
            s.version,
            c.digest[:12],
            str(len(c.submissions())),
            _standing(content, c).words,
        )
    Console().print(table)
    return _tell_broken(found)


def _standing(content: Path, lab: LabContent) -> records.Standing:
    return records.standing(content / "labs" / lab.spec.id, lab, load_cheats(content))


def _tell_broken(found: Labs) -> int:
    """Name what is wrong, to standard error. Returns the exit code: 1 when a lab is broken."""
    for name, faults in found.broken.items():
        sys.stderr.write(f"{name} is broken and can't be published:\n{faults}\n")
    return 1 if found.broken else 0


def _new(arguments: argparse.Namespace, content: Path, console: Console) -> int:
    folder = skeleton.create(content / "labs", arguments.lab)
    load_lab(folder)
    console.print(f"Made {folder}. Next: ./seatrial lab verify {arguments.lab}", markup=False)
    return 0


def _schema(_: argparse.Namespace, __: Path, ___: Console) -> int:
    sys.stdout.write(json.dumps(LabSpec.model_json_schema(), indent=2) + "\n")
    return 0


def _sync(_: argparse.Namespace, __: Path, ___: Console) -> int:
    raise SpecError(
        "`lab sync` writes to the site's database.",
        "Call it through the script: ./seatrial lab sync",
    )
