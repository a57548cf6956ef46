"""Everything that is sent to the model, made from the run's seed."""

from __future__ import annotations

import random
from typing import Any

from grader.lab_api import Context

THINGS = [
    "lighthouse",
    "river",
    "clock",
    "garden",
    "bridge",
    "violin",
    "harbour",
    "orchard",
    "train",
    "castle",
    "lantern",
    "island",
    "mill",
    "library",
    "market",
    "glacier",
    "bakery",
    "forest",
    "telescope",
    "ferry",
    "canyon",
    "workshop",
    "meadow",
    "piano",
    "tower",
    "beehive",
    "kitchen",
    "submarine",
    "desert",
    "museum",
]
QUALITIES = [
    "old",
    "silent",
    "golden",
    "broken",
    "distant",
    "hidden",
    "famous",
    "tiny",
    "crooked",
    "frozen",
    "patient",
    "bright",
    "lonely",
    "wooden",
]
TASKS = (
    "Tell me a long story about {}.",
    "Describe {} in detail.",
    "Write a letter about {}.",
    "Explain to a child what is special about {}.",
    "Write a report on {}.",
)
ODD = (
    "naïve café",
    "5 € – 10 €",
    "日本語",
    "Ωmega",
    "🚲 ride",
    "línea\nnueva",
    "«quoted»",
    "tab\there",
    "Straße 12b",
)
RAW = (
    "  two spaces before",
    "two spaces behind  ",
    "a line feed behind\n",
    "two  spaces  within",
    "a line\r\nof another system",
    "cafe\u0301 in two characters",
    "ﬁne Ⅳ ½ in one",
    "ＷＩＤＥ letters",
)
"""Contents that change when somebody strips, folds or normalises them.

The model gets them as they come.
"""
SYLLABLES = ("ka", "lo", "mi", "ren", "tu", "sa", "vel", "dor")
SUBJECTS = [
    "An invoice",
    "A refund",
    "A password reset",
    "A delivery",
    "A complaint",
    "A change of address",
    "A contract",
    "A callback",
]
DEEDS = [
    "must be confirmed in writing before {} days have passed",
    "is handled by desk {} and by nobody else",
    "needs the number of the order and the code {}",
    "is never promised by telephone before step {} is done",
    "goes to the manager when more than {} people are concerned",
    "is closed after {} hours without an answer",
]


def thing(rng: random.Random) -> str:
    """A subject that hardly repeats: a name made of syllables and a few words."""
    name = "".join(rng.choice(SYLLABLES) for _ in range(3)).capitalize()
    return f"the {rng.choice(QUALITIES)} {rng.choice(THINGS)} of {name}"


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def system(text: str) -> dict[str, str]:
    return {"role": "system", "content": text}


def task(rng: random.Random) -> str:
    return rng.choice(TASKS).format(thing(rng))


def short(rng: random.Random) -> str:
    """A question of few tokens, so that nearly all the work is in the answer."""
    name = "".join(rng.choice(SYLLABLES) for _ in range(rng.randint(3, 4))).capitalize()
    return rng.choice(
        ("Who was {}?", "Describe {}.", "What is {} known for?", "Tell me about {}.")
    ).format(name)


def foreign(rng: random.Random) -> str:
    """A task that this model answers in characters of two or three tokens each."""
    return f"Translate to Japanese: {thing(rng)}."


def policy(rng: random.Random, sentences: int) -> str:
    """A helpdesk's system prompt, about 18 tokens a sentence."""
    lines = [
        f"{rng.choice(SUBJECTS)} {rng.choice(DEEDS).format(rng.randint(2, 99))}."
        for _ in range(sentences)
    ]
    return f"You answer for the helpdesk of {thing(rng)}. " + " ".join(lines)


def chat(messages: list[dict[str, str]], max_tokens: int, stream: bool) -> dict[str, Any]:
    return {"messages": messages, "max_tokens": max_tokens, "temperature": 0, "stream": stream}


def conversations(rng: random.Random, count: int) -> list[list[dict[str, str]]]:
    """Single questions, questions behind one shared system prompt, behind nearly the same one, and
    longer talks.

    Of the first four of eight two are answered in characters that take several tokens.
    """
    shared = policy(rng, 6)
    near = shared[: len(shared) // 2] + " Be brief."
    out = []
    for number in range(count):
        ask = user(task(rng))
        talk = [
            user(task(rng)),
            {"role": "assistant", "content": f"It is {thing(rng)}."},
            user("Tell me more about it."),
        ]
        kinds = ([ask], [system(shared), ask], [system(near), ask], talk)
        out.append([user(foreign(rng))] if number % 8 in (0, 3) else kinds[number % 4])
    return out


def talk(rng: random.Random, count: int) -> list[dict[str, str]]:
    """So many messages of few words, the last one by the user."""
    roles = ("assistant", "user") if count % 2 == 0 else ("user", "assistant")
    return [
        {"role": roles[i % 2], "content": rng.choice(("Yes.", "No.", "And then?", "I see."))}
        for i in range(count)
    ]


def twin(rng: random.Random, sentences: int) -> list[list[dict[str, str]]]:
    """Two conversations whose system prompts begin alike, end alike, and are equally long; a code
    in them differs.

    The question is about the code. Of other words that differ so far from the question the model
    takes no notice.
    """
    lines = policy(rng, sentences).rstrip(".").split(". ")
    place = rng.randint(len(lines) - 2, len(lines))
    texts = (
        [*lines[:place], f"The code of today is {code}", *lines[place:]]
        for code in rng.sample(range(10, 100), 2)
    )
    return [[system(". ".join(text) + "."), user("What is the code of today?")] for text in texts]


def contract(ctx: Context) -> list[dict[str, Any]]:
    """Both forms of an answer, then bad input."""
    rng = ctx.rng("contract")
    good = chat([user(task(rng))], 4, False)

    def bad(title: str, **change: Any) -> dict[str, Any]:
        return {"title": title, "path": PATH, "json": {**good, **change}, "status": "4xx"}

    def long(tasks: int) -> list[dict[str, str]]:
        """A prompt of 12 to 14 tokens a task."""
        return [user(" ".join(task(rng) for _ in range(tasks)))]

    return [
        {"title": "A whole answer", "path": PATH, "json": good},
        {"title": "A streamed answer", "path": PATH, "json": {**good, "stream": True}},
        {
            "title": "Only messages",
            "path": PATH,
            "json": {"messages": good["messages"], "max_tokens": 2},
        },
        bad("No messages", messages=[]),
        bad("Messages that are text", messages=task(rng)),
        bad("An unknown role", messages=[{"role": thing(rng), "content": "Hello"}]),
        bad("Content that is a number", messages=[{"role": "user", "content": rng.randint(1, 99)}]),
        bad("Content that is empty", messages=[*good["messages"], user("")]),
        bad("A message without content", messages=[{"role": "user"}]),
        bad("max_tokens = 0", max_tokens=0),
        bad("max_tokens beyond 512", max_tokens=rng.choice((513, rng.randint(514, 1500)))),
        bad("max_tokens as text", max_tokens="many"),
        bad("max_tokens that is null", max_tokens=None),
        bad("A temperature above 0", temperature=rng.choice((0.1, 0.7, 1, 2))),
        bad("stream that is no boolean", stream="now and then"),
        {
            "title": "100 messages",
            "path": PATH,
            "json": {**good, "messages": talk(rng, 100)},
            "timeout_s": 60,
        },
        bad("101 messages", messages=talk(rng, 101)),
        bad("More than the context holds", messages=long(250)),
        bad("More than the context holds, with its answer", messages=long(140), max_tokens=512),
        {
            "title": "A body that is not JSON",
            "path": PATH,
            "raw": '{"messages": [',
            "status": "4xx",
        },
    ]


def streams(ctx: Context) -> list[dict[str, Any]]:
    """Answers long enough to tell streaming from sending at the end; two are as long as a server
    might not allow, and one leaves the length to the server.
    """
    rng = ctx.rng("streams")
    lengths = [40] * 4 + [rng.randint(80, 100) for _ in range(2)]
    bodies = [chat([user(task(rng))], tokens, True) for tokens in lengths]
    bodies.append({"messages": [user(task(rng))], "stream": True})
    return [
        {"title": "A streamed answer", "path": PATH, "json": body, "timeout_s": 30}
        for body in bodies
    ]


PATH = "/v1/chat/completions"
