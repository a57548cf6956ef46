"""What a Python file does, without how it is laid out: two files that differ in line breaks and
comments mean the same.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cache
from pathlib import PurePosixPath

from grader.lab import SourceFile


def meanings(
    files: Mapping[PurePosixPath, SourceFile], docstrings: bool
) -> dict[PurePosixPath, SourceFile]:
    """The same files with each Python file replaced by its meaning.

    ``docstrings``: whether they count. Frameworks show those of a service; nothing reads those of a
    check.
    """
    return {
        path: SourceFile(meaning(file.data, docstrings), file.executable)
        if path.suffix == ".py"
        else file
        for path, file in files.items()
    }


@cache
def meaning(source: bytes, docstrings: bool = True) -> bytes:
    """The syntax tree as text; the bytes as they are when they can't be parsed.

    Written out by hand: ``ast.dump`` tells other things in each version of Python, and a key must
    not.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return source
    _docstrings(tree, docstrings)
    _WithoutLocalTypes().visit(tree)
    return _told(tree).encode()


def _docstrings(tree: ast.Module, keep: bool) -> None:
    """Leave them out, or keep their words, wherever their lines break."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if not keep:
            node.body = [part for part in node.body if not _only_text(part)]
        for part in filter(_only_text, node.body):
            text = part.value  # type: ignore[attr-defined]
            text.value = " ".join(text.value.split())


def _only_text(node: ast.stmt) -> bool:
    """A docstring, or the text below an attribute that explains it."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


class _WithoutLocalTypes(ast.NodeTransformer):
    """``x: int = 1`` in a function does what ``x = 1`` does: Python never looks at such a type."""

    def __init__(self) -> None:
        self._inside = False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._scope(node, True)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._scope(node, True)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._scope(node, False)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if self._inside and node.value is not None and isinstance(node.target, ast.Name):
            return ast.Assign([node.target], self.generic_visit(node.value))  # type: ignore[arg-type]
        return self.generic_visit(node)

    def _scope(self, node: ast.AST, inside: bool) -> ast.AST:
        before, self._inside = self._inside, inside
        node = self.generic_visit(node)
        self._inside = before
        return node


def _told(node: object) -> str:
    """Empty fields are left out: newer versions of Python add some."""
    if isinstance(node, list):
        return "[" + " ".join(map(_told, node)) + "]"
    if not isinstance(node, ast.AST):
        return f"{type(node).__name__}:{node!r}"
    fields = ((name, getattr(node, name, None)) for name in node._fields)
    told = (
        f" {name}={_told(value)}" for name, value in fields if value is not None and value != []
    )
    return f"({type(node).__name__}{''.join(told)})"
