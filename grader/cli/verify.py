"""``seatrial lab verify``: proves one lab, or all of them, with as many runs at once as the machine
has slots.
"""

from __future__ import annotations

import argparse
import io
import json
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from grader.cli.session import Reporter, find_lab, new_seed, open_sandbox
from grader.engines.base import Sandbox
from grader.errors import SpecError
from grader.lab import LabContent
from grader.proving import records
from grader.proving.cheats import PREFIX, Cheat, load_cheats
from grader.proving.prove import Proof, prove, prove_cheat
from grader.slots import machine_slot, slot_count

WIDTH = 160


def add_command(group: Any) -> None:
    verify = group.add_parser(
        "verify",
        help="grade the reference, every wrong submission and every cheat on the real engine",
    )
    verify.add_argument("lab", nargs="?", help="id of the lab")
    verify.add_argument("--all", action="store_true", help="every lab")
    verify.add_argument(
        "--seed", help="one seed for every submission (default: a new one for each)"
    )
    verify.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="only this submission"
    )
    verify.add_argument(
        "--json", type=Path, metavar="FILE", help="write the proofs here, after each of them"
    )
    verify.set_defaults(run=run)


def run(arguments: argparse.Namespace, content: Path, console: Console) -> int:
    """Exit code 0 when every proof holds."""
    tasks = list(_tasks(arguments, content))
    proving = Proving(open_sandbox(console), arguments.seed, console)
    proofs: dict[int, Proof] = {}
    cheats = load_cheats(content)
    with closing(
        proving.all(tasks)
    ) as found:  # an interrupt has to reach it before anybody says that all is gone
        for number, proof in found:
            proofs[number] = proof
            task = tasks[number]
            records.keep(content / "labs" / task.lab.spec.id, task.lab, proof, cheats)
            if arguments.json:
                rows = [proofs[n].as_json() for n in sorted(proofs)]
                arguments.json.write_text(json.dumps(rows, indent=2) + "\n", "utf-8")
    in_order = [proofs[n] for n in sorted(proofs)]
    Console().print(_table(in_order))
    for lab in {task.lab.spec.id: task.lab for task in tasks}.values():
        _tell_standing(content, lab, cheats)
    return 0 if in_order and all(p.holds for p in in_order) else 1


def _tell_standing(content: Path, lab: LabContent, cheats: list[Cheat]) -> None:
    """How far the lab is proven, and what nobody has tried to break."""
    found = records.standing(content / "labs" / lab.spec.id, lab, cheats)
    left = "" if found.whole else f" (left: {', '.join([*found.changed, *found.missing])})"
    print(f"{lab.spec.id}: {found.words}{left}")
    if bare := records.unbroken(lab):
        print(f"{lab.spec.id}: no wrong submission breaks {', '.join(bare)}")


@dataclass(frozen=True, slots=True)
class Task:
    """One submission of one lab to prove; with ``cheat``, what is laid over one."""

    lab: LabContent
    name: str
    cheat: Cheat | None = None

    def __str__(self) -> str:
        return f"{self.lab.spec.id} / {self.name}"


def _tasks(arguments: argparse.Namespace, content: Path) -> Iterator[Task]:
    if bool(arguments.lab) == arguments.all:
        raise SpecError("Name one lab, or --all.", "For example: ./seatrial lab verify rag-service")
    names = [arguments.lab]
    if arguments.all:
        names = sorted(p.parent.name for p in (content / "labs").glob("*/lab.yaml"))
    cheats = {PREFIX + cheat.name: cheat for cheat in load_cheats(content)}
    for lab in [find_lab(content, name) for name in names]:
        for name in ["starter", *lab.submissions(), *cheats]:
            if not arguments.only or name in arguments.only:
                yield Task(lab, name, cheats.get(name))


class Proving:
    """Proves tasks on one engine.

    Whatever ends it (Ctrl-C too) ends the runs that go on and takes them down.
    """

    def __init__(self, sandbox: Sandbox, seed: str | None, console: Console) -> None:
        self._sandbox, self._seed, self._console = sandbox, seed, console
        self._stop = threading.Event()

    def all(self, tasks: list[Task]) -> Generator[tuple[int, Proof], None, None]:
        """(place of the task, its proof), each as soon as it is there."""
        with ThreadPoolExecutor(max_workers=slot_count()) as pool:
            work: dict[Future[Proof], int] = {
                pool.submit(self._one, task): n for n, task in enumerate(tasks)
            }
            try:
                for future in as_completed(work):
                    yield work[future], future.result()
            except BaseException:
                self._stop.set()
                pool.shutdown(cancel_futures=True)
                raise

    def _one(self, task: Task) -> Proof:
        """Alone it prints as it goes; beside others, once it is done, so that lines of two runs
        never mix.
        """
        console = self._console
        if slot_count() > 1:
            console.print(f"{task} …", style="bright_black")
            console = Console(file=io.StringIO(), width=WIDTH, highlight=False)
        console.print(str(task), style="bold")
        with machine_slot(
            lambda line: console.print(line, style="bright_black"), self._stop.is_set
        ):
            proof = self._proof(task, Reporter(console, build_log=False))
        console.print(f"  {proof.summary()}", markup=False)
        if isinstance(console.file, io.StringIO):
            self._console.print(console.file.getvalue(), end="", markup=False, soft_wrap=True)
        return proof

    def _proof(self, task: Task, report: Callable[[Any], None]) -> Proof:
        more: dict[str, Any] = {
            "new_seed": lambda: self._seed or new_seed(),
            "on_event": report,
            "cancelled": self._stop.is_set,
        }
        if task.cheat is not None:
            return prove_cheat(task.lab, task.cheat, self._sandbox, **more)
        return prove(task.lab, task.name, self._sandbox, **more)


def _table(proofs: list[Proof]) -> Table:
    hold, again = sum(p.holds for p in proofs), sum(p.first is not None for p in proofs)
    undecided = sum(p.undecided for p in proofs)
    caption = (
        f"{hold} of {len(proofs)} hold; {undecided} inconclusive; {again} graded again after an "
        "inconclusive run"
    )
    columns = ("Lab", "Submission", "Expected", "Got", "Score", "Seconds", "Seed", "Holds")
    table = Table(*columns, caption=caption, caption_justify="left")
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
