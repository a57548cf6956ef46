"""What a lab.yaml names has to exist: checks and their parameters, functions, skills, numbers.

All faults at once.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from pydantic import ValidationError

from grader.errors import SpecError
from grader.lab.content import SourceFile
from grader.lab.models import CheckUse, LabSpec
from grader.lab.parse import line_of

ADVICE = "Mend these fields; docs/lab-author.md has the checks with their parameters."
Where = tuple[int | str, ...]


def refuse_unknown(spec: LabSpec, files: Mapping[PurePosixPath, SourceFile], name: str) -> None:
    """Raise SpecError with one line for each check, parameter or function that does not exist.

    ``name`` stands before the line numbers. Modules of the lab are parsed, never imported, on this
    side.
    """
    text = files[PurePosixPath("lab.yaml")].data.decode("utf-8", "replace")
    faults: list[str] = []
    for number, criterion in enumerate(spec.rubric.criteria):
        for place, use in enumerate(criterion.checks):
            where: Where = ("rubric", "criteria", number, "checks", place)
            for field, said in _faults(use, files):
                line = line_of(text, (*where, *field))
                faults.append(f"{name}:{line}: {'.'.join(field)}: criterion {criterion.id}: {said}")
    if faults:
        raise SpecError("\n".join(faults), ADVICE)


def refuse_unknown_skills(
    specs: Mapping[str, LabSpec], texts: Mapping[str, str], skills: Sequence[str]
) -> list[str]:
    """One line for each skill that content/skills.yaml does not have.

    Both maps go by the name of the lab.yaml.
    """
    faults = []
    for name, spec in specs.items():
        for place, skill in enumerate(spec.skills):
            if skill not in skills:
                line = line_of(texts[name], ("skills", place))
                faults.append(
                    f"{name}:{line}: skills: {skill!r} is not in skills.yaml, which has: "
                    f"{', '.join(skills)}"
                )
    return faults


def refuse_same_numbers(specs: Mapping[str, LabSpec], texts: Mapping[str, str]) -> list[str]:
    """One line for each lab whose number another lab had before it."""
    faults, taken = [], dict[int, str]()
    for name, spec in specs.items():
        first = taken.setdefault(spec.number, spec.id)
        if first != spec.id:
            line = line_of(texts[name], ("number",))
            free = max(s.number for s in specs.values()) + 1
            faults.append(
                f"{name}:{line}: number: {spec.number} belongs to {first} already; {free} is free"
            )
    return faults


def _faults(
    use: CheckUse, files: Mapping[PurePosixPath, SourceFile]
) -> Iterator[tuple[tuple[str, ...], str]]:
    if use.check.startswith("lab:"):
        module, _, cls = use.check[4:].partition(".")
        if said := _missing(files, module, cls, ast.ClassDef):
            yield ("check",), said
        else:
            yield from _faults_of_lab_check(
                use, files[PurePosixPath("checks", f"{module}.py")], cls
            )
    else:
        yield from _faults_of_library_check(use)
    for key, value in use.params.items():
        if key.endswith("_from") and isinstance(value, str):
            module, _, function = value.partition(".")
            if said := _missing(files, module, function, ast.FunctionDef):
                yield ("params", key), said


def _faults_of_library_check(use: CheckUse) -> Iterator[tuple[tuple[str, ...], str]]:
    from grader.checks import TABLE, find  # the checks know the spec, not the other way round

    try:
        found = find(use.check)
    except KeyError:
        yield (
            ("check",),
            f"there is no check {use.check!r}. The library has {', '.join(sorted(TABLE))}",
        )
        return
    try:
        found.params_model.model_validate(use.params)
    except ValidationError as error:
        for problem in error.errors():
            yield ("params", *map(str, problem["loc"])), problem["msg"]


def _faults_of_lab_check(
    use: CheckUse, source: SourceFile, cls: str
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Parameters that the check's own model does not have, or that it needs and nobody gives.

    What can't be read off the file (a model from another module) is left to the probe.
    """
    classes = {n.name: n for n in ast.parse(source.data).body if isinstance(n, ast.ClassDef)}
    model = classes.get(_named_model(classes[cls]))
    if model is None or [ast.unparse(base) for base in model.bases] != ["Params"]:
        return
    fields = {
        n.target.id: n.value is None
        for n in model.body
        if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)
    }
    for key in use.params:
        if key not in fields:
            known = ", ".join(fields) or "none"
            yield ("params", key), f"{use.check} has no parameter {key!r}; it has: {known}"
    for key, needed in fields.items():
        if needed and key not in use.params:
            yield ("check",), f"{use.check} needs the parameter {key!r}"


def _named_model(check: ast.ClassDef) -> str:
    """What ``params_model = Name`` of a check names; empty without one."""
    for node in check.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="params_model")], value=ast.Name(id=name)):
                return name
    return ""


def _missing(
    files: Mapping[PurePosixPath, SourceFile],
    module: str,
    name: str,
    kind: type[ast.ClassDef | ast.FunctionDef],
) -> str:
    """What is wrong with ``module.name`` of the folder checks/; empty when it is there."""
    source = files.get(PurePosixPath("checks", f"{module}.py"))
    if source is None:
        return f"checks/{module}.py is missing"
    try:
        body = ast.parse(source.data).body
    except (SyntaxError, ValueError) as error:
        return f"checks/{module}.py can't be parsed: {error}"
    if name in {node.name for node in body if isinstance(node, kind)}:
        return ""
    what = "class" if kind is ast.ClassDef else "function"
    return f"checks/{module}.py has no {what} {name!r}"
