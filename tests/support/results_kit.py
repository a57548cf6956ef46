"""Results of runs, made in one line."""

from __future__ import annotations

from grader.result import CheckResult, Outcome, RunResult, Verdict

P, F, U, S = Outcome.PASSED, Outcome.FAILED, Outcome.INCONCLUSIVE, Outcome.SKIPPED


def result(verdict: Verdict, *rows: tuple[str, Outcome, bool]) -> RunResult:
    criteria = [
        CheckResult(
            criterion=name,
            check="x",
            title=name,
            gate=gate,
            outcome=o,
            points=0,
            max_points=10,
            message="said",
        )
        for name, o, gate in rows
    ]
    return RunResult(
        lab="l",
        lab_version="v",
        grader_version="g",
        seed="s",
        verdict=verdict,
        score=0,
        criteria=criteria,
    )
