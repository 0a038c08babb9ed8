"""``stage3 --version``."""

from __future__ import annotations

import platform
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from stage3.cli.output.answers import Answer
from stage3.cli.versions import installed_version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stage3.cli.arguments import Given
    from stage3.cli.dispatch import Command
    from stage3.cli.output.console import Console

__all__ = ["COMMANDS"]


def _version(_given: Given, _console: Console) -> Answer:
    ours = installed_version("stage3")
    return Answer(
        document={"version": ours, "python": platform.python_version()},
        lines=(f"stage3 {ours} on Python {platform.python_version()}",),
    )


COMMANDS: Final[Mapping[str, Command]] = MappingProxyType({"version": _version})
