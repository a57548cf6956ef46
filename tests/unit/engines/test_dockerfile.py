"""Everyday Dockerfiles: what is harmless is taken and written anew, and what was done about it is
said.
"""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from grader.dockerfile import Plan, Table, canonical, lint, read
from grader.dockerfile.plan import ModeCopy
from grader.dockerfile.variables import host_platform
from grader.errors import DockerfileRefused

BASE, HELD = "python:3.13-slim", "sha256:" + "cd" * 32
BASES = Table({BASE: HELD})
HEAD = [f"FROM {HELD} AS stage-0", 'LABEL seatrial.run="r1"']


def plan(text: str) -> Plan:
    return canonical(text.encode(), BASES, {"seatrial.run": "r1"})


def body(text: str) -> list[str]:
    """The rewritten lines behind FROM and our label."""
    return plan(f"FROM {BASE}\n{text}").text.splitlines()[2:]


def faults(text: str) -> list[str]:
    return [f"{fault.line}: {fault.what}" for fault in read(text.encode(), BASES, {})[1]]


def test_arguments_before_from_with_defaults_platforms_and_stages() -> None:
    made = plan(
        f"""# syntax=docker/dockerfile:1
ARG PY=3.13
ARG VARIANT="slim"
FROM --platform=$BUILDPLATFORM python:${{PY}}-${{VARIANT:-slim}} AS Build
ARG PY
ARG TARGETARCH
RUN make
FROM {BASE}
COPY --from=build /a /a
COPY --from=0 /b /b
"""
    )
    lines = made.text.splitlines()
    assert lines[0] == f"FROM {HELD} AS stage-0"
    assert lines[2:5] == [
        "ARG PY=3.13",
        f"ARG TARGETARCH={host_platform().split('/')[1]}",
        "RUN make",
    ]
    assert lines[-2:] == ['COPY --from=stage-0 ["/a", "/a"]', 'COPY --from=stage-0 ["/b", "/b"]']
    assert any("syntax" in note for note in made.notes)
    assert any("--platform" in note for note in made.notes)
    assert made.steps[0] == f"FROM {BASE} AS Build"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("RUN a \\\n  # why\n\n  && b", ["RUN a   && b"]),
        ("RUN a \\ \n b", ["RUN a  b"]),
        ("RUN a\\\nb", ["RUN ab"]),
        ("RUN --mount=type=cache,target=/root/.cache pip install x", ["RUN pip install x"]),
        ("RUN --mount=type=cache,target=/a --mount=type=tmpfs,target=/b x", ["RUN x"]),
        ("RUN --network=default x", ["RUN x"]),
        ("RUN [ -f x ] && echo y", ['RUN ["/bin/sh", "-c", "[ -f x ] && echo y"]']),
        ('RUN ["a", "b"]', ['RUN ["a", "b"]']),
        (
            'RUN <<EOF\nset -e\necho "$HOME"\nEOF',
            ['RUN ["/bin/sh", "-c", "set -e\\necho \\"$HOME\\"\\n"]'],
        ),
        (
            "RUN cat <<'A' > /x\nADD y\nA",
            ['RUN ["/bin/sh", "-c", "cat <<\'A\' > /x\\nADD y\\nA\\n"]'],
        ),
        ("RUN cat <<-A\n\tx\n\tA", ['RUN ["/bin/sh", "-c", "cat <<-A\\nx\\nA\\n"]']),
        ("RUN cat <<< hello", ['RUN ["/bin/sh", "-c", "cat <<< hello"]']),
        ("RUN echo $((1<<2))", ['RUN ["/bin/sh", "-c", "echo $((1<<2))"]']),
        ("RUN echo é", ["RUN echo é"]),
        (
            "COPY --link --chown=app:app a b /c/",
            ['COPY --chown=app:app ["project/a", "project/b", "/c/"]'],
        ),
        ("ADD a /a", ['COPY ["project/a", "/a"]']),
        ("ADD x.zip /a", ['COPY ["project/x.zip", "/a"]']),
        ("COPY . .", ['COPY ["project", "."]']),
        ("COPY ./a/../b/ /b", ['COPY ["project/b", "/b"]']),
        ("COPY --chown=$APP:${APP} a /a", ['COPY --chown=$APP:${APP} ["project/a", "/a"]']),
        ('COPY ["a b", "/c"]', ['COPY ["project/a b", "/c"]']),
        ('ENV A=1 B="x y"', ['ENV A=1 B="x y"']),
        ("ENV OLD some value", ["ENV OLD some value"]),
        ("ARG A B=2", ["ARG A", "ARG B=2"]),
        ("EXPOSE 80/tcp 8000-8010 $PORT", []),
        (
            'SHELL ["/bin/bash", "-c"]\nRUN <<E\nx\nE',
            ['SHELL ["/bin/bash", "-c"]', 'RUN ["/bin/bash", "-c", "x\\n"]'],
        ),
        ("ENTRYPOINT [ ]\nCMD python app.py", ["ENTRYPOINT []", "CMD python app.py"]),
        ("LABEL a=b\nMAINTAINER x\nHEALTHCHECK NONE\nSTOPSIGNAL SIGINT", []),
        ("RUN a\r\nRUN b\r\n", ["RUN a", "RUN b"]),
        ("# escape=` is a comment here\nRUN a", ["RUN a"]),
    ],
)
def test_what_becomes_of_an_instruction(text: str, lines: list[str]) -> None:
    assert body(text) == lines


def test_a_script_with_its_own_interpreter_is_run_by_it() -> None:
    (line,) = body("RUN <<EOF\n#!/usr/bin/env python3\nprint('SEATRIAL_END')\nEOF")
    assert "cat > \\\"$f\\\" <<'SEATRIAL_END'" in line
    assert "#!/usr/bin/env python3\\nprint" in line


def test_a_heredoc_of_copy_becomes_a_file_of_the_context() -> None:
    made = plan(
        f"FROM {BASE}\nCOPY <<'EOF' /etc/app.conf\na=$b\nEOF\nCOPY <<one <<two "
        "/x/\n1\none\n2\ntwo\n"
    )
    assert dict(made.files) == {
        "seatrial/text-0/EOF": (b"a=$b\n", 0o644),
        "seatrial/text-1/one": (b"1\n", 0o644),
        "seatrial/text-2/two": (b"2\n", 0o644),
    }
    assert 'COPY ["seatrial/text-0/EOF", "/etc/app.conf"]' in made.text
    assert 'COPY ["seatrial/text-1/one", "seatrial/text-2/two", "/x/"]' in made.text


def test_a_mode_is_given_to_files_of_the_context() -> None:
    """No step of the image sets it: it works for any user, and without a shell."""
    made = plan(
        f"FROM {BASE}\nUSER app\nCOPY --chmod=0755 run.sh bin/*.sh /usr/bin/\nCOPY --chmod=600 <<A "
        "/a\nx\nA\n"
    )
    assert made.text.splitlines()[3:] == [
        'COPY ["seatrial/mode-0/run.sh", "seatrial/mode-0/bin/*.sh", "/usr/bin/"]',
        'COPY ["seatrial/text-0/A", "/a"]',
    ]
    assert made.modes == (ModeCopy("seatrial/mode-0", 0o755, ("run.sh", "bin/*.sh")),)
    assert made.files == {"seatrial/text-0/A": (b"x\n", 0o600)}


def test_a_mode_of_what_comes_from_a_stage_is_set_in_a_stage_of_ours() -> None:
    made = plan(f"FROM {BASE} AS b\nFROM scratch\nCOPY --from=b --chmod=555 /out/app /app\n")
    ours, label, root, change, own, _, copy = made.text.splitlines()[2:]
    assert ours == "FROM stage-0 AS ours-4"
    assert label.startswith("LABEL seatrial.run")
    assert [root, change] == ["USER 0:0", 'RUN ["chmod", "-R", "555", "--", "/out/app"]']
    assert [own, copy] == ["FROM scratch AS stage-1", 'COPY --from=ours-4 ["/out/app", "/app"]']
    assert len(made.steps) == len(made.text.splitlines())


def test_a_bind_mount_is_a_copy_and_says_so() -> None:
    made = plan(f"FROM {BASE}\nRUN --mount=type=bind,source=uv.lock,target=uv.lock uv sync\n")
    assert made.text.splitlines()[2:] == ['COPY ["project/uv.lock", "uv.lock"]', "RUN uv sync"]
    assert any("stays in the image" in note for note in made.notes)


def test_volumes_stand_at_the_very_end() -> None:
    made = plan(f'FROM {BASE}\nVOLUME ["/data", "/var/lib/x"]\nVOLUME /data\nRUN a\n')
    assert made.text.splitlines()[2:] == ["RUN a", 'VOLUME ["/data", "/var/lib/x"]']
    assert any("empty at each start" in note for note in made.notes)
    assert made.volumes == ("/data", "/var/lib/x")
    assert plan(f"FROM {BASE}\nVOLUME /data\nFROM {BASE}\nRUN a\n").volumes == ()
    assert plan(f"FROM {BASE} AS a\nVOLUME /data\nFROM a\nRUN a\n").volumes == ("/data",)


def test_scratch_and_allowed_images_to_copy_from() -> None:
    assert plan("FROM scratch\nCOPY a /\n").text.startswith("FROM scratch AS stage-0\nLABEL")
    assert (
        f'COPY --from={HELD} ["/usr/local", "/x"]'
        in plan(f"FROM {BASE}\nCOPY --from={BASE} /usr/local /x\n").text
    )


def test_all_faults_come_at_once_with_their_lines() -> None:
    found = faults(
        f"""FROM {BASE}
ENV A
ENV =x
ENV a=b c
ARG =1
EXPOSE x
COPY --chown=a --chown=b x y
ADD https://x/y /z
ADD x.tar.gz /
ONBUILD RUN x
CROSS x
RUN --mount=type=secret,id=x cat
RUN --security=insecure x
CMD ['a']
USER a b
COPY --chmod=4755 a b
COPY --parents a b
COPY a
FROM alpine:3.20
COPY --from=registry.example/astral-sh/uv:latest /uv /bin/
"""
    )
    assert [int(text.partition(":")[0]) for text in found] == list(range(2, 21))
    assert "registry.example/astral-sh/uv:latest" in found[-1]


def test_the_error_names_every_fault() -> None:
    with pytest.raises(DockerfileRefused) as caught:
        plan(f"FROM {BASE}\nENV A\nONBUILD RUN x\n")
    assert "line 2" in caught.value.message
    assert "line 3" in caught.value.message


def test_a_base_that_is_not_allowed_is_the_only_fault_of_what_follows() -> None:
    assert faults("FROM alpine\nRUN apk add x\nCOPY a b\n") == [
        "1: there is no base image 'alpine' here"
    ]


FILES = {
    PurePosixPath(name): b""
    for name in ("app/main.py", "requirements.txt", "README.md", "docs/a.md")
}


def linted(text: str, **more: bytes) -> list[str]:
    files = {**FILES, PurePosixPath("Dockerfile"): text.encode()}
    files |= {
        PurePosixPath(name.replace("__", "/").replace("_", ".")): data
        for name, data in more.items()
    }
    return [f"{fault.text} {fault.advice}" for fault in lint(files, BASES)]


@pytest.mark.parametrize(
    "copy",
    ["COPY . .", "COPY app app/", "COPY ./app/main.py .", "COPY *.txt /", "COPY docs/*.md /", "COPY requirements.t?t /",
     "COPY --from=0 /nowhere /x", "COPY $WHAT /x", "COPY / /x", "COPY *quirements* /"],
)  # fmt: skip
def test_sources_that_are_there_are_no_fault(copy: str) -> None:
    assert linted(f"FROM {BASE}\nFROM {BASE}\n{copy}\n") == []


def test_sources_that_are_missing_are_faults_with_a_hint() -> None:
    found = linted(
        f"FROM {BASE}\nCOPY Requirements.txt /\nCOPY main.py /\nCOPY *.toml /\nCOPY ../x /\n"
    )
    assert len(found) == 4
    assert "'requirements.txt'" in found[0]
    assert "'app/main.py'" in found[1]


def test_a_source_in_dockerignore_is_missing() -> None:
    files = {**FILES, PurePosixPath("Dockerfile"): f"FROM {BASE}\nCOPY README.md /\n".encode()}
    files[PurePosixPath(".dockerignore")] = b"*.md\n"
    assert ".dockerignore" in lint(files, BASES)[0].advice


def test_a_script_with_windows_line_ends_is_named() -> None:
    text = f'FROM {BASE}\nCOPY . .\nCMD ["./start.sh"]\n'
    assert any(
        "start.sh" in fault and "LF" in fault
        for fault in linted(text, start_sh=b"#!/bin/sh\r\nexec x\r\n")
    )
    assert linted(text, start_sh=b"#!/bin/sh\nexec x\n") == []
    assert linted(f"FROM {BASE}\nCOPY . .\nCMD x\n", unused_sh=b"#!/bin/sh\r\n") == []


@pytest.mark.parametrize(
    ("name", "said"),
    [("Dockerfile.txt", "Dockerfile.txt"), ("dockerfile", "'dockerfile'"), ("back/Dockerfile", "back/Dockerfile"),
     ("docker-compose.yml", "Compose files are not read"), ("main.py", "Pack the project's folder")],
)  # fmt: skip
def test_a_missing_dockerfile_says_what_is_there(name: str, said: str) -> None:
    (fault,) = lint({PurePosixPath(name): b""}, BASES)
    assert said in f"{fault.text} {fault.advice}"
