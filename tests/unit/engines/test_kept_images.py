"""Which held images a sweep leaves alone."""

from __future__ import annotations

from typing import Any

from grader.engines.docker.sweep import MOST_HELD, kept_images
from grader.engines.labels import LABEL_HELD


def image(number: int, *, tag: str = "seatrial/held:a", label: str = LABEL_HELD) -> dict[str, Any]:
    return {
        "Id": f"sha256:{number}",
        "Created": 1000 + number,
        "RepoTags": [tag],
        "Labels": {label: "key"},
    }


def test_the_newest_are_kept_and_only_finished_ones_of_ours() -> None:
    many = [image(number) for number in range(MOST_HELD + 3)]
    kept = kept_images(
        [
            *many,
            image(900, tag="<none>:<none>"),
            image(901, label="other"),
            {"Id": "x", "Labels": None},
        ]
    )
    assert kept == {f"sha256:{number}" for number in range(3, MOST_HELD + 3)}
