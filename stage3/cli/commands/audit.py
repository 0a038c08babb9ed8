"""``stage3 audit``: read and verify the record."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from audit.errors import GrammarError
from audit.log import AuditEventLog
from stage3.cli.errors import InputRefusedError
from stage3.cli.home import open_given_store
from stage3.cli.output.answers import Answer
from stage3.cli.output.console import ProgressBar
from stage3.cli.output.failures import refused
from stage3.cli.output.rendering import pairs, table, time_text
from stage3.cli.output.trail_view import trail_document, trail_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from audit.verification import VerificationReport
    from stage3.cli.arguments import Given
    from stage3.cli.dispatch import Command
    from stage3.cli.output.console import Console
    from stage3.cli.output.rendering import Json

__all__ = ["COMMANDS"]


def _trail(given: Given, _console: Console) -> Answer:
    with open_given_store(given) as store:
        try:
            trail = AuditEventLog(store).trail(given.execution_id.lower())
        except GrammarError as error:
            raise InputRefusedError("an execution id is a UUID") from error
    document: dict[str, Json] = {
        "execution_id": given.execution_id.lower(),
        "events": trail_document(trail),
    }
    if not trail:
        sentence = "no execution of this id is on record"
        return Answer(document=document, problem=refused("EXECUTION_UNKNOWN", sentence))
    return Answer(document=document, lines=tuple(trail_lines(trail)))


def _verify(given: Given, _console: Console) -> Answer:
    bar = ProgressBar("verifying")
    with open_given_store(given) as store:
        try:
            report = AuditEventLog(store).verify(progress=bar)
        finally:
            bar.clear()
    return _report_answer(report)


def _report_answer(report: VerificationReport) -> Answer:
    document: dict[str, Json] = {
        "whole": bool(report),
        "entries": report.entries,
        "root": report.root.hex(),
        "findings": [
            {
                "position": finding.position,
                "stream": finding.stream,
                "kind": finding.kind,
                "message": finding.message,
            }
            for finding in report.findings
        ],
        "findings_left_out": report.omitted,
    }
    said: list[tuple[str, Json]] = [
        ("entries", report.entries),
        ("root", report.root.hex()),
    ]
    if report:
        lines = pairs([*said, ("verdict", "whole: every entry, link and counter fits")])
        return Answer(document=document, lines=tuple(lines))
    count = len(report.findings) + report.omitted
    rows = [
        (one.position, one.stream, one.kind, one.message) for one in report.findings
    ]
    return Answer(
        document=document,
        lines=(
            *pairs(said),
            "",
            *table(("POSITION", "STREAM", "KIND", "FINDING"), rows),
        ),
        problem=refused("LEDGER_NOT_WHOLE", f"the ledger has {count} finding(s)"),
    )


def _head(given: Given, _console: Console) -> Answer:
    with open_given_store(given) as store:
        head = AuditEventLog(store).head()
        ledger_id = store.ledger_id
    document: dict[str, Json] = {
        "ledger_id": ledger_id,
        "size": head.size,
        "root": head.root.hex(),
        "newest_entry": time_text(head.time_us) if head.size else None,
    }
    return Answer(document=document, lines=tuple(pairs(document.items())))


COMMANDS: Final[Mapping[str, Command]] = MappingProxyType(
    {"audit head": _head, "audit trail": _trail, "audit verify": _verify}
)
