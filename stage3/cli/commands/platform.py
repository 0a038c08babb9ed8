"""``stage3 pause``, ``resume`` and ``recover``."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from stage3.cli.errors import InputRefusedError
from stage3.cli.home import home_of, open_given_store
from stage3.cli.intake.passphrase import read_passphrase
from stage3.cli.output.answers import Answer
from stage3.cli.output.console import ProgressBar
from stage3.cli.output.rendering import pairs, time_text
from stage3.cli.signing import SealedKeys, authority, platform_of
from stage3.recovery import recover

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from audit.records import Receipt
    from stage3.cli.arguments import Given
    from stage3.cli.dispatch import Command
    from stage3.cli.output.console import Console
    from stage3.cli.output.rendering import Json
    from tokens.authority import TokenAuthority

__all__ = ["COMMANDS"]


def _pause(given: Given, _console: Console) -> Answer:
    return _turn(given, "paused", lambda acting: acting.pause(given.reason, given.by))


def _resume(given: Given, _console: Console) -> Answer:
    return _turn(given, "running", lambda acting: acting.resume(given.reason, given.by))


def _turn(given: Given, state: str, act: Callable[[TokenAuthority], Receipt]) -> Answer:
    sealed = SealedKeys(home_of(given), read_passphrase(given))
    with open_given_store(given) as store:
        platform = platform_of(store)
        acting = authority(store, platform, pause=sealed.active(platform, "pause"))
        try:
            receipt = act(acting)
        except ValueError as error:
            raise InputRefusedError(str(error)) from error
    document: dict[str, Json] = {
        "platform": state,
        "recorded_at": time_text(receipt.time_us),
        "leaf_index": receipt.leaf_index,
    }
    return Answer(document=document, lines=tuple(pairs(document.items())))


def _recover(given: Given, _console: Console) -> Answer:
    bar = ProgressBar("verifying")
    with open_given_store(given) as store:
        try:
            report = recover(store, progress=bar)
        finally:
            bar.clear()
    document: dict[str, Json] = {
        "entries_verified": report.entries,
        "closed": list(report.closed),
        "latch_lifted": report.latch_lifted,
    }
    lines = [
        *pairs(
            [
                ("entries verified", report.entries),
                ("executions closed", len(report.closed)),
                ("latch lifted", report.latch_lifted),
            ]
        ),
        *(f"  {execution_id}" for execution_id in report.closed),
    ]
    return Answer(document=document, lines=tuple(lines))


COMMANDS: Final[Mapping[str, Command]] = MappingProxyType(
    {"pause": _pause, "recover": _recover, "resume": _resume}
)
