"""From bytes to instructions: characters, directives, comments, continuations and heredocs."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

from grader.dockerfile.plan import Fault

MAX_BYTES = 64 << 10
_KEYWORD = re.compile(r"([A-Za-z]+)(?:[ \t]+(.*))?", re.DOTALL)
_DIRECTIVE = re.compile(r"[A-Za-z]+")
BOM = b"\xef\xbb\xbf"
_CONTINUED = re.compile(r"(?:^|[^\\])\\[ \t]*$")
_HEREDOC = re.compile(r"(\d*)<<(-?)(\"[A-Za-z0-9_.-]+\"|'[A-Za-z0-9_.-]+'|[A-Za-z0-9_.-]+)")
_ALIKE = re.compile(r"\d*<<-?[^<]")
WITH_HEREDOCS = frozenset({"RUN", "COPY", "ADD"})


@dataclass(frozen=True, slots=True)
class Heredoc:
    """``name`` as written without quotes. ``body`` ends in a newline unless it is empty."""

    name: str
    quoted: bool
    body: str


@dataclass(frozen=True, slots=True)
class Instruction:
    """``rest`` holds no newline; ``heredocs`` are those that it names, in order."""

    line: int
    keyword: str
    rest: str
    heredocs: tuple[Heredoc, ...] = ()


@dataclass(slots=True)
class Lexed:
    instructions: list[Instruction] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    directives: list[tuple[int, str]] = field(default_factory=list)
    """(line, name) of those that choose nothing here."""


def lex(data: bytes) -> Lexed:
    """All instructions of a file, and what is wrong with its characters and lines.

    Linear in the size of the file.
    """
    out = Lexed()
    if len(data) > MAX_BYTES:
        what = f"it is larger than {MAX_BYTES >> 10} KiB"
        out.faults.append(Fault(0, what, "Move long scripts into files of the project."))
        return out
    # Editors on Windows write the mark at the very beginning; anywhere else it is a fault.
    lines = data.removeprefix(BOM).replace(b"\r\n", b"\n").decode("utf-8", "replace").split("\n")
    _directives(lines, out)
    at = 0
    while at < len(lines):
        at = _one(lines, at, out)
    return out


def _directives(lines: list[str], out: Lexed) -> None:
    """Directives stand at the top; further below the same words are a comment."""
    for number, line in enumerate(lines, 1):
        name, equals, value = line.strip(" \t").removeprefix("#").partition("=")
        name, value = name.strip(" \t").lower(), value.strip(" \t")
        if not line.lstrip(" \t").startswith("#") or not equals or not _DIRECTIVE.fullmatch(name):
            return
        if name == "escape" and value != "\\":
            out.faults.append(
                Fault(
                    number, "the escape directive is not allowed", "Remove it; use the backslash."
                )
            )
        elif name in ("syntax", "check"):
            out.directives.append((number, name))


def _one(lines: list[str], at: int, out: Lexed) -> int:
    """Read the instruction that begins at this line, if one does; return where the next may
    begin.
    """
    if not lines[at].strip(" \t") or lines[at].lstrip(" \t").startswith("#"):
        return at + 1
    started, open_end = at, True
    parts: list[str] = []
    while at < len(lines):
        line = lines[at]
        at += 1
        if parts and (not line.strip(" \t") or line.lstrip(" \t").startswith("#")):
            continue
        if not _fine(line, at, out):
            line = ""
        if _CONTINUED.search(line):
            parts.append(line.rstrip(" \t")[:-1])
            continue
        parts.append(line)
        open_end = False
        break
    text = "".join(parts).strip(" \t")
    if open_end:
        fault = Fault(
            started + 1, "it ends in the middle of a continuation", "Remove the last backslash."
        )
        out.faults.append(fault)
        return at
    return _finish(lines, at, started + 1, text, out)


def _finish(lines: list[str], at: int, number: int, text: str, out: Lexed) -> int:
    match = _KEYWORD.fullmatch(text)
    if match is None:
        if text:
            out.faults.append(
                Fault(number, f"{text[:40]!r} is not an instruction", "Write KEYWORD arguments.")
            )
        return at
    keyword, rest = match[1].upper(), (match[2] or "").strip(" \t")
    heredocs = []
    for match_of in _heredocs(rest, number, out) if keyword in WITH_HEREDOCS else []:
        at, heredoc = _body(lines, at, number, match_of, out)
        heredocs.append(heredoc)
    out.instructions.append(Instruction(number, keyword, rest, tuple(heredocs)))
    return at


def words(text: str) -> list[str]:
    """Words separated by white space outside of quotes, with their quotes and escapes.

    Raises ValueError.
    """
    found, word, quote, at = [], "", "", 0
    while at < len(text):
        char = text[at]
        if char == "\\" and quote != "'":
            word += text[at : at + 2]
            at += 2
            continue
        at += 1
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in " \t":
            if word:
                found.append(word)
            word = ""
            continue
        word += char
    if quote:
        raise ValueError("a quote is not closed")
    return [*found, word] if word else found


def _heredocs(rest: str, number: int, out: Lexed) -> list[re.Match[str]]:
    """What begins a heredoc. Whatever another parser could take for one is a fault."""
    if "<<" not in rest:
        return []
    try:
        found = words(rest)
    except ValueError:
        out.faults.append(
            Fault(number, "a quote is not closed", "Close it, or put the script into a file.")
        )
        return []
    if odd := [word for word in found if _ALIKE.match(word) and not _HEREDOC.fullmatch(word)]:
        advice = "Write <<NAME with a space behind it, and the name alone on the last line."
        out.faults.append(Fault(number, f"{odd[0][:40]!r} is no heredoc", advice))
    return [match for word in found if (match := _HEREDOC.fullmatch(word))]


def _body(
    lines: list[str], at: int, number: int, match: re.Match[str], out: Lexed
) -> tuple[int, Heredoc]:
    strip, raw = match[2] == "-", match[3]
    name = raw.strip("\"'")
    kept: list[str] = []
    while at < len(lines):
        line = lines[at].lstrip("\t") if strip else lines[at]
        at += 1
        if line == name:
            return at, Heredoc(name, raw != name, "".join(f"{text}\n" for text in kept))
        if _fine(line, at, out):
            kept.append(line)
    fault = Fault(
        number,
        f"the heredoc {name[:30]!r} has no end",
        f"End it with a line that holds {name[:30]} alone.",
    )
    out.faults.append(fault)
    return at, Heredoc(name, raw != name, "")


def _fine(line: str, number: int, out: Lexed) -> bool:
    """Whether all characters of an instruction are visible ones; a fault is noted for the first
    that is not.
    """
    if line.isascii() and line.replace("\t", "").isprintable():
        return True
    for char in line:
        if char not in "\t " and (not char.isprintable() or unicodedata.category(char)[0] in "ZC"):
            what = f"it holds the character U+{ord(char):04X}"
            out.faults.append(
                Fault(
                    number, what, "Retype the line; copied text often holds invisible characters."
                )
            )
            return False
        if char == "\ufffd":
            what = "it holds the character U+FFFD: the file is not UTF-8"
            out.faults.append(Fault(number, what, "Save the file as UTF-8."))
            return False
    return True
