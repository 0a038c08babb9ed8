"""A ranking of the catalogue given, with the reason for every score.

Each mood is a place on the plane of energy and pleasantness (``valence`` of a
track), both from 0 to 1. A track scores by its distance from that place, plus its
tags, and nothing else: no popularity, no history.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from stage2_domains.figures import rounded
from stage2_domains.sentences import listed, printable

if TYPE_CHECKING:
    from stage2_domains.reading import Record
    from stage2_domains.tabled import Answer

__all__ = ["MOODS", "recommend_music"]

MOODS: Final = {
    "balanced": (0.5, 0.5),
    "calm": (0.25, 0.7),
    "energetic": (0.9, 0.7),
    "focused": (0.4, 0.5),
    "happy": (0.75, 0.9),
    "romantic": (0.35, 0.75),
    "sad": (0.25, 0.2),
    "tense": (0.8, 0.25),
}
"""Energy and valence of each mood."""

_TAG_POINTS: Final = 10.0
_MOST_TAGS: Final = 2
_NEAR: Final = 0.15


@dataclass(frozen=True, slots=True)
class _Scored:
    title: str
    artist: str
    score: float
    reasons: tuple[str, ...]


def recommend_music(given: Record) -> Answer:
    """Rank the catalogue for a mood; equal scores by title, then artist.

    A perfect place gives 80 points, the far corner of the plane 0; the mood's name
    and the tags asked for give 10 points each, at most 20 together.
    """
    mood = given.text("mood")
    if mood not in MOODS:
        raise given.refusal(
            "mood", f"'{printable(mood)}' is not known; known are {listed(MOODS)}"
        )
    tags = {tag.lower() for tag in given.texts("tags")} | {mood}
    avoided = set(given.texts("avoid_artists"))
    tracks = given.records("catalogue")
    scored = [
        _score(track, MOODS[mood], tags)
        for track in tracks
        if track.text("artist") not in avoided
    ]
    scored.sort(key=lambda one: (-one.score, one.title, one.artist))
    chosen = _varied(scored, given.integer("per_artist", 2), given.integer("limit", 5))
    return {
        "mood": mood,
        "target": {"energy": MOODS[mood][0], "valence": MOODS[mood][1]},
        "considered": len(scored),
        "avoided": len(tracks) - len(scored),
        "recommendations": [
            {
                "rank": rank,
                "title": one.title,
                "artist": one.artist,
                "score": one.score,
                "reasons": list(one.reasons),
            }
            for rank, one in enumerate(chosen, start=1)
        ],
    }


def _score(track: Record, target: tuple[float, float], tags: set[str]) -> _Scored:
    energy, valence = track.number("energy"), track.number("valence")
    distance = math.hypot(energy - target[0], valence - target[1])
    matching = sorted({tag.lower() for tag in track.texts("tags")} & tags)[:_MOST_TAGS]
    fit = max(0.0, 1 - distance / math.sqrt(2)) * 80
    reasons = [
        _compared("energy", energy, target[0]),
        _compared("valence", valence, target[1]),
    ]
    reasons += [f"tagged '{printable(tag, 40)}'" for tag in matching]
    return _Scored(
        title=track.text("title"),
        artist=track.text("artist"),
        score=rounded(fit + _TAG_POINTS * len(matching), 1),
        reasons=tuple(reasons),
    )


def _compared(name: str, value: float, target: float) -> str:
    if abs(value - target) <= _NEAR:
        return f"{name} {rounded(value)} is close to {target}"
    side = "above" if value > target else "below"
    return f"{name} {rounded(value)} is {side} {target}"


def _varied(scored: list[_Scored], per_artist: int, limit: int) -> list[_Scored]:
    """Take the best ``limit``, at most ``per_artist`` of one artist."""
    taken: dict[str, int] = {}
    chosen: list[_Scored] = []
    for one in scored:
        if len(chosen) == limit:
            break
        if taken.get(one.artist, 0) < per_artist:
            taken[one.artist] = taken.get(one.artist, 0) + 1
            chosen.append(one)
    return chosen
