"""The model gets to both services, and what the engine says about the memory that it takes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from lab_checks import model as models
from lab_checks.asking import DECIDE_AT, Rows, World, r, score, world

from grader.lab_api import (
    Check,
    Context,
    Measured,
    Measurement,
    Outcome,
    Params,
    PartyFailed,
    Response,
    Rule,
    Target,
    Unmeasurable,
    counted,
    every,
    failed,
    passed,
)

OCTETS = {"Content-Type": "application/octet-stream"}
PUT_S = 60.0
SPARE = 32 << 20
"""A service without a model may be so much larger than the baseline without one."""
WARM, AT_ONCE = 96, 32


@dataclass
class Sizes:
    """Bytes in use by the engine: of both services without a model, of the learner's with it."""

    before: int
    r_before: int
    after: int

    @property
    def grown(self) -> int:
        """Ballast that is let go when the model comes would hide it: what the baseline doesn't need
        either counts as weights.
        """
        return max(0, self.after - min(self.before, self.r_before + SPARE))


async def in_use(ctx: Context, party: str) -> int:
    return int((await ctx.control("usage", party))["memory_bytes"])


async def put(target: Target, file: bytes) -> Response:
    return await target.request("PUT", "/model", body=file, headers=OCTETS, timeout_s=PUT_S)


class Installed(Check):
    """Without a model /score is 503; what is no model is refused; a small model comes, and then the
    run's in its place, which both services get, and keep.
    """

    id = "installed"

    async def run(self, ctx: Context) -> Measurement:
        return await installed(ctx)

    @staticmethod
    async def install(ctx: Context) -> Measurement:
        made, g = await world(ctx), models.generator(ctx.rng("install"))
        rule, steps = every("steps"), 5
        _, _, response = await score(ctx.app, made.quiet[0])
        if response.status != 503:
            said = response.error or f"answered {response.status}, expected 503"
            advice = "Until a model has come, answer 503 on /score; the service itself is ready."
            return failed(
                f"POST /score without a model {said}.",
                counted(0, steps, "steps"),
                rule,
                advice,
                response,
            )
        if wrong := await _refused(ctx, g.bytes(4096), counted(1, steps, "steps")):
            return wrong
        assert ctx.spec.baseline is not None
        sizes = Sizes(
            await in_use(ctx, ctx.spec.service.name), await in_use(ctx, ctx.spec.baseline.name), 0
        )
        for number, file in enumerate((models.trial(ctx.rng("trial")), made.file), start=2):
            stored = await put(ctx.app, file)
            if not stored.ok:
                said = stored.error or f"answered {stored.status}, expected 200"
                return failed(
                    f"PUT /model {said}.",
                    counted(number, steps, "steps"),
                    rule,
                    TAKE_ADVICE,
                    stored,
                )
            if wrong := await _answers_with(
                ctx, made, fraud=number == 2, measured=counted(number, steps, "steps")
            ):
                return wrong
        theirs = await put(r(ctx), made.file)
        if not theirs.ok:
            raise PartyFailed(
                f"the baseline did not take the model: {theirs.error or theirs.status}"
            )
        made.file = b""
        await _warm(ctx, r(ctx))
        await _warm(ctx, ctx.app)
        sizes.after = await in_use(ctx, ctx.spec.service.name)
        ctx.shared["sizes"] = sizes
        if wrong := await _refused(ctx, g.bytes(4096), counted(4, steps, "steps")):
            return wrong
        found, said, response = await score(ctx.app, made.quiet[0])
        if found is None:
            message = (
                f"After a file that is no model was refused, POST /score {said}: the model before "
                "it is lost."
            )
            return failed(message, counted(4, steps, "steps"), rule, LOAD_ADVICE, response)
        return passed("The model was taken.", counted(steps, steps, "steps"), rule)


TAKE_ADVICE = (
    "Take up to 256 MB as a stream, and answer 200 once /score works with it; a model that comes "
    "later takes the place "
    "of the one before."
)
LOAD_ADVICE = (
    "Load the file before you answer; 4xx when that fails, and keep the model that was there."
)


async def _answers_with(
    ctx: Context, made: World, *, fraud: bool, measured: Measured
) -> Measurement | None:
    """Why the next row is not scored with the model that has just come; None when it is. The first
    calls everything a fraud, the second is all but certain that this row is none.
    """
    found, said, response = await score(ctx.app, made.quiet[int(made.quiet_logits.argmin())])
    if found is not None and (found >= DECIDE_AT) is fraud:
        return None
    said = (
        said
        or f"gives a row {found:.3f} that the new model scores {'above 0.99' if fraud else 'near 0'}"
    )
    return failed(
        f"After PUT /model answered 200, POST /score {said}.",
        measured,
        every("steps"),
        TAKE_ADVICE,
        response,
    )


async def _refused(ctx: Context, file: bytes, measured: Measured) -> Measurement | None:
    """Why bytes that are no model were not refused as such; None when they were."""
    refused = await put(ctx.app, file)
    if not refused.error and 400 <= (refused.status or 0) < 500:
        return None
    said = refused.error or f"answered {refused.status}, expected 4xx"
    message = f"PUT /model with bytes that are no ONNX file {said}."
    return failed(message, measured, every("steps"), LOAD_ADVICE, refused)


async def installed(ctx: Context) -> Measurement:
    """Both services get the model once: a learner may grade one criterion alone.

    Raises Unmeasurable when the service has no model then.
    """
    return await ctx.once("installed", lambda: _with_model(ctx))


async def _with_model(ctx: Context) -> Measurement:
    found = await Installed.install(ctx)
    if found.outcome is Outcome.FAILED:
        raise Unmeasurable(found)
    return found


async def _warm(ctx: Context, target: Target) -> None:
    rows = Rows(await world(ctx), ctx.rng(f"warm {target.name}"))
    gate = asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with gate:
            request = rows.request()
            await target.request(
                "POST", request.path, body=request.body, headers=request.headers, timeout_s=20
            )

    await asyncio.gather(*(one() for _ in range(WARM)))


class MemoryParams(Params):
    threshold: float


class Memory(Check):
    """Growth of the memory in use, from before the model to after scoring with it, as a share of
    the model's file.

    Nothing was embedded between the two: what padding needs is another matter.
    """

    id = "memory"
    params_model = MemoryParams
    params: MemoryParams

    async def run(self, ctx: Context) -> Measurement:
        await installed(ctx)
        sizes: Sizes = ctx.shared["sizes"]
        size = (await world(ctx)).size
        limit, ratio = self.params.threshold, sizes.grown / size
        ctx.note(
            f"in use: {sizes.before >> 20} MB, the baseline {sizes.r_before >> 20} MB; with the model "
            f"{sizes.after >> 20} MB"
        )
        text = f"{ratio:.2f} × the file ({sizes.grown / 1e6:.0f} of {size / 1e6:.0f} MB)"
        measured = Measured(value=round(ratio, 3), unit="ratio", text=text)
        rule = Rule(
            op="at_most", threshold=limit, unit="ratio", text=f"at most {limit:g} × the file"
        )
        message = (
            f"The model's file has {size / 1e6:.0f} MB; with it, the service grew by "
            f"{sizes.grown / 1e6:.0f} MB."
        )
        if sizes.before > sizes.r_before + SPARE:
            message += (
                f" Without it, it was already {(sizes.before - sizes.r_before) / 1e6:.0f} MB "
                "larger than the baseline."
            )
        if ratio <= limit:
            return passed(message, measured, rule)
        return failed(message, measured, rule, ADVICE)


ADVICE = (
    "Keep the weights in eight bits and nothing else: neither the uploaded bytes, nor a file in "
    "/tmp (it is memory), "
    "nor what the conversion left behind. A conversion in a process of its own leaves nothing; "
    "malloc_trim gives freed memory back."
)
