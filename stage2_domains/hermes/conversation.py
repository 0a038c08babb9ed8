"""Who says how much, how fast people answer, and what nobody answered."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from stage2_domains.figures import mean, median, ratio, rounded
from stage2_domains.reading import EPOCH

if TYPE_CHECKING:
    from datetime import datetime

    from stage2_domains.reading import Record
    from stage2_domains.tabled import Answer

__all__ = ["COMMON_WORDS", "MAX_SENDERS", "analyze_conversation"]

MAX_SENDERS: Final = 200
"""Distinct senders in one conversation."""

COMMON_WORDS: Final = frozenset(
    """
    about after all also and any are because been before but can could did does
    don't for from get had has have her here him his how i'll i'm into it's its
    just like let more not now off one our out over please she should some than
    thank thanks that the their them then there these they this those too very
    was we'll were what when where which who why will with would yes you your
    """.split()  # noqa: SIM905 - a page of words is easier to read than of quotes
)
"""English words that say nothing about the topic; left out of the top terms."""

_TERMS: Final = 10
_SHOWN: Final = 50
_EXCERPT: Final = 120
_SHORTEST_TERM: Final = 3
_LONGEST_TERM: Final = 40
_WORD: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")


@dataclass(frozen=True, slots=True)
class _Message:
    sender: str
    time: datetime
    text: str

    @property
    def is_question(self) -> bool:
        return "?" in self.text

    def seconds_after(self, other: _Message) -> int:
        return _second(self.time) - _second(other.time)


@dataclass(slots=True)
class _Tally:
    """What one sender did."""

    messages: int
    words: int
    characters: int
    questions: int
    turns: int
    longest_run: int
    waits: list[int]


def analyze_conversation(given: Record) -> Answer:
    """Summarise messages in the order of their times.

    A turn is a run of messages by one sender. A response time is the time from the
    last message of one turn to the first of the next. A question is a message with
    a question mark; it is answered when anyone else writes after it, within
    ``answer_within_minutes`` (a day if not given).
    """
    messages = _read(given)
    tallies = _tallies(messages)
    if len(tallies) > MAX_SENDERS:
        raise given.refusal(
            "messages", f"{len(tallies)} senders, at most {MAX_SENDERS}"
        )
    within = given.integer("answer_within_minutes", 24 * 60) * 60
    questions = [message for message in messages if message.is_question]
    unanswered = _unanswered(messages, within)
    return {
        "message_count": len(messages),
        "analysis": {
            "from": _written(messages[0].time),
            "to": _written(messages[-1].time),
            "turns": sum(tally.turns for tally in tallies.values()),
            "senders": [
                _sender(name, tallies[name], len(messages)) for name in sorted(tallies)
            ],
            "questions_count": len(questions),
            "unanswered_count": len(unanswered),
            "unanswered": [_excerpt(message) for message in unanswered[-_SHOWN:]],
            "top_terms": _top_terms(messages),
        },
    }


def _read(given: Record) -> list[_Message]:
    """Read the messages by time; those of one time stay in the order given."""
    messages = [
        _Message(one.text("sender"), one.moment("time"), one.text("text"))
        for one in given.records("messages")
    ]
    if not messages:
        raise given.refusal("messages", "expected at least one message")
    return sorted(messages, key=lambda message: message.time)


def _tallies(messages: list[_Message]) -> dict[str, _Tally]:
    tallies: dict[str, _Tally] = {}
    previous: _Message | None = None
    run = 0
    for message in messages:
        tally = tallies.setdefault(message.sender, _Tally(0, 0, 0, 0, 0, 0, []))
        tally.messages += 1
        tally.words += len(message.text.split())
        tally.characters += len(message.text)
        tally.questions += message.is_question
        if previous is None or previous.sender != message.sender:
            tally.turns += 1
            run = 0
            if previous is not None:
                tally.waits.append(message.seconds_after(previous))
        run += 1
        tally.longest_run = max(tally.longest_run, run)
        previous = message
    return tallies


def _unanswered(messages: list[_Message], within_s: int) -> list[_Message]:
    """Return the questions nobody else wrote after in time, oldest first."""
    found: list[_Message] = []
    reply: _Message | None = None
    for index in range(len(messages) - 1, -1, -1):
        message = messages[index]
        # ``reply`` is the next message by anybody else.
        later = messages[index + 1] if index + 1 < len(messages) else None
        if later is not None and later.sender != message.sender:
            reply = later
        late = reply is None or reply.seconds_after(message) > within_s
        if message.is_question and late:
            found.append(message)
    return found[::-1]


def _sender(name: str, tally: _Tally, messages: int) -> Answer:
    return {
        "sender": name,
        "messages": tally.messages,
        "share": ratio(tally.messages, messages),
        "words": tally.words,
        "words_per_message": ratio(tally.words, tally.messages, 1),
        "characters": tally.characters,
        "questions": tally.questions,
        "turns": tally.turns,
        "longest_run": tally.longest_run,
        "response_seconds": {
            "count": len(tally.waits),
            "mean": rounded(mean(tally.waits), 1),
            "median": rounded(median(tally.waits), 1),
            "longest": max(tally.waits),
        }
        if tally.waits
        else None,
    }


def _top_terms(messages: list[_Message]) -> list[Answer]:
    """Count words of three letters and more; equal counts in alphabetical order."""
    counts: Counter[str] = Counter()
    for message in messages:
        words = _WORD.findall(message.text.lower())
        counts.update(
            word
            for word in words
            if _SHORTEST_TERM <= len(word) <= _LONGEST_TERM and word not in COMMON_WORDS
        )
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [{"term": term, "count": count} for term, count in ranked[:_TERMS]]


def _excerpt(message: _Message) -> Answer:
    text = " ".join(message.text.split())
    return {
        "sender": message.sender,
        "time": _written(message.time),
        "text": text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}...",
    }


def _written(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


def _second(time: datetime) -> int:
    since = time - EPOCH
    return since.days * 86_400 + since.seconds
