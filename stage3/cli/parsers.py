"""What the parsers of all commands have in common.

Source: docs/spec/cli.md, CLI-1.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final, NoReturn, TypeAlias

from stage3.cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _typeshed import SupportsWrite

__all__ = [
    "DEFAULT_HOME",
    "HOME_VARIABLE",
    "Formatter",
    "Groups",
    "HelpRequested",
    "Parser",
    "add_command",
    "add_common",
    "add_domains",
    "add_group",
    "add_json",
    "add_passphrase",
    "add_why",
    "descriptor",
    "one_of",
]

HOME_VARIABLE: Final = "STAGE3_HOME"
"""The environment variable that names the home folder when ``--home`` does not."""

DEFAULT_HOME: Final = ".stage3"
_WIDTH: Final = 88
_MAX_DIGITS: Final = 4

Groups: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - the only name it has
"""What commands are added to."""


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Help of one width everywhere, so that the reference page can be compared."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=_WIDTH)


class HelpRequested(Exception):  # noqa: N818 - nothing is wrong
    """Somebody asked for help; ``text`` is it."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class Parser(argparse.ArgumentParser):
    """A parser that raises instead of printing and leaving."""

    def print_help(self, file: SupportsWrite[str] | None = None) -> None:
        """Give the help to the caller; argparse itself forgets what fails to print.

        Raises:
            HelpRequested: Always.
        """
        del file
        raise HelpRequested(self.format_help())

    def error(self, message: str) -> NoReturn:
        """Refuse the arguments.

        Raises:
            UsageError: Always.
        """
        raise UsageError(message, hint=f"See `{self.prog} --help`.")


def add_json(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add the option that every command has, at the end of its help."""
    here = parser.add_argument_group("common options")
    here.add_argument(
        "--json",
        action="store_true",
        default=argparse.SUPPRESS,
        help="print one JSON document",
    )
    return here


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add the options of every command that needs a home, at the end of its help."""
    here = add_json(parser)
    nowhere = argparse.SUPPRESS
    here.add_argument(
        "--home",
        metavar="DIR",
        default=nowhere,
        help=f"the home folder (default: ${HOME_VARIABLE} or ./{DEFAULT_HOME})",
    )
    here.add_argument(
        "--store",
        metavar="URL",
        default=nowhere,
        help="another store than the home's: sqlite:///FILE or postgresql://HOST/DB",
    )
    here.add_argument(
        "--trust",
        metavar="FILE",
        default=nowhere,
        help="another trust file than the home's",
    )
    here.add_argument(
        "--no-trust",
        action="store_true",
        default=nowhere,
        help="believe the keys in the store, without a trust file",
    )


def add_group(groups: Groups, name: str, summary: str) -> Groups:
    """Add a group of commands, and give what its commands are added to."""
    parser = groups.add_parser(
        name,
        prog=f"stage3 {name}",
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        usage=f"stage3 {name} [options] COMMAND ...",
        formatter_class=Formatter,
        allow_abbrev=False,
    )
    parser.set_defaults(command=name)
    return parser.add_subparsers(metavar="COMMAND", title="commands")


def add_command(
    groups: Groups, words: str, summary: str, *, takes: str = "", more: str = ""
) -> argparse.ArgumentParser:
    """Add a command.

    Args:
        groups: What it is added to.
        words: Its words, the group's first.
        summary: What it does, as the list of commands says it.
        takes: Its arguments that are no options, for the usage line.
        more: Sentences that only its own help shows.
    """
    parser = groups.add_parser(
        words.rpartition(" ")[2],
        prog=f"stage3 {words}",
        help=summary,
        description=summary[0].upper()
        + summary[1:]
        + "."
        + (f"\n\n{more}" * bool(more)),
        usage=f"stage3 {words} [options]" + (f" {takes}" * bool(takes)),
        formatter_class=Formatter,
        allow_abbrev=False,
    )
    parser.set_defaults(command=words)
    return parser


def add_why(parser: argparse.ArgumentParser) -> None:
    """Add who decided something, and why; both stand in the record."""
    parser.add_argument(
        "--reason", metavar="TEXT", required=True, help="why, for people (required)"
    )
    parser.add_argument(
        "--by", metavar="WHO", required=True, help="who decided it (required)"
    )


def add_domains(parser: argparse.ArgumentParser) -> None:
    """Add which domains there are beside the built-in ones."""
    parser.add_argument(
        "--domain",
        metavar="FILE",
        dest="manifests",
        action="append",
        default=[],
        help="also the domain of this domain.toml; repeat it for more",
    )
    parser.add_argument(
        "--trusted-domain",
        metavar="FILE",
        dest="trusted_manifests",
        action="append",
        default=[],
        help="likewise, and let a tier in_process run in this process",
    )
    parser.add_argument(
        "--installed-domains",
        dest="installed",
        action="store_true",
        help="also the domains that installed packages declare",
    )


def add_passphrase(parser: argparse.ArgumentParser) -> None:
    """Add where the passphrase of the keys comes from."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--passphrase-file",
        metavar="FILE",
        help="its first line is the passphrase of the keys",
    )
    source.add_argument(
        "--passphrase-fd",
        metavar="N",
        type=descriptor,
        help="read it from this open descriptor (default: ask)",
    )


def descriptor(text: str) -> int:
    """Read the number of an open descriptor.

    Raises:
        argparse.ArgumentTypeError: It is no such number.
    """
    if not text.isascii() or not text.isdigit() or len(text) > _MAX_DIGITS:
        raise argparse.ArgumentTypeError("a descriptor is a number from 0 to 9999")
    return int(text)


def one_of(names: Sequence[str]) -> str:
    """Say what may be chosen."""
    return "one of " + ", ".join(names)
