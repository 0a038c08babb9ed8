"""``stage3 --version``."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from stage3.cli.output.answers import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stage3.cli.arguments import Given
    from stage3.cli.dispatch import Command
    from stage3.cli.output.console import Console

__all__ = ["COMMANDS", "installed_version"]


def installed_version(distribution: str) -> str:
    """Give the version of an installed distribution, or ``not installed``."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"


def _version(_given: Given, _console: Console) -> Answer:
    ours = installed_version("stage3")
    return Answer(
        document={"version": ours, "python": platform.python_version()},
        lines=(f"stage3 {ours} on Python {platform.python_version()}",),
    )


COMMANDS: Final[Mapping[str, Command]] = MappingProxyType({"version": _version})
