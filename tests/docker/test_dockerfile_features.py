"""What a Dockerfile may say, on the real engine: each thing that is translated does what it says
there.
"""

from __future__ import annotations

import uuid
from pathlib import PurePosixPath
from typing import Any

import podkit
import pytest

from grader.dockerfile import Plan
from grader.engines.base import BuildRequest, ImageRef
from grader.engines.docker.build import contained
from grader.errors import BuildFailed, DockerfileRefused
from grader.job import Snapshot
from grader.lab import SourceFile

pytestmark = pytest.mark.docker
BASE = podkit.BASE


class Built:
    """One build: its lines, and a look into the image by a last step that prints."""

    def __init__(
        self, dockerfile: str, files: dict[str, str] | None = None, *, keep: bool = False
    ) -> None:
        texts = {"Dockerfile": dockerfile.replace("ONCE", uuid.uuid4().hex), **(files or {})}
        sources = {PurePosixPath(name): SourceFile(text.encode()) for name, text in texts.items()}
        self.labels = podkit.labels()
        self.lines: list[str] = []
        request = BuildRequest(
            Snapshot(sources, "d"), {BASE: podkit.image().id}, self.labels, timeout_s=60
        )
        self.image: ImageRef = podkit.sandbox().build(request, self.lines.append, lambda: False)
        try:
            self.config: dict[str, Any] = podkit.client().api.inspect_image(self.image.id)["Config"]
        finally:
            if not keep:
                podkit.sandbox().remove_image(self.image)

    def said(self, word: str) -> list[str]:
        return [line.removeprefix(word).strip() for line in self.lines if line.startswith(word)]


EVERYDAY = f"""# syntax=docker/dockerfile:1
# check=skip=all
ARG NAME=base
ARG TAG="1"
FROM --platform=$BUILDPLATFORM seatrial/${{NAME}}:${{TAG:-9}} AS Build
ENV A=ONCE
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /out
# Größe: comments may hold anything
RUN --mount=type=cache,target=/root/.cache \\
    --mount=type=bind,source=requirements.txt,target=/tmp/r.txt \\

    # a comment within

    cp /tmp/r.txt ./r.txt && set -o | grep pipefail > opts
RUN <<EOF
echo "one $0" > one
echo two > two
EOF
RUN <<'END' cat > three
three $HOME \\
END
RUN <<SCRIPT
#!/usr/bin/env python3
open("four", "w").write("FROM four\\n")
SCRIPT
COPY --chmod=0555 --chown=10001:10001 tool.sh tools/ /usr/local/bin/
FROM {BASE}
ARG NAME
RUN echo ARG $NAME
COPY --link --from=build /out /out
COPY --from=0 --chmod=600 /out/one /secret/
COPY --from={BASE} /etc/debian_version /x/
COPY <<'one.conf' <<two.conf /etc/conf/
a=$b
one.conf
two
two.conf
ADD requirements.txt /added
USER 10001:10001
COPY --chmod=755 --chown=10001 tool.sh /home/
RUN [ -f /added ] && echo SAYS $(cat /out/one) $(cat /out/two) $(cat /out/three) $(cat /out/four) $(cat /out/r.txt)
RUN echo MODE $(stat -c '%a:%u' /home/tool.sh /secret/one /etc/conf/one.conf)
RUN echo CONF $(cat /etc/conf/one.conf) $(cat /etc/conf/two.conf) ; cat /out/opts
LABEL a=b
HEALTHCHECK --interval=1s CMD true
STOPSIGNAL SIGINT
EXPOSE 8080 $PORT
VOLUME /var/cache/x
CMD ["python3", "-m", "http.server"]
"""


def test_an_everyday_dockerfile_does_what_it_says():
    files = {
        "requirements.txt": "req\n",
        "tool.sh": "#!/bin/sh\n",
        "tools/a": "a",
        "tools/deep/b": "b",
    }
    built = Built(EVERYDAY, files)
    assert built.said("SAYS") == ["one /bin/bash two three $HOME \\ FROM four req"]
    assert built.said("MODE") == ["755:10001 600:0 644:0"]
    assert built.said("CONF") == ["a=$b two"]
    assert built.said("ARG") == ["base"]
    assert any(line.startswith("pipefail") and line.endswith("on") for line in built.lines)
    assert built.config["Volumes"] == {"/var/cache/x": {}}
    assert not built.config.get("Healthcheck")
    assert built.config["Cmd"] == ["python3", "-m", "http.server"]
    assert podkit.left(built.labels) == []


def test_the_log_names_what_was_written_and_what_was_ignored():
    built = Built(EVERYDAY, {"requirements.txt": "", "tool.sh": "", "tools/a": ""})
    notes = built.said("Note:")
    for word in ("syntax", "check", "LABEL", "HEALTHCHECK", "STOPSIGNAL", "EXPOSE", "VOLUME", "--mount=type=cache",
                 "--platform", "--link", "stays in the image"):  # fmt: skip
        assert any(word in note for note in notes), word
    steps = [line for line in built.lines if line.startswith("Step ")]
    assert steps[0].endswith("FROM seatrial/base:1 AS Build")
    assert not any(
        "sha256:" in line or "seatrial.run" in line or "stage-" in line for line in built.lines
    )
    total = len(steps)
    assert [step.split(":")[0] for step in steps] == [
        f"Step {n}/{total}" for n in range(1, total + 1)
    ]


def test_copy_takes_the_project_and_nothing_of_ours():
    dockerfile = (
        f"FROM {BASE}\nENV A=ONCE\nCOPY <<E /e\nx\nE\nCOPY --chmod=600 a.py /m\nWORKDIR /srv\nCOPY "
        ". .\n"
    )
    files = {
        "a.py": "",
        "seatrial/b": "",
        ".seatrial.Dockerfile/c": "",
        "project/d": "",
        ".dockerignore/x": "",
    }
    built = Built(dockerfile + "RUN echo FOUND $(find . -type f | sort)\n", files)
    assert built.said("FOUND") == [
        "./.dockerignore/x ./.seatrial.Dockerfile/c ./Dockerfile ./a.py ./project/d ./seatrial/b"
    ]


def test_a_last_stage_without_instructions_is_kept():
    built = Built(f"FROM {BASE}\nENV A=ONCE\nRUN true\nFROM {BASE} AS x\n")
    assert built.config["Labels"]["seatrial.run"] == built.labels.run_id
    assert podkit.left(built.labels) == []


def test_an_image_from_nothing():
    built = Built(
        f'FROM {BASE} AS b\nRUN echo ONCE > /a\nFROM scratch\nCOPY --from=b /a /\nCMD ["/a"]\n'
    )
    assert built.config["Cmd"] == ["/a"]


def test_a_volume_of_the_image_is_memory_in_a_run_and_leaves_nothing_behind():
    before = {v["Name"] for v in podkit.client().api.volumes()["Volumes"] or []}
    built = Built(
        f'FROM {BASE}\nENV A=ONCE\nVOLUME ["/kept"]\nRUN mkdir -p /kept && echo x > /kept/x\n'
    )
    assert built.config["Volumes"] == {"/kept": {}}
    after = {v["Name"] for v in podkit.client().api.volumes()["Volumes"] or []}
    assert after == before


@pytest.mark.parametrize(
    "line", ["ENV A", "ENV =x", "ENV a=b c", "ARG =1", "COPY --chown=1 --chown=2 a /a", "EXPOSE 99999", "USER a b",
             "CMD", "COPY a b /c", "VOLUME /", "WORKDIR", 'ENV A="b', "COPY 'a /a", "STOP", "FROM", "USER",
             "SHELL sh", "ENV A=${", "ARG A=${x", "COPY --chown=${ a /a", "WORKDIR ${",
             'WORKDIR a"b', "COPY [\"a\", 1]", "RUN"],
)  # fmt: skip
def test_slips_are_refusals_with_a_line_and_never_our_fault(line: str):
    with pytest.raises(DockerfileRefused, match="line 2"):
        Built(f"FROM {BASE}\n{line}\n", {"a": "", "b": ""})


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("COPY --chown=nobody1 a /a", "Make the user"),
        ("COPY $NOTHING/zz /a", "Check the path"),
        ("ENV A=${A1:?no}${NO:?x}", "variables and quotes"),
    ],
)
def test_what_only_the_engine_finds_is_a_failed_build(line: str, advice: str):
    """Whatever the engine answers, the run is not gradable; it is never an engine that went
    away.
    """
    with pytest.raises(BuildFailed) as caught:
        Built(f"FROM {BASE}\nENV A1=ONCE\n{line}\n", {"a": ""})
    assert advice in caught.value.advice
    assert "project/" not in caught.value.message


def test_an_answer_of_400_is_the_learners_and_never_an_engine_that_went_away(
    monkeypatch: pytest.MonkeyPatch,
):
    """What our grammar lets through and this engine does not know."""
    plan = Plan("FROM x y z\n", steps=("FROM x",))
    monkeypatch.setattr(contained, "canonical", lambda *_: plan)
    with pytest.raises(DockerfileRefused, match="does not accept"):
        Built(f"FROM {BASE}\n")


@pytest.mark.parametrize(
    ("step", "message", "advice"),
    [
        ("RUN no-such-program x", "'no-such-program' is not in this image", "PATH"),
        ("RUN unzip x", "'unzip' is not in this image", "apt-get install -y unzip"),
        ("RUN echo FIRST && exit 3", "ended with code 3", "last lines"),
        ('RUN ["/no/such"]', "'/no/such' is not in this image", "shell"),
    ],
)
def test_a_failed_step_says_what_and_what_to_do_first(step: str, message: str, advice: str):
    with pytest.raises(BuildFailed, match=message) as caught:
        Built(f"FROM {BASE}\nENV A=ONCE\n{step}\n")
    assert advice in caught.value.advice
    assert "\n" not in caught.value.message
