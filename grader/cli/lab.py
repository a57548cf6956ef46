"""``seatrial lab``: list the labs, prove one, make a new one, export the schema."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from grader.cheats import PREFIX, load_cheats
from grader.cli import skeleton
from grader.cli.session import Reporter, find_lab, new_seed, open_sandbox
from grader.errors import SpecError
from grader.prove import Proof, prove, prove_cheat
from grader.slots import machine_slot
from grader.spec import LabSpec, load_lab


def add_commands(commands: Any) -> None:
    """Register ``lab list|verify|new|schema``; ``lab sync`` belongs to the site and is handled by the script."""
    group = commands.add_parser("lab", help="list, prove and make labs").add_subparsers(dest="lab", required=True)
    listing = group.add_parser("list", help="the labs of this checkout")
    listing.add_argument("--json", action="store_true", help="as JSON on standard output")
    listing.set_defaults(run=_list)
    verify = group.add_parser(
        "verify", help="grade the reference, every wrong submission and every cheat on the real engine"
    )
    verify.add_argument("lab", nargs="?", help="id of the lab")
    verify.add_argument("--all", action="store_true", help="every lab")
    verify.add_argument("--seed", help="one seed for every submission (default: a new one for each)")
    verify.add_argument("--only", action="append", default=[], metavar="NAME", help="only this submission")
    verify.add_argument("--json", type=Path, metavar="FILE", help="write the proofs here")
    verify.set_defaults(run=_verify)
    new = group.add_parser("new", help="make a skeleton that `lab verify` accepts")
    new.add_argument("lab", help="id of the new lab, e.g. my-lab")
    new.set_defaults(run=_new)
    schema = group.add_parser("schema", help="JSON Schema of lab.yaml, for editors")
    schema.set_defaults(run=_schema)
    sync = group.add_parser("sync", help="publish changed labs to the site as new versions")
    sync.set_defaults(run=_sync)


def _list(arguments: argparse.Namespace, content: Path, _: Console) -> int:
    labs = sorted((load_lab(p.parent) for p in (content / "labs").glob("*/lab.yaml")), key=lambda c: c.spec.number)
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
                "criteria": [{"id": r.id, "weight": r.weight, "gate": r.gate} for r in c.spec.rubric.criteria],
                "submissions": c.submissions(),
            }
            for c in labs
        ]
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return 0
    table = Table("No", "Lab", "Title", "Level", "Version", "Digest", "Proofs")
    for c in labs:
        s = c.spec
        table.add_row(str(s.number), s.id, s.title, str(s.level), s.version, c.digest[:12], str(len(c.submissions())))
    Console().print(table)
    return 0


def _verify(arguments: argparse.Namespace, content: Path, console: Console) -> int:
    if bool(arguments.lab) == arguments.all:
        raise SpecError("Name one lab, or --all.", "For example: ./seatrial lab verify rag-service")
    names = [arguments.lab]
    if arguments.all:
        names = sorted(p.parent.name for p in (content / "labs").glob("*/lab.yaml"))
    labs = [find_lab(content, name) for name in names]
    cheats = {PREFIX + cheat.name: cheat for cheat in load_cheats(content)}
    sandbox = open_sandbox(console)
    proofs: list[Proof] = []
    for lab in labs:
        for name in ["starter", *lab.submissions(), *cheats]:
            if arguments.only and name not in arguments.only:
                continue
            console.print(f"{lab.spec.id} / {name}", style="bold")
            seed, report = arguments.seed or new_seed(), Reporter(console, build_log=False)
            with machine_slot(lambda line: console.print(line, style="bright_black")):
                if name in cheats:
                    proofs.append(prove_cheat(lab, cheats[name], sandbox, seed=seed, on_event=report))
                else:
                    proofs.append(prove(lab, name, sandbox, seed=seed, on_event=report))
            console.print(f"  {proofs[-1].summary()}", markup=False)
    Console().print(_table(proofs))
    if arguments.json:
        arguments.json.write_text(json.dumps([p.as_json() for p in proofs], indent=2) + "\n", "utf-8")
    return 0 if proofs and all(p.holds for p in proofs) else 1


def _table(proofs: list[Proof]) -> Table:
    table = Table("Lab", "Submission", "Expected", "Got", "Score", "Seconds", "Seed", "Holds")
    for p in proofs:
        table.add_row(
            p.lab,
            p.submission,
            p.expected,
            p.got,
            f"{p.result.score:g}",
            f"{p.result.seconds:.0f}",
            p.result.seed,
            "[green]yes[/]" if p.holds else f"[red]no[/]: {'; '.join(p.problems)}",
        )
    return table


def _new(arguments: argparse.Namespace, content: Path, console: Console) -> int:
    folder = skeleton.create(content / "labs", arguments.lab)
    load_lab(folder)
    console.print(f"Made {folder}. Next: ./seatrial lab verify {arguments.lab}", markup=False)
    return 0


def _schema(_: argparse.Namespace, __: Path, ___: Console) -> int:
    sys.stdout.write(json.dumps(LabSpec.model_json_schema(), indent=2) + "\n")
    return 0


def _sync(_: argparse.Namespace, __: Path, ___: Console) -> int:
    raise SpecError("`lab sync` writes to the site's database.", "Call it through the script: ./seatrial lab sync")
