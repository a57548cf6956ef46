"""Sending questions to the learner's service and reading its answers with suspicion."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lab_checks.corpus import Question

from grader.lab_api import Context, Response, Target

TIMEOUT_S = 25.0
MAX_CITATIONS = 50
TOKEN = re.compile(r"[a-z0-9]+")


def tokens(text: str) -> tuple[str, ...]:
    """Lower-case words and numbers, without punctuation: the form in which answers are compared."""
    return tuple(TOKEN.findall(text.lower()))


def holds(text: str, span: str) -> bool:
    """Whether ``text`` has ``span`` as a run of whole words."""
    wanted = " ".join(tokens(span))
    return bool(wanted) and f" {wanted} " in f" {' '.join(tokens(text))} "


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of POST /ask. ``problem`` is empty only for a well-formed one."""

    question: Question
    response: Response
    answer: str = ""
    citations: tuple[str, ...] = ()
    abstained: bool = False
    problem: str = ""

    @property
    def answered(self) -> bool:
        return not self.problem and not self.abstained

    @property
    def right(self) -> bool:
        """The answer is the span that the clause in force holds."""
        return (
            self.answered
            and bool(self.question.answer)
            and tokens(self.answer) == tokens(self.question.answer)
        )


def read_reply(question: Question, response: Response) -> Reply:
    """Validate the body of an answer."""

    def bad(problem: str) -> Reply:
        return Reply(question, response, problem=problem)

    if response.error:
        return bad(f"no complete answer: {response.error}")
    if response.status != 200:
        return bad(f"answered {response.status}")
    body: Any = response.json()
    if not isinstance(body, dict) or not isinstance(body.get("abstained"), bool):
        return bad("the body is not {answer, citations, abstained}")
    answer, citations = body.get("answer"), body.get("citations")
    if answer is not None and not isinstance(answer, str):
        return bad("answer is neither text nor null")
    if not isinstance(citations, list) or not all(isinstance(c, str) for c in citations):
        return bad("citations is not a list of ids")
    if len(citations) > MAX_CITATIONS:
        return bad(f"more than {MAX_CITATIONS} citations")
    if body["abstained"] and (answer is not None or citations):
        return bad(
            "abstained, but with an answer or a citation: answer must be null and citations empty"
        )
    if body["abstained"] is False and not tokens(answer or ""):
        return bad("neither an answer nor abstained")
    return Reply(
        question,
        response,
        (answer or "")[:2000],
        tuple(dict.fromkeys(citations)),
        body["abstained"],
    )


async def ask(app: Target, question: Question) -> Reply:
    return read_reply(
        question, await app.request("POST", "/ask", json={"q": question.text}, timeout_s=TIMEOUT_S)
    )


async def ask_all(ctx: Context, questions: Sequence[Question], *, at_once: int = 2) -> list[Reply]:
    """Ask in order, at most ``at_once`` at a time; the answers come back in the order of the
    questions.
    """
    bound = asyncio.Semaphore(at_once)

    async def one(question: Question) -> Reply:
        async with bound:
            return await ask(ctx.app, question)

    return list(await asyncio.gather(*(one(question) for question in questions)))


async def search(app: Target, question: Question, k: int) -> tuple[list[str], Response]:
    """The ids that POST /search gave, without repetitions; empty when the answer is not {ids:

    [...]}.
    """
    response = await app.request(
        "POST", "/search", json={"q": question.text, "k": k}, timeout_s=TIMEOUT_S
    )
    body = response.json() if response.status == 200 and not response.error else None
    ids = body.get("ids") if isinstance(body, dict) else None
    if not isinstance(ids, list):
        return [], response
    return list(dict.fromkeys(i for i in ids if isinstance(i, str)))[:k], response
