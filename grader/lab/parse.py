"""YAML as models. Errors name file, line and field, so an author can jump to them."""

from __future__ import annotations

from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from grader.errors import SpecError

Model = TypeVar("Model", bound=BaseModel)


def _line_of(node: yaml.Node | None, location: tuple[int | str, ...]) -> int:
    """The 1-based line of the deepest part of ``location`` that exists in the YAML tree."""
    line = 1 if node is None else node.start_mark.line + 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif (
            isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value)
        ):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line


def line_of(text: str, location: tuple[int | str, ...]) -> int:
    """The 1-based line of a field in YAML text that parses."""
    return _line_of(yaml.compose(text, Loader=yaml.SafeLoader), location)


def parse(model: type[Model], text: str, name: str) -> Model:
    """YAML text as a model.

    Raises SpecError: ``name:line: field: what is wrong``, one line per problem.
    """
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        data: Any = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SpecError(
            f"{name}:{line}: not valid YAML: {error.problem}", "Mend the YAML at this line."
        ) from None
    except yaml.YAMLError as error:
        raise SpecError(f"{name}:1: not valid YAML: {error}", "Mend the YAML.") from None
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = [
            f"{name}:{_line_of(tree, e['loc'])}: {'.'.join(map(str, e['loc'])) or '(whole file)'}: "
            f"{e['msg']}"
            for e in error.errors()
        ]
        raise SpecError(
            "\n".join(lines), "Mend these fields; `seatrial lab new` shows a valid lab."
        ) from None
