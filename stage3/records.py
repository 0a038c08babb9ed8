"""The execution row: one per execution id, beside the ledger.

It claims the id (no id is executed twice), names the owner and epoch that may append,
mirrors where the trail stands, and keeps what the ledger must not: the salt and the
plan's digest, which can be erased without touching the tree.

Source: docs/spec/execution.md, EXE-4; design sections 3, 5 and 6.
"""

from __future__ import annotations

from typing import Final, cast

from audit.canonical import canonical_bytes, parse_canonical
from audit.entry import ledger_text, printable
from audit.events import ReasonCode
from audit.store.interface import Collection, Column, Index
from stage3.outcome import PlanError

__all__ = ["CLOSED", "EXECUTION", "OPEN", "error_of", "outcome_text"]

OPEN: Final = "open"
CLOSED: Final = "closed"

EXECUTION: Final = Collection(
    name="execution",
    key=("execution_id",),
    columns=(
        Column("execution_id", "text"),
        Column("token_hash", "text"),
        Column("user_id", "text"),
        Column("trigger", "text"),
        Column("plan_digest", "text", nullable=True),
        Column("salt", "blob", nullable=True),
        Column("admission", "text"),
        Column("owner_id", "text"),
        Column("epoch", "integer"),
        Column("state", "text"),
        Column("trail_state", "text"),
        Column("events", "integer"),
        Column("last_hash", "text"),
        Column("steps", "integer"),
        Column("step", "integer", nullable=True),
        Column("outcome", "text", nullable=True),
        Column("started_us", "integer"),
        Column("closed_us", "integer", nullable=True),
    ),
    indexes=(Index(("state",), only=(("state", OPEN),)),),
    writers=frozenset({"executor"}),
    growing=("epoch", "events"),
)


def outcome_text(error: PlanError | None, record: str | None) -> str:
    """Give what the row keeps of an outcome: no payload, no domain's words.

    Args:
        error: None for success.
        record: The sentence that also stands in the ledger, or None for success.
    """
    if error is None:
        return canonical_bytes({"success": True}).decode()
    return canonical_bytes(
        {
            "success": False,
            "code": error.code.value,
            "sentence": record or error.code.value,
            "step": error.step,
            "domain": None if error.domain is None else ledger_text(error.domain),
            "method": None if error.method is None else ledger_text(error.method),
        }
    ).decode()


def error_of(text: str) -> PlanError | None:
    """Read back what ``outcome_text`` wrote; None means the plan succeeded.

    Raises:
        LedgerFormatError: The text is not one of those.
    """
    kept = cast("dict[str, str | int | bool | None]", parse_canonical(text.encode()))
    if kept["success"] is True:
        return None
    return PlanError(
        code=ReasonCode(cast("str", kept["code"])),
        sentence=printable(cast("str", kept["sentence"]), 400),
        step=cast("int | None", kept["step"]),
        domain=cast("str | None", kept["domain"]),
        method=cast("str | None", kept["method"]),
    )
