"""The check of ``k``: a search brings at most so many ids, five when nothing is said."""

from __future__ import annotations

from lab_checks.dataset import dataset

from grader.lab_api import (
    Check,
    Context,
    Measurement,
    Params,
    Response,
    Tally,
)

UNIT = "searches"
DEFAULT = 5
ASKED = (None, 1, 3, 7, 50)
ADVICE = "Return at most k ids, each once; k is 5 when the body has none, and 50 at most."


class Depth(Check):
    """Searches of several depths over the run's clauses, so that there is more to find than is
    asked for.
    """

    id = "depth"
    params_model = Params

    async def run(self, ctx: Context) -> Measurement:
        data = await dataset(ctx)
        tally = Tally(UNIT)
        for k, question in zip(ASKED, data.plain, strict=False):
            body = {"q": question.text, **({} if k is None else {"k": k})}
            response = await ctx.app.request("POST", "/search", json=body, timeout_s=25)
            problem = wrong(response, k or DEFAULT)
            asked = "no k" if k is None else f"k = {k}"
            tally.add(f"A search with {asked} {problem}." if problem else "", response)
        return tally.verdict("Searches bring as many ids as were asked for.", ADVICE)


def wrong(response: Response, k: int) -> str:
    """What is wrong with the answer to a search for ``k`` ids; empty when nothing is."""
    if response.error or response.status != 200:
        return response.error or f"answered {response.status}"
    body = response.json()
    ids = body.get("ids") if isinstance(body, dict) else None
    if not isinstance(ids, list) or not all(isinstance(i, str) for i in ids):
        return "did not answer with a list of ids"
    if len(ids) > k:
        return f"brought {len(ids)} ids, where {k} are allowed"
    if len(set(ids)) < len(ids):
        return "brought an id twice"
    return "" if ids else "brought nothing"
