"""Dockerfiles that mean one thing to a checker and another to the engine: each is refused or
written anew.
"""

from __future__ import annotations

import pytest

from grader.dockerfile import MAX_INSTRUCTIONS, MAX_STAGES, Table, canonical
from grader.errors import DockerfileRefused

BASE = "seatrial/runtime:1"
HELD = "sha256:" + "ab" * 32
LABELS = {"seatrial.run": "r1"}
HEAD = [f"FROM {HELD} AS stage-0", 'LABEL seatrial.run="r1"']


def rewritten(body: str) -> list[str]:
    return canonical(f"FROM {BASE}\n{body}".encode(), Table({BASE: HELD}), LABELS).text.splitlines()


def refused(text: str | bytes) -> DockerfileRefused:
    data = text.encode() if isinstance(text, str) else text
    with pytest.raises(DockerfileRefused) as caught:
        canonical(data, Table({BASE: HELD}), LABELS)
    assert caught.value.advice, "a refusal says what to do instead"
    return caught.value


def refused_body(body: str) -> str:
    return refused(f"FROM {BASE}\n{body}").message


@pytest.mark.parametrize("keyword", ["ADD", "add", "Add", "A\\\nDD", "\\\nADD"])
@pytest.mark.parametrize(
    "rest", ["http://127.0.0.1:2375/info /x", "https://x/a b /x", '["http://127.0.0.1/", "/x"]', "git@host:a/b /x",
             "x \\\n http://127.0.0.1/ /x", "FTP://h/x /x", "git://h/x.git /x"],
)  # fmt: skip
def test_add_url_loopback(keyword: str, rest: str):
    assert "ADD of an address" in refused_body(f"{keyword} {rest}")


@pytest.mark.parametrize("name", ["bomb.tar.gz", "a.TGZ", "x.tar", "y.tar.zst", "z.txz"])
def test_add_tar_bomb(name: str):
    assert "would unpack" in refused_body(f"ADD {name} /")


def test_add_of_a_local_file_never_reaches_the_daemon_as_add():
    assert rewritten("ADD archive.bin /x") == [*HEAD, 'COPY ["project/archive.bin", "/x"]']


@pytest.mark.parametrize(
    ("split", "joined"),
    [
        ("AD\\\nD x /x", 'COPY ["project/x", "/x"]'),
        ("RU\\\nN id", "RUN id"),
        ("RUN a\\\nADD x", "RUN aADD x"),
    ],
)
def test_split_keyword_continuation(split: str, joined: str):
    """What both sides read is the joined line: a keyword can be split, but it can't hide."""
    assert rewritten(split) == [*HEAD, joined]
    assert "line 2" in refused_body("FRO\\\nM debian")
    assert "line 2" in refused_body("ONB\\\nUILD RUN x")


def test_flags_cannot_hide_behind_a_join():
    assert rewritten("RUN \\\n--mount=type=cache,target=/x id") == [*HEAD, "RUN id"]
    assert "secret" in refused_body("RUN \\\n--mount=type=sec\\\nret,id=a id")
    assert "--chmod=4755" in refused_body("COPY \\\n --chmod=4755 a /a")
    assert "--security" in refused_body("RUN --mount=type=cache,target=/x --security=insecure id")


@pytest.mark.parametrize("gap", ["\n", "# note\n", "   \n", "\t# note\n"])
def test_blank_and_comment_lines_inside_a_continuation_are_dropped(gap: str):
    """Engines drop them too; here the line is written anew without them, so that nobody has to
    agree on it.
    """
    assert rewritten(f"RUN a \\\n{gap}ADD b /b\n") == [*HEAD, "RUN a ADD b /b"]


def test_an_open_end():
    assert "middle of a continuation" in refused_body("RUN a \\")
    assert "middle of a continuation" in refused_body("RUN a \\\n# x\n")


def test_a_doubled_backslash_is_no_continuation():
    assert rewritten("RUN a \\\\\nRUN b") == [*HEAD, 'RUN ["/bin/sh", "-c", "a \\\\\\\\"]', "RUN b"]
    assert "backslash" in refused_body("ENV A=b\\\\\nRUN b")


@pytest.mark.parametrize(
    "body",
    [
        "RUN <<EOF\nADD http://x /x\nFROM debian\nEOF",
        "RUN cat <<-'E' > a\nx\nE",
        "COPY <<a /a\nFROM x\na",
    ],
)
def test_heredoc_differential(body: str):
    """The text of a heredoc never stands in the file as a line of its own."""
    lines = rewritten(body)
    assert len(lines) == len(HEAD) + 1
    assert "<<" not in lines[-1] or lines[-1].startswith('RUN ["/bin/sh", "-c", ')


@pytest.mark.parametrize(
    "body", ["RUN <<EOF\nx", "RUN cat <<E>x\ny\nE>x", "RUN <<'E\nx\nE", 'RUN cat <<"a b"\nx\na b', "RUN 3<<$X\ny\n$X",
             "COPY <<E /x\n$SECRET\nE", "RUN cat <<E\"F\"\nx\nEF"],
)  # fmt: skip
def test_what_another_parser_could_take_for_a_heredoc_is_refused(body: str):
    refused_body(body)


@pytest.mark.parametrize(
    "bad",
    [
        "\ufeff",
        "\u00a0",
        "\x0b",
        "\x0c",
        "\r",
        "\x00",
        "\x1b",
        "\u2028",
        "\u0085",
        "\u200b",
        "\u202e",
        "\u3000",
    ],
)
def test_bom_nbsp_vt_cr(bad: str):
    assert "line 2: it holds the character" in refused_body(f"RUN true{bad} ADD x")
    assert "line 3: it holds the character" in refused_body(f"RUN <<E\ntrue{bad}!\nE")
    assert "line 1: it holds the character" in refused(f"{bad * 2}FROM {BASE}\n").message


def test_letters_in_a_comment_or_a_text_are_fine():
    assert rewritten("# Größe\u00a0x\nRUN echo ☂") == [*HEAD, "RUN echo ☂"]
    refused_body("RÜN x")
    refused_body("\u0130NV a=b")


def test_bytes_that_are_no_text():
    assert "U+FFFD" in refused(b"FROM " + BASE.encode() + b"\nRUN \xff\xfe").message


def test_windows_line_ends_are_fine():
    assert rewritten("RUN a \\\r\n  b\r\n") == [*HEAD, "RUN a   b"]


@pytest.mark.parametrize("line", ["# escape=`", " # Escape = `", "# syntax=x/y\n#escape=`"])
def test_escape_directive(line: str):
    assert "escape directive" in refused(f"{line}\nFROM {BASE}\n").message


def test_other_directives_choose_nothing():
    plan = canonical(
        f"#syntax=x/y\n# check=skip=all\nFROM {BASE}\n".encode(), Table({BASE: HELD}), LABELS
    )
    assert plan.text.splitlines() == HEAD


@pytest.mark.parametrize("body", ["ONBUILD ADD x /x", "onbuild RUN id", "CROSS x"])
def test_onbuild_add(body: str):
    assert "is not" in refused_body(body)


@pytest.mark.parametrize("path", ["/", "/..", "data", "/a/../..", "$X", '["/"]', "/a'b"])
def test_volume_bypass(path: str):
    refused_body(f"VOLUME {path}")


def test_a_volume_never_stands_before_a_run():
    assert rewritten("VOLUME /data\nRUN a") == [*HEAD, "RUN a", 'VOLUME ["/data"]']


@pytest.mark.parametrize("form", ["/bin/bash -c", "[]", "['a']", "[1]"])
def test_shell_is_a_list(form: str):
    assert "exec form of SHELL" in refused_body(f"SHELL {form}")


@pytest.mark.parametrize("mode", ["4755", "2755", "1777", "u+s", "$M", "7", "07777", ""])
def test_no_mode_that_gives_rights(mode: str):
    assert "--chmod" in refused_body(f"COPY --chmod={mode} a /a")


@pytest.mark.parametrize(
    "source", ["../seatrial/text-0/EOF", "a/../../x", "../../etc", "$X/../..", "..", "/.."]
)
def test_nothing_is_copied_from_outside_of_the_project(source: str):
    """Beside the project stand files of ours in the context, and above it whatever the engine
    keeps.
    """
    assert "leads out of the project" in refused_body(f"COPY {source} /x")
    refused_body(f"RUN --mount=type=bind,source={source},target=/x id")
    refused_body(f'COPY ["{source}", "/x"]')


@pytest.mark.parametrize("source", [".seatrial.Dockerfile", "seatrial/text-0/EOF", ".dockerignore"])
def test_names_of_ours_are_ordinary_names_in_a_project(source: str):
    assert rewritten(f"COPY {source} /x") == [*HEAD, f'COPY ["project/{source}", "/x"]']


def test_variables_of_variables_do_not_grow_without_end():
    grow = "".join(f"ARG A{n}=$A{n - 1}$A{n - 1}\n" for n in range(1, 60))
    assert "too long" in refused(f"ARG A0=xxxxxxxxxxxxxxxx\n{grow}FROM $A59\n").message


@pytest.mark.parametrize("text", ["\\u0000", "\\u001b[2J", "\\ud800"])
def test_control_characters_in_a_list(text: str):
    assert "control character" in refused_body(f'CMD ["a", "{text}"]')
    refused_body(f'COPY ["a{text}", "/x"]')


@pytest.mark.parametrize(
    "mount", ["type=bind,from=debian,source=/etc,target=/x", "type=bind,from=0,source=/a,target=/b", "type=bind",
              "type=bind,source=$X,target=/a", "type=ssh", "type=secret,id=x", "type=host", "source=a"],
)  # fmt: skip
def test_mounts_that_reach_elsewhere(mount: str):
    refused_body(f"RUN --mount={mount} id")


@pytest.mark.parametrize(
    "image",
    [
        "debian",
        "seatrial/runtime",
        HELD,
        "ab" * 32,
        "abababababab",
        "SEATRIAL/runtime:1",
        BASE + "@" + HELD,
    ],
)
def test_from_other_learner(image: str):
    assert "there is no base image" in refused(f"FROM {image}\n").message
    assert "there is no base image" in refused(f"FROM {BASE} AS a\nFROM {image}\n").message


@pytest.mark.parametrize(
    "text", ["ARG B=debian\nFROM $B", f"FROM {BASE}\nARG B=debian\nFROM ${{B}}", "FROM $B", "FROM ${B:-debian}",
             "FROM ${B:-${C:-x}}", "ARG B\nFROM $B", "ARG A=x\nARG B=${A:+debian}\nFROM $B", "FROM ${B?x}"],
)  # fmt: skip
def test_from_arg(text: str):
    """Variables are expanded here, and what comes out has to be on the list."""
    refused(text)


@pytest.mark.parametrize(
    "value", ["linux/s390x", "windows/amd64", "$X", "", "linux/amd64,linux/arm64"]
)
def test_platforms_of_other_machines(value: str):
    refused(f"FROM --platform={value} {BASE}")
    refused(f"FROM --os=linux {BASE}")


@pytest.mark.parametrize("source", ["debian", HELD, "0", "later", "$X", BASE])
def test_copy_from_image(source: str):
    if source != BASE:
        assert "line 2: COPY --from" in refused_body(
            f"COPY --from={source} /etc/shadow /x\nFROM {BASE} AS later\n"
        )


def test_copy_from_self_stage():
    text = f"FROM {BASE} AS one\nCOPY --from=one /a /b\n"
    assert "neither an earlier stage" in refused(text).message
    assert (
        "COPY --from=stage-0"
        in canonical(
            f"FROM {BASE} AS one\nFROM one\nCOPY --from=one /a /b\n".encode(),
            Table({BASE: HELD}),
            LABELS,
        ).text
    )


@pytest.mark.parametrize("name", ["scratch", "0", "a/b", "a:1", "-x", "$a", "n" * 70])
def test_a_stage_name_cannot_be_taken_for_an_image(name: str):
    assert "name of a stage" in refused(f"FROM {BASE} AS {name}\n").message


def test_a_stage_name_is_used_once():
    assert "name of a stage" in refused(f"FROM {BASE} AS a\nFROM {BASE} AS a\n").message


@pytest.mark.parametrize(
    "flag", ["--parents", "--exclude=x", "--chown=$(id)", "--chown=a:b:c", "--checksum=x"]
)
def test_copy_flags(flag: str):
    assert "is not allowed" in refused_body(f"COPY {flag} a /a")


def test_copy_chown_and_both_forms():
    assert rewritten("COPY --chown=10001:10001 . .") == [
        *HEAD,
        'COPY --chown=10001:10001 ["project", "."]',
    ]
    assert rewritten('COPY ["a b","/c"]') == [*HEAD, 'COPY ["project/a b", "/c"]']
    assert "not a flag" in refused_body("COPY --FROM=a a /a")
    assert "needs a source" in refused_body("COPY a")
    assert "needs a source" in refused_body('COPY ["a"]')


def test_too_many_instructions():
    assert len(rewritten("RUN a\n" * (MAX_INSTRUCTIONS - 1))) == MAX_INSTRUCTIONS + 1
    assert f"more than {MAX_INSTRUCTIONS} instructions" in refused_body(
        "RUN a\n" * MAX_INSTRUCTIONS
    )
    assert f"more than {MAX_STAGES} stages" in refused(f"FROM {BASE}\n" * (MAX_STAGES + 1)).message
    assert "larger than 64 KiB" in refused_body("RUN " + "a" * (64 << 10))


def test_label_spoof():
    plan = canonical(
        f'FROM {BASE} AS a\nLABEL seatrial.run="r2"\nlabel seatrial.expires=9\nFROM {BASE}\n'.encode(),
        Table({BASE: HELD}),
        LABELS,
    )
    assert plan.text.splitlines() == [*HEAD, f"FROM {HELD} AS stage-1", 'LABEL seatrial.run="r1"']
    assert plan.notes == ("Lines 2, 3: LABEL is ignored",)


def test_what_the_lab_decides_about_is_dropped():
    text = "HEALTHCHECK --interval=1ms CMD fork\nSTOPSIGNAL SIGKILL\nMAINTAINER me\nUSER 1:1"
    assert rewritten(text) == [*HEAD, "USER 1:1"]


@pytest.mark.parametrize("form", ["[1]", "[[]]", "['a']", '["a"'])
def test_exec_form_is_json(form: str):
    assert "exec form of CMD" in refused_body(f"CMD {form}")


@pytest.mark.parametrize("text", ["", "\n\n", "# only\n", "LABEL a=b", "RUN id", "FROM", "123 abc"])
def test_a_file_without_a_base_is_refused(text: str):
    refused(text)
