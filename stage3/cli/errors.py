"""What the command line itself refuses; everything else keeps its own error.

::

    CliError
    ├── UsageError             the arguments are not those of a command
    ├── InputRefusedError      a file, a value or the passphrase is not as it must be
    ├── HomeMissingError       there is no home folder yet, or a part of it is gone
    ├── HomeNotEmptyError      init was pointed at a folder that holds something
    ├── CredentialRefusedError what was given is no credential
    ├── StoreMissingError      there is no store at the address
    └── OutputFailedError      a file or standard output could not be written

Each has a stable ``code`` and an ``exit_code`` (``docs/reference/cli.md``).
"""

from typing import ClassVar

from stage3.cli.exits import INFRASTRUCTURE, REFUSED, USAGE

__all__ = [
    "CliError",
    "CredentialRefusedError",
    "HomeMissingError",
    "HomeNotEmptyError",
    "InputRefusedError",
    "OutputFailedError",
    "StoreMissingError",
    "UsageError",
]


class CliError(Exception):
    """The root of what the command line itself refuses.

    Attributes:
        hint: What to do next, or None where the table of hints knows better.
    """

    code: ClassVar[str] = "CLI_ERROR"
    exit_code: ClassVar[int] = USAGE

    def __init__(self, sentence: str, *, hint: str | None = None) -> None:
        super().__init__(sentence)
        self.hint = hint


class UsageError(CliError):
    """The arguments are not those of a command."""

    code = "USAGE"


class InputRefusedError(CliError):
    """A file, a value or the passphrase is not as it must be."""

    code = "INPUT_REFUSED"


class HomeMissingError(CliError):
    """There is no home folder yet, or a part of it is gone."""

    code = "HOME_MISSING"


class HomeNotEmptyError(CliError):
    """A new home was to be made where there is something already."""

    code = "HOME_NOT_EMPTY"


class CredentialRefusedError(CliError):
    """What was given as a credential is none."""

    code = "CREDENTIAL_REFUSED"
    exit_code = REFUSED


class StoreMissingError(CliError):
    """There is no store at the address."""

    code = "STORE_MISSING"
    exit_code = INFRASTRUCTURE


class OutputFailedError(CliError):
    """A file or standard output could not be written."""

    code = "OUTPUT_FAILED"
    exit_code = INFRASTRUCTURE
