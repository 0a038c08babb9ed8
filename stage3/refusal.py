"""A gate's no: which gate, which code, and the sentence in its two forms.

The caller sees names escaped; the ledger keeps names that are plain and digests of the
others. Both forms come from one template, so they cannot drift apart.

Source: docs/spec/execution.md, EXE-2.2 and EXE-5.7.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from audit.entry import ledger_text, printable

if TYPE_CHECKING:
    from audit.events import JsonValue, ReasonCode

__all__ = ["Gate", "Refusal", "our_words", "refuse"]

_MAX_RECORD: Final = 400
_MAX_OURS: Final = 200


class Gate(StrEnum):
    """Where a refusal came from; it decides which events record it."""

    UNKNOWN = "unknown"
    TOKEN = "token"  # noqa: S105 - the name of a gate
    RECHECK = "recheck"
    SCOPE = "scope"
    LIMITS = "limits"
    BOUNDARY = "boundary"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A gate's no.

    Attributes:
        gate: Which gate said it.
        code: One of the closed list.
        sentence: For the caller: printable ASCII, names escaped.
        record: For the ledger: the same sentence with names that are not plain
            replaced by their digest and length; at most 400 characters.
        details: Numbers for the record; metadata only.
    """

    gate: Gate
    code: ReasonCode
    sentence: str
    record: str
    details: tuple[tuple[str, JsonValue], ...] = ()


def refuse(gate: Gate, code: ReasonCode, template: str, **names: str) -> Refusal:
    """Build a refusal from a sentence of ours and names of anybody's.

    ``template`` is plain ASCII with ``{name}`` fields; each name appears escaped in
    the caller's sentence and as ``ledger_text`` in the record's.
    """
    shown = {key: printable(value) for key, value in names.items()}
    recorded = {key: ledger_text(value) for key, value in names.items()}
    return Refusal(
        gate=gate,
        code=code,
        sentence=template.format(**shown),
        record=template.format(**recorded)[:_MAX_RECORD],
    )


def our_words(sentence: str) -> str:
    """Put a sentence of our own into a template as it is."""
    return printable(sentence, _MAX_OURS).replace("{", "{{").replace("}", "}}")
