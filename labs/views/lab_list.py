"""The catalogue: tracks with one's progress, filters, labs, skills.

What is only planned is one line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from grader.lab import LabSpec
from labs import progress
from labs.models import Lab, Skill, Track
from labs.progress import Standing
from webui.htmx import HtmxRequest

STATES = {
    "open": "Not started",
    "failed": "Failed",
    "inconclusive": "Inconclusive",
    "passed": "Passed",
}


@dataclass(frozen=True, slots=True)
class Card:
    """One installed lab."""

    slug: str
    lab: Lab
    spec: LabSpec
    skills: tuple[str, ...] = ()
    standing: Standing | None = None

    @property
    def state(self) -> str:
        return self.standing.best if self.standing else "open"


@dataclass(frozen=True, slots=True)
class Filters:
    """What the visitor asked for; empty means any. Unknown values are treated as any."""

    q: str = ""
    track: str = ""
    skill: str = ""
    level: str = ""
    state: str = ""

    @classmethod
    def of(cls, request: HttpRequest) -> Filters:
        get = request.GET.get
        level, state = get("level", ""), get("state", "")
        return cls(
            q=get("q", "").strip()[:80],
            track=get("track", "")[:48],
            skill=get("skill", "")[:48],
            level=level if level in ("1", "2", "3", "4") else "",
            state=state if state in STATES else "",
        )

    @property
    def active(self) -> bool:
        return any((self.q, self.track, self.skill, self.level, self.state))

    def admit(self, card: Card, track: Track | None) -> bool:
        """Whether ``card`` is shown."""
        if track and card.slug not in track.labs:
            return False
        spec = card.spec
        text = " ".join((spec.title, spec.summary, spec.id, *card.skills)).lower()
        return (
            all(word in text for word in self.q.lower().split())
            and (not self.skill or self.skill in spec.skills)
            and (not self.level or spec.level == int(self.level))
            and (not self.state or card.state == self.state)
        )


@require_safe
def lab_list(request: HtmxRequest) -> HttpResponse:
    """The page; for htmx the fragment ``labs`` alone."""
    skills = list(Skill.objects.all())
    tracks = list(Track.objects.all())
    standings = progress.standings(request.user)
    cards = lab_cards({s.slug: s.title for s in skills}, standings)
    taught = {slug for card in cards for slug in card.spec.skills}
    filters = Filters.of(request)
    track = next((t for t in tracks if t.slug == filters.track), None)
    shown = [card for card in cards if filters.admit(card, track)]
    if track:
        shown.sort(key=lambda card: track.labs.index(card.slug))
    context = {
        "nav_current": "labs",
        "filters": filters,
        "track": track,
        "cards": shown,
        "states": STATES,
        "skills": [skill for skill in skills if skill.slug in taught],
        "installed": len(cards),
        "passed": sum(card.state == "passed" for card in cards),
        "planned": _planned([track] if track else tracks, {card.slug for card in cards}),
        "tracks": [_track_row(t, standings) for t in tracks],
        "coverage": [row for s in skills if (row := _skill_row(s, cards))],
        "carry_on": carry_on(cards),
    }
    # A history restore needs the whole page.
    fragment = request.htmx and not request.htmx.history_restore_request
    response = render(
        request, "labs/lab_list/_labs.html" if fragment else "labs/lab_list.html", context
    )
    response["Vary"] = "HX-Request, Cookie"
    return response


def lab_cards(titles: Mapping[str, str], standings: Mapping[str, Standing]) -> list[Card]:
    """Installed labs by number. ``titles``: of skills, by slug."""
    labs = Lab.objects.filter(retired=False, current__isnull=False).select_related("current")
    return [
        Card(
            lab.slug,
            lab,
            lab.spec,
            tuple(titles.get(s, s) for s in lab.spec.skills),
            standings.get(lab.slug),
        )
        for lab in labs
    ]


def _planned(tracks: list[Track], installed: set[str]) -> list[str]:
    """Titles of what these tracks name and nobody has installed yet."""
    named = {slug: track.planned.get(slug, slug) for track in tracks for slug in track.labs}
    return [title for slug, title in named.items() if slug not in installed]


def _track_row(track: Track, standings: Mapping[str, Standing]) -> dict[str, object]:
    marks = [standings[slug].best if slug in standings else "" for slug in track.labs]
    return {"track": track, "marks": marks, "passed": marks.count("passed"), "total": len(marks)}


def _skill_row(skill: Skill, cards: list[Card]) -> dict[str, object] | None:
    """One mark for each installed lab that proves the skill; full when passed."""
    proving = [card for card in cards if skill.slug in card.spec.skills]
    if not proving:
        return None
    marks = sorted((card.state == "passed" for card in proving), reverse=True)
    places = [{"x": 1 + 20 * i, "on": on} for i, on in enumerate(marks[:5])]
    return {"skill": skill, "places": places, "passed": sum(marks), "total": len(marks)}


def carry_on(cards: list[Card]) -> Card | None:
    """The lab that the visitor worked on last and has not passed."""
    begun = [card for card in cards if card.standing and card.state != "passed"]
    return max(begun, key=lambda card: card.standing.last.pk if card.standing else 0, default=None)
