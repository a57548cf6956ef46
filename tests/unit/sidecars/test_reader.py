"""Spans, names, prompts and the reader, with a stand-in for the model."""

from __future__ import annotations

import random

import pytest
from gateway_kit import WordEmbedder

from grader.sidecars.model_gateway.prompt import Message, read_prompt
from grader.sidecars.model_gateway.reader import Reader
from grader.sidecars.model_gateway.spans import names_of, sentences, spans

PLANS = ["Harbor Basic", "Summit Gold", "Cedar Plus", "Falcon Max"]
CLAUSES = [
    (
        "The warranty of {p} ends {n} months after delivery.",
        "How many months of warranty has {p}?",
        "months",
    ),
    (
        "Refunds of {p} are transferred within {n} days.",
        "In how many days are {p} refunds transferred?",
        "days",
    ),
    (
        "Under {p} the deductible is {n} dollars per claim.",
        "How many dollars is the deductible of {p}?",
        "dollars",
    ),
]


def corpus(seed: int) -> tuple[list[tuple[str, str]], list[tuple[str, str, str]]]:
    """Passages, and (question, answer, passage id)."""
    rng, passages, asked = random.Random(seed), [], []
    for plan in PLANS:
        for clause, question, unit in CLAUSES:
            number, name = rng.randint(3, 90), f"c{len(passages)}"
            text = (
                clause.format(p=plan, n=number) + f" It was reviewed in {rng.randint(2019, 2026)}."
            )
            passages.append((name, text))
            asked.append((question.format(p=plan), f"{number} {unit}", name))
    rng.shuffle(passages)
    return passages, asked


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_answers_with_the_span_and_its_passage(seed: int) -> None:
    passages, asked = corpus(seed)
    reader = Reader(WordEmbedder())
    for question, span, name in asked:
        answer = reader.answer(question, passages)
        assert (answer.text, answer.passage_id, answer.reply) == (span, name, f"{span} [{name}]")


def test_says_not_found_when_no_passage_names_the_entity() -> None:
    passages, _ = corpus(1)
    for _, question, _ in CLAUSES:
        answer = Reader(WordEmbedder()).answer(question.format(p="Orchid Select"), passages)
        assert (answer.text, answer.passage_id, answer.reply) == ("NOT_FOUND", "", "NOT_FOUND")


def test_says_not_found_when_the_best_sentence_is_far_from_the_question() -> None:
    far = [("c1", "Parking near the station costs visitors 9 dollars whenever markets open.")]
    assert (
        Reader(WordEmbedder()).answer("How many dollars is the deductible?", far).text
        == "NOT_FOUND"
    )


def test_a_sentence_is_embedded_once() -> None:
    passages, asked = corpus(1)
    embedder = WordEmbedder()
    reader = Reader(embedder)
    for _ in range(2):
        reader.answer(asked[0][0], passages)
    assert len(embedder.embedded) == len(set(embedder.embedded))


@pytest.mark.parametrize(
    ("question", "sentence", "found"),
    [
        ("How many days?", "Paid within 42 business days of 3 months.", ["42 business days"]),
        ("What percent is it?", "A bonus of 7.5 % on 1,200 dollars.", ["7.5 %"]),
        ("How much do I pay?", "The fee is $1,250 a year.", ["$1,250"]),
        ("How long does it last?", "It lasts 3 weeks and costs 9 dollars.", ["3 weeks"]),
        ("When did it begin?", "It began on 4 March 2021 with 12 people.", ["4 March 2021"]),
        ("Who signed it?", "The contract was signed by Ada Lovelace in 2020.", ["Ada Lovelace"]),
        ("How many months?", "The form is F24 of 2020.", []),
    ],
)
def test_spans_of_the_asked_type(question: str, sentence: str, found: list[str]) -> None:
    assert spans(question, sentence) == found


def test_names_and_sentences() -> None:
    assert names_of("How many days does Harbor Basic take?") == {"Harbor", "Basic"}
    assert names_of("Harbor Basic is mine. Does it end?") == {"Harbor", "Basic"}
    assert names_of("My cellar is flooded: how long do I have?") == set()
    assert sentences("Pays 1.5 dollars. It ends.\nNext") == [
        "Pays 1.5 dollars.",
        "It ends.",
        "Next",
    ]


def test_prompt_convention() -> None:
    user = (
        "[a 1] First line\ngoes on.\n[b] Second.\n\nAnswer briefly.\nQuestion: How many "
        "days?\nThanks"
    )
    prompt = read_prompt(
        [Message(role="system", content="[s] Given."), Message(role="user", content=user)], len
    )
    assert prompt.question == "How many days?"
    assert prompt.passages == (("s", "Given."), ("a 1", "First line\ngoes on."), ("b", "Second."))


def test_question_of_the_last_user_message_counts() -> None:
    turns = [
        ("user", "Question: old?"),
        ("assistant", "NOT_FOUND"),
        ("user", "[c] x y.\n\nand new?"),
    ]
    messages = [
        Message.model_validate({"role": role, "content": content}) for role, content in turns
    ]
    assert read_prompt(messages, len).question == "and new?"
    messages[-1].content = "[c] x y.\nQuestion: newer?\nand new?"
    assert read_prompt(messages, len).question == "newer?"


def test_text_past_the_window_is_dropped_and_the_question_kept() -> None:
    lines = [f"[c{i}] one two three." for i in range(9)]
    message = Message(role="user", content="\n".join([*lines, "Question: last one?"]))
    prompt = read_prompt([message], lambda text: len(text.split()), window=2 + 4 * 3)
    assert prompt.question == "last one?"
    assert [name for name, _ in prompt.passages] == ["c0", "c1", "c2"]
