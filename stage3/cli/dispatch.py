"""From a command's words to its function, importing only what that one needs.

Source: docs/spec/cli.md, CLI-1.3.
"""

# ruff: noqa: PLC0415 - a command must not pay for the imports of the others

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from stage3.cli.arguments import Given
from stage3.cli.errors import UsageError
from stage3.cli.output.answers import Answer
from stage3.cli.output.console import Console

__all__ = ["Command", "command_of"]

Command: TypeAlias = Callable[[Given, Console], Answer]
_Commands: TypeAlias = Mapping[str, Command]


def command_of(words: str) -> Command:
    """Import the module of a command and give its function.

    Raises:
        UsageError: The words name a group of commands, or nothing.
    """
    group = _GROUPS.get(words.partition(" ")[0])
    found = None if group is None else group().get(words)
    if found is None:
        program = f"stage3 {words}".rstrip()
        raise UsageError("a command is missing", hint=f"See `{program} --help`.")
    return found


def _audit() -> _Commands:
    from stage3.cli.commands.audit import COMMANDS

    return COMMANDS


def _demo() -> _Commands:
    from stage3.cli.commands.demo import COMMANDS

    return COMMANDS


def _doctor() -> _Commands:
    from stage3.cli.commands.doctor import COMMANDS

    return COMMANDS


def _domains() -> _Commands:
    from stage3.cli.commands.domains import COMMANDS

    return COMMANDS


def _init() -> _Commands:
    from stage3.cli.commands.init import COMMANDS

    return COMMANDS


def _keys() -> _Commands:
    from stage3.cli.commands.keys import COMMANDS

    return COMMANDS


def _plan() -> _Commands:
    from stage3.cli.commands.plan import COMMANDS

    return COMMANDS


def _platform() -> _Commands:
    from stage3.cli.commands.platform import COMMANDS

    return COMMANDS


def _store() -> _Commands:
    from stage3.cli.commands.store import COMMANDS

    return COMMANDS


def _token() -> _Commands:
    from stage3.cli.commands.token import COMMANDS

    return COMMANDS


def _version() -> _Commands:
    from stage3.cli.commands.version import COMMANDS

    return COMMANDS


_GROUPS: Final[Mapping[str, Callable[[], _Commands]]] = MappingProxyType(
    {
        "audit": _audit,
        "demo": _demo,
        "doctor": _doctor,
        "domains": _domains,
        "init": _init,
        "keys": _keys,
        "pause": _platform,
        "plan": _plan,
        "recover": _platform,
        "resume": _platform,
        "store": _store,
        "token": _token,
        "version": _version,
    }
)
