"""What the rows kept beside the ledger must say, added up from its entries.

Three collections repeat what the entries say, so that a decision need not read
them all: how far each execution is, what each token has used, and when. The
verifier adds the same numbers up from the entries alone and compares, in both
directions. Nothing here trusts a row: a value of any type and any content is
compared, never used.

Source: docs/spec/ledger.md, AUD-8.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from audit.canonical import JsonValue, parse_canonical
from audit.decoding import Entry
from audit.errors import LedgerFormatError
from audit.events import AuditEventType
from audit.records import StreamHead
from audit.trail import is_closed

__all__ = ["Accounts", "Records", "Report", "Row", "StreamState"]

Row: TypeAlias = Mapping[str, str | int | bytes | None]
Report: TypeAlias = Callable[[str, str, str], None]
"""Takes a kind, the stream concerned and a sentence."""

_EXECUTION: Final = "execution:"
_TOTALS: Final = ("invocations", "units", "reserved", "executions")
_ENDS: Final = frozenset(
    {AuditEventType.EXECUTION_COMPLETED, AuditEventType.OPERATION_ABORTED}
)


@dataclass(frozen=True, slots=True)
class Records:
    """The rows to compare with the entries; None for a collection not kept.

    ``uses`` come in the order of their key: token hash, then number. ``search``
    gives where a stream stands as decisions find it, by its name; it may raise an
    ``AuditError``.
    """

    executions: Iterable[Row] | None = None
    usage: Iterable[Row] | None = None
    uses: Iterable[Row] | None = None
    search: Callable[[str], StreamHead] | None = None


@dataclass(slots=True)
class _Tally:
    """What one token has used, by the entries; ``uses`` are time and stream."""

    invocations: int = 0
    units: int = 0
    reserved: int = 0
    executions: int = 0
    uses: list[tuple[int, str]] = field(default_factory=list)
    use_rows: int = 0
    has_row: bool = False


@dataclass(slots=True)
class StreamState:
    """Where one stream stands while the ledger is walked."""

    size: int
    last_hash: bytes
    state: str
    time_us: int
    open_step: tuple[str, int, int] | None = None
    """Token, reservation and step of a start that is not settled yet."""

    opened: tuple[str, str, int] | None = None
    """Token, user and time of the first entry, where it could be read."""

    code: str | None = None
    """The reason code of the newest entry that could be read."""

    has_row: bool = False


class Accounts:
    """Adds up what tokens have used, entry by entry."""

    __slots__ = ("_tallies",)

    def __init__(self) -> None:
        self._tallies: dict[str, _Tally] = {}

    def book(self, entry: Entry, stream: StreamState) -> str | None:
        """Book one entry of an execution; ``stream`` stands right after it.

        Returns:
            None, or what is wrong with the numbers in its details.

        Source:
            AUD-8.2.
        """
        if entry.event_type is AuditEventType.EXECUTION_STARTED:
            return self._book_start(entry, stream)
        if stream.open_step is not None and entry.event_type in _ENDS:
            opened, stream.open_step = stream.open_step, None
            return self._book_end(entry, opened)
        return None

    def _book_start(self, entry: Entry, stream: StreamState) -> str | None:
        tally = self._tallies.setdefault(entry.token_hash, _Tally())
        reserved = _natural(entry.details.get("reserved"))
        step = _natural(entry.details.get("step"))
        tally.invocations += 1
        tally.reserved += reserved or 0
        if step == 0:
            tally.executions += 1
            tally.uses.append((entry.time_us, entry.stream))
        stream.open_step = (entry.token_hash, reserved or 0, step or 0)
        if reserved is None or step is None:
            return "a start carries step and reserved"
        if not stream.state.startswith(f"started {step}/"):
            return "the step started is not the one that is next"
        return None

    def _book_end(self, entry: Entry, opened: tuple[str, int, int]) -> str | None:
        token_hash, reserved, step = opened
        charged = _natural(entry.details.get("charged"))
        tally = self._tallies[token_hash]
        tally.units += charged or 0
        tally.reserved -= reserved
        if charged is None:
            return "the end of a started step carries charged"
        if charged > reserved:
            return "more was charged than reserved"
        if entry.token_hash != token_hash:
            return "the step ended under another token than it started"
        is_abort = entry.event_type is AuditEventType.OPERATION_ABORTED
        if not is_abort and entry.details.get("step") != step:
            return "the step completed is not the one that was started"
        return None

    def compare_usage(self, rows: Iterable[Row], report: Report) -> None:
        """Compare the totals of every token (AUD-8.3)."""
        for row in rows:
            name = _text(row.get("token_hash"))
            # A token that was never used has all totals at zero.
            tally = self._tallies.get(name) or _Tally()
            if tally.has_row:
                report("usage", f"token:{name}", "a second usage row")
            tally.has_row = True
            for total in _TOTALS:
                if not _same(row.get(total), getattr(tally, total)):
                    report(
                        "usage",
                        f"token:{name}",
                        f"{total} is not {getattr(tally, total)}, as the entries say",
                    )
        for name, tally in self._tallies.items():
            if not tally.has_row:
                report(
                    "usage", f"token:{name}", "a token was used and has no usage row"
                )

    def compare_uses(self, rows: Iterable[Row], report: Report) -> None:
        """Compare when, and by which execution, each token was used (AUD-8.4)."""
        for row in rows:
            name = _text(row.get("token_hash"))
            tally = self._tallies.get(name) or _Tally()
            place = tally.use_rows
            tally.use_rows += 1
            if place >= len(tally.uses) or not _same(row.get("number"), place + 1):
                report("use", f"token:{name}", f"no entry is use {place + 1}")
                continue
            time_us, stream = tally.uses[place]
            same_id = _EXECUTION + _text(row.get("execution_id")) == stream
            if not (same_id and _same(row.get("time_us"), time_us)):
                report(
                    "use", f"token:{name}", f"use {place + 1} differs from its entry"
                )
        for name, tally in self._tallies.items():
            if tally.use_rows < len(tally.uses):
                missing = len(tally.uses) - tally.use_rows
                report("use", f"token:{name}", f"{missing} uses have no row")


def compare_executions(
    rows: Iterable[Row], streams: Mapping[str, StreamState], report: Report
) -> None:
    """Compare how far each execution is (AUD-8.1)."""
    for row in rows:
        name = _EXECUTION + _text(row.get("execution_id"))
        stream = streams.get(name)
        if stream is None:
            report("execution", name, "the row has no entries")
            continue
        if stream.has_row:
            report("execution", name, "a second row for one execution")
        stream.has_row = True
        for column in _differing(row, stream):
            report("execution", name, f"{column} differs from the entries")
    for name, stream in streams.items():
        if name.startswith(_EXECUTION) and not stream.has_row:
            report("execution", name, "the entries have no row")


def _differing(row: Row, stream: StreamState) -> list[str]:
    """Name the columns that say something else than the entries."""
    columns = _execution_columns(stream)
    wrong = [name for name, wanted in columns if not _same(row.get(name), wanted)]
    if is_closed(stream.state) and not _is_outcome(row.get("outcome"), stream.code):
        wrong.append("outcome")
    return wrong


def _is_outcome(value: object, code: str | None) -> bool:
    """Tell whether a row keeps this reason code as outcome, or success for None."""
    try:
        kept = parse_canonical(_text(value).encode())
    except (LedgerFormatError, UnicodeEncodeError):
        return False
    if type(kept) is not dict:
        return False
    is_success = kept.get("success")
    return is_success is (code is None) and kept.get("code") == code


def _execution_columns(stream: StreamState) -> tuple[tuple[str, str | int], ...]:
    token_hash, user_id, time_us = stream.opened or ("", "", -1)
    return (
        ("token_hash", token_hash),
        ("user_id", user_id),
        ("started_us", time_us),
        ("events", stream.size),
        ("last_hash", stream.last_hash.hex()),
        ("trail_state", stream.state),
        ("state", "closed" if is_closed(stream.state) else "open"),
    )


def _same(value: object, wanted: str | int) -> bool:
    """Compare type and value: neither True nor 1.0 is 1 here."""
    return type(value) is type(wanted) and value == wanted


def _natural(value: JsonValue) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _text(value: object) -> str:
    """Name a row's key; what is no text names nothing that exists."""
    return value if type(value) is str else f"?{type(value).__name__}"
