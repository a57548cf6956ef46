"""Both copies are replaced while users wait for answers of a good length."""

from __future__ import annotations

from lab_checks.world import Providers, chat_request, conversations, open_key

from grader.lab_api import Context, Request, RollingReplacement

BODIES, TOKENS = 400, 90


class Rolling(RollingReplacement):
    """Answers that take half a second, so that some are always under way in each copy."""

    id = "rolling"

    async def requests(self, ctx: Context) -> list[Request]:
        await Providers(ctx).reset()
        key = await open_key(ctx, "rolling")
        return [
            chat_request(ctx, key, body) for body in conversations(ctx, "rolling", BODIES, TOKENS)
        ]
