"""The counters of a token, kept in the transaction that writes the entry.

Nothing here decides whether a step may start: ``tokens.limits`` does, and the
gates ask it. What is here writes down what was decided, and stops if the
decision and the counters do not fit together. That is never a refusal of the
caller's plan: it is a fault of ours, or of whoever edited the store.

Spec: docs/spec/authority.md, AUT-7.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from audit.errors import DuplicateKeyError
from audit.store.interface import ReadTransaction, Value, WriteTransaction
from tokens.limits import (
    Limits,
    Usage,
    check_before_start,
    check_executions,
    reservation,
)
from tokens.state.collections import USAGE, USE

__all__ = [
    "AccountingError",
    "Basis",
    "Reservation",
    "Start",
    "close_reservation",
    "open_reservation",
    "read_bounding_use",
    "read_usage",
]


class AccountingError(RuntimeError):
    """Counters and decisions do not fit: a fault, never a refusal.

    It is outside the tree of ``TokenError`` on purpose, so that nothing that
    answers refusals can swallow it. The transaction it ends writes nothing.
    """


@dataclass(frozen=True, slots=True)
class Reservation:
    """What a started step took: its units, and the counters around it."""

    reserved: int
    usage_before: Usage
    usage_after: Usage


@dataclass(frozen=True, slots=True)
class Basis:
    """What the limit check of a start was made on, all read under one lock.

    ``bounding_use_us`` is the answer of ``read_bounding_use``.
    """

    limits: Limits
    max_executions: int | None
    usage: Usage
    bounding_use_us: int | None


@dataclass(frozen=True, slots=True)
class Start:
    """A step about to start: whose, which, and when (Unix microseconds)."""

    token_hash: str
    execution_id: str
    step: int
    time_us: int


def read_usage(tx: ReadTransaction, token_hash: str) -> Usage | None:
    """Read the counters of a token; ``None`` where nothing was ever started.

    Raises:
        AccountingError: The row holds what no counter can be.
    """
    row = tx.get(USAGE, token_hash)
    if row is None:
        return None
    try:
        return Usage(
            _number(row, "invocations"),
            _number(row, "units"),
            _number(row, "reserved"),
            _number(row, "executions"),
        )
    except ValueError as error:
        raise AccountingError("the usage row of the token is damaged") from error


def read_bounding_use(
    tx: ReadTransaction, token_hash: str, limits: Limits, usage: Usage
) -> int | None:
    """Read when the use happened that bounds the frequency window.

    With N uses allowed that is the N-th newest: while it is inside the window,
    N uses are. One point read, however many uses there are.

    Returns:
        Unix microseconds, or ``None`` while fewer than N uses happened.

    Raises:
        AccountingError: The row of that use is missing.

    Source:
        rules 2C.5; AUT-7.4.
    """
    number = usage.executions - limits.frequency.count + 1
    if number < 1:
        return None
    row = tx.get(USE, token_hash, number)
    if row is None:
        raise AccountingError(f"use {number} of the token has no row")
    return _number(row, "time_us")


def open_reservation(tx: WriteTransaction, start: Start, basis: Basis) -> Reservation:
    """Count a step that starts in this transaction and reserve its units.

    Args:
        tx: The transaction that also appends the step's EXECUTION_STARTED.
        start: The step. Step 0 is a use of the token and gets a use row.
        basis: What the limit check saw, in this same transaction.

    Raises:
        AccountingError: The counters are not those decided on, a limit does not
            allow the step, or the use has a row already.

    Source:
        AUT-7.1 to AUT-7.5.
    """
    stored = read_usage(tx, start.token_hash)
    before = Usage() if stored is None else stored
    if before != basis.usage:
        raise AccountingError("the counters are not those the limits were checked on")
    _require_allowed(start, basis)

    amount = reservation(basis.limits, before)
    after = Usage(
        invocations=before.invocations + 1,
        units=before.units,
        reserved=before.reserved + amount,
        executions=before.executions + (1 if start.step == 0 else 0),
    )
    if stored is None:
        tx.insert(USAGE, {"token_hash": start.token_hash, **_columns(after)})
    else:
        tx.update(USAGE, (start.token_hash,), _columns(after))
    if start.step == 0:
        _insert_use(tx, start, after.executions)
    return Reservation(amount, before, after)


def close_reservation(
    tx: WriteTransaction, token_hash: str, *, reserved: int, charged: int
) -> Usage:
    """Release what a step reserved and charge what it used.

    Returns:
        The counters after it.

    Raises:
        AccountingError: Nothing was reserved, less than this is reserved, or
            the charge is negative or above the reservation.

    Source:
        AUT-7.6.
    """
    before = read_usage(tx, token_hash)
    if before is None or not 1 <= reserved <= before.reserved:
        raise AccountingError(f"{reserved} units were never reserved for the token")
    if not 0 <= charged <= reserved:
        raise AccountingError(f"{charged} units charged of {reserved} reserved")
    after = Usage(
        before.invocations,
        before.units + charged,
        before.reserved - reserved,
        before.executions,
    )
    tx.update(USAGE, (token_hash,), _columns(after))
    return after


def _require_allowed(start: Start, basis: Basis) -> None:
    """Ask the limits once more: no caller can start a step they refuse."""
    first_step = start.step == 0
    refusal = check_before_start(
        basis.limits,
        basis.usage,
        now_us=start.time_us,
        bounding_use_us=basis.bounding_use_us,
        first_step=first_step,
    )
    if refusal is None and first_step:
        refusal = check_executions(basis.max_executions, basis.usage)
    if refusal is not None:
        raise AccountingError(f"started against a limit: {refusal.sentence}")


def _insert_use(tx: WriteTransaction, start: Start, number: int) -> None:
    try:
        tx.insert(
            USE,
            {
                "token_hash": start.token_hash,
                "number": number,
                "time_us": start.time_us,
                "execution_id": start.execution_id,
            },
            late=True,
        )
    except DuplicateKeyError as error:
        # The uses run ahead of the counter: somebody turned the counter back. Told
        # late, it ends the block as well, and nothing starts.
        raise AccountingError(f"use {number} of the token is taken") from error


def _columns(usage: Usage) -> dict[str, Value]:
    return {
        "invocations": usage.invocations,
        "units": usage.units,
        "reserved": usage.reserved,
        "executions": usage.executions,
    }


def _number(row: Mapping[str, Value], column: str) -> int:
    value = row[column]
    if type(value) is not int:
        raise AccountingError(f"the column {column} does not hold an integer")
    return value
