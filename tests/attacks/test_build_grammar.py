"""Dockerfiles that mean one thing to a checker and another to the engine: each is refused or written anew."""

from __future__ import annotations

import pytest

from grader.build.dockerfile import MAX_INSTRUCTIONS, canonical
from grader.errors import DockerfileRefused

BASE = "seatrial/runtime:1"
HELD = "sha256:" + "ab" * 32
LABELS = {"seatrial.run": "r1"}
HEAD = [f"FROM {HELD}", 'LABEL seatrial.run="r1"']


def rewritten(body: str) -> list[str]:
    return canonical(f"FROM {BASE}\n{body}".encode(), {BASE: HELD}, LABELS).text.splitlines()


def refused(text: str | bytes) -> DockerfileRefused:
    data = text.encode() if isinstance(text, str) else text
    with pytest.raises(DockerfileRefused) as caught:
        canonical(data, {BASE: HELD}, LABELS)
    assert caught.value.advice, "a refusal says what to do instead"
    return caught.value


def refused_body(body: str) -> str:
    return refused(f"FROM {BASE}\n{body}").message


@pytest.mark.parametrize("keyword", ["ADD", "add", "Add"])
@pytest.mark.parametrize("rest", ["http://127.0.0.1:2375/info /x", "secret /x", '["http://127.0.0.1/", "/x"]'])
def test_add_url_loopback(keyword: str, rest: str):
    assert "Dockerfile line 2: ADD is not allowed" in refused_body(f"{keyword} {rest}")


def test_add_tar_bomb():
    assert "ADD is not allowed" in refused_body("ADD bomb.tar.gz /")


@pytest.mark.parametrize("split", ["AD\\\nD x /x", "A\\\nDD x /x", "RU\\\nN id", "FRO\\\nM scratch"])
def test_split_keyword_continuation(split: str):
    assert "line 2" in refused_body(split)


def test_a_join_adds_a_space_so_that_flags_cannot_hide():
    assert rewritten("RUN echo a\\\nb") == [*HEAD, "RUN echo a b"]
    assert "RUN takes no flags" in refused_body("RUN \\\n--mount=type=cache,target=/x id")
    assert "not allowed" in refused_body("COPY \\\n --chmod=4755 a /a")


@pytest.mark.parametrize("gap", ["\n", "# note\n", "   \n", "\t# note\n"])
def test_nothing_stands_inside_a_continuation(gap: str):
    assert "line 3: a blank or comment line" in refused_body(f"RUN a \\\n{gap}ADD b /b\n")


def test_a_space_after_the_backslash_and_an_open_end():
    assert "line 2: a space follows" in refused_body("RUN a \\ \nADD b /b")
    assert "middle of a continuation" in refused_body("RUN a \\")


@pytest.mark.parametrize("body", ["RUN <<EOF\nADD x /x\nEOF", "RUN cat <<-'E' > a\nx\nE", "COPY <<a /a\nx\na"])
def test_heredoc_differential(body: str):
    assert "line 2: heredocs" in refused_body(body)


@pytest.mark.parametrize(
    "bad", ["\ufeff", "\u00a0", "\x0b", "\x0c", "\r", "\x00", "\x1b", "\u2028", "\u0085", "\u200b", "\u0130"]
)
def test_bom_nbsp_vt_cr(bad: str):
    assert "line 2: it holds the character" in refused_body(f"RUN true{bad} ADD x")
    assert "line 1: it holds the character" in refused(f"{bad}FROM {BASE}\n").message


def test_bytes_that_are_no_text():
    assert "U+FFFD" in refused(b"FROM " + BASE.encode() + b"\nRUN \xff\xfe").message


def test_windows_line_ends_are_fine():
    assert rewritten("RUN a \\\r\n  b\r\n") == [*HEAD, "RUN a b"]


@pytest.mark.parametrize("line", ["# escape=`", "#syntax=x/y", " # Escape = `", "# check=skip=all"])
def test_escape_directive(line: str):
    assert "line 1: parser directives" in refused(f"{line}\nFROM {BASE}\n").message
    assert "line 2: parser directives" in refused_body(line)


@pytest.mark.parametrize("body", ["ONBUILD ADD x /x", "onbuild RUN id", "VOLUME /data", 'SHELL ["/bin/x"]', "CROSS x"])
def test_onbuild_add(body: str):
    assert "is not allowed" in refused_body(body)


@pytest.mark.parametrize(
    "image",
    ["debian", "seatrial/runtime", HELD, "ab" * 32, "abababababab", "SEATRIAL/runtime:1", BASE + "@" + HELD, "scratch"],
)
def test_from_other_learner(image: str):
    assert "not on the list" in refused(f"FROM {image}\n").message
    assert "not on the list" in refused(f"FROM {BASE} AS a\nFROM {image}\n").message


@pytest.mark.parametrize("text", ["ARG B=debian\nFROM $B", f"FROM {BASE}\nARG B=debian\nFROM ${{B}}", "FROM $B"])
def test_from_arg(text: str):
    assert "before FROM" in refused(text).message or "not on the list" in refused(text).message


def test_from_takes_no_flags():
    refused(f"FROM --platform=linux/amd64 {BASE}")
    refused(f"FROM --platform=linux/amd64 {BASE} AS a")


@pytest.mark.parametrize("source", ["debian", HELD, "0", "later", "$X", BASE])
def test_copy_from_image(source: str):
    assert "line 2: COPY --from" in refused_body(f"COPY --from={source} /etc/shadow /x\nFROM {BASE} AS later\n")


def test_copy_from_self_stage():
    text = f"FROM {BASE} AS one\nCOPY --from=one /a /b\n"
    assert "not an earlier stage" in refused(text).message
    assert (
        f"FROM {HELD} AS one"
        in canonical(f"FROM {BASE} AS one\nFROM one\nCOPY --from=one /a /b\n".encode(), {BASE: HELD}, LABELS).text
    )


@pytest.mark.parametrize("name", ["scratch", "Upper", "0", "a/b", "a:1", "-x", "$a", "n" * 40])
def test_a_stage_name_cannot_be_taken_for_an_image(name: str):
    assert "name of a stage" in refused(f"FROM {BASE} AS {name}\n").message


def test_a_stage_name_is_used_once():
    assert "name of a stage" in refused(f"FROM {BASE} AS a\nFROM {BASE} AS a\n").message


@pytest.mark.parametrize("flag", ["--chmod=4755", "--link", "--parents", "--FROM=a", "--exclude=x", "--chown=$X"])
def test_copy_flags(flag: str):
    assert "is not allowed" in refused_body(f"COPY {flag} a /a")


def test_copy_chown_and_both_forms():
    for line in ("COPY --chown=10001:10001 . .", 'COPY ["a b","/c"]', "COPY a b /c/"):
        assert rewritten(line) == [*HEAD, line]
    assert "needs a source" in refused_body("COPY a")
    assert "needs a source" in refused_body('COPY ["a"]')


def test_too_many_instructions():
    assert len(rewritten("RUN a\n" * (MAX_INSTRUCTIONS - 1))) == MAX_INSTRUCTIONS + 1
    assert "more than 40 instructions" in refused_body("RUN a\n" * MAX_INSTRUCTIONS)
    assert "more than 4 stages" in refused(f"FROM {BASE}\n" * 5).message
    assert "larger than 16 KiB" in refused_body("RUN " + "a" * (16 << 10))


def test_label_spoof():
    plan = canonical(
        f'FROM {BASE} AS a\nLABEL seatrial.run="r2"\nlabel seatrial.expires=9\nFROM {BASE}\n'.encode(),
        {BASE: HELD},
        LABELS,
    )
    assert plan.text.splitlines() == [f"FROM {HELD} AS a", 'LABEL seatrial.run="r1"', *HEAD]
    assert plan.dropped == ("LABEL", "LABEL")


def test_what_the_lab_decides_about_is_dropped():
    text = "HEALTHCHECK --interval=1ms CMD fork\nSTOPSIGNAL SIGKILL\nMAINTAINER me\nUSER 1:1"
    assert rewritten(text) == [*HEAD, "USER 1:1"]


@pytest.mark.parametrize("form", ["[1]", "[]", "['a']", '["a"'])
def test_exec_form_is_json(form: str):
    assert "exec form of CMD" in refused_body(f"CMD {form}")


@pytest.mark.parametrize("text", ["", "\n\n", "# only\n", "LABEL a=b", "RUN id", "FROM", "123 abc"])
def test_a_file_without_a_base_is_refused(text: str):
    refused(text)
