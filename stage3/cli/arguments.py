"""The arguments of a command, read and named.

Light on purpose, like all that ``stage3 --help`` needs.

Source: docs/spec/cli.md, CLI-1.
"""

from __future__ import annotations

import argparse
import os
import re
from typing import TYPE_CHECKING, Final

from stage3.cli.grammar import new_parser
from stage3.cli.parsers import DEFAULT_HOME, HOME_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Given", "parse"]

_KEY_OPTION: Final = "--key"
_KEY_ID: Final = re.compile(r"-[A-Za-z0-9_-]{42}")


class Given(argparse.Namespace):
    """The arguments of one command; only those that it declares are there."""

    command: str
    json: bool
    home: str
    store: str | None
    trust: str | None
    no_trust: bool

    admission: str
    all: bool
    by: str
    credential: str | None
    credential_fd: int | None
    domain: str
    execution_id: str
    folder: str | None
    given_execution_id: str | None
    installed: bool
    issuer: str | None
    jwks: str | None
    key: str | None
    kid: str
    ledger_id: str | None
    manifests: list[str]
    name: str
    no_roles: bool
    out: str | None
    passphrase_fd: int | None
    passphrase_file: str | None
    plan: str
    purpose: str
    reason: str
    request: str
    roles: str
    show: bool
    state: str
    step: list[str]
    token: str | None
    token_hash: str
    trigger: str
    trusted_manifests: list[str]
    user: str
    only_user: str | None


def parse(words: Sequence[str]) -> Given:
    """Read the words of a command line.

    Raises:
        UsageError: They are not those of a command.
        HelpRequested: Help was asked for.
    """
    given = new_parser().parse_args(_with_key_ids(words), namespace=Given())
    # Given before or after the command's name, or nowhere: one meaning.
    home = os.environ.get(HOME_VARIABLE) or DEFAULT_HOME
    for name, value in {
        "home": home,
        "json": False,
        "no_trust": False,
        "store": None,
        "trust": None,
    }.items():
        if not hasattr(given, name):
            setattr(given, name, value)
    return given


def _with_key_ids(words: Sequence[str]) -> list[str]:
    """Join ``--key`` with an id that begins with a hyphen, as one in 64 does."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] == _KEY_OPTION and _KEY_ID.fullmatch(word):
            joined[-1] = f"{_KEY_OPTION}={word}"
        else:
            joined.append(word)
    return joined
