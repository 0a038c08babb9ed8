"""``stage3 domains new``: a domain to begin with, which passes its own test."""

from __future__ import annotations

import shutil
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from stage2_domains.registry import DomainRegistry
from stage3.cli.errors import InputRefusedError, OutputFailedError
from stage3.cli.intake.files import new_file, shown
from stage3.cli.output.answers import Answer
from stage3.cli.output.rendering import one_line, pairs
from tokens.names import checked_domain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stage3.cli.arguments import Given
    from stage3.cli.output.console import Console
    from stage3.cli.output.rendering import Json

__all__ = ["TEMPLATE_FILES", "new_domain"]

TEMPLATE_FILES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "README.md": "README.md.txt",
        "domain.py": "domain.py.txt",
        "domain.toml": "domain.toml.txt",
        "test_domain.py": "tests.py.txt",
    }
)
"""What is written, and the file of the package it is made from."""

_TEMPLATES: Final = "domain_template"
_NAME_HERE: Final = "@NAME@"
_MAX_NAME: Final = 64


def new_domain(given: Given, _console: Console) -> Answer:
    """Write a new folder with a domain in it, complete or not at all.

    Raises:
        InputRefusedError: The name cannot be that of a domain.
        OutputFailedError: The folder exists, or cannot be written.

    Source:
        CLI-11.5.
    """
    name = _checked(given.name)
    folder = Path(given.folder or "")
    try:
        folder.mkdir()
    except FileExistsError as error:
        raise OutputFailedError(f"{shown(folder)} exists already") from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not a possible name"
        raise OutputFailedError(f"{shown(folder)} cannot be made: {why}") from error
    try:
        for file, template in TEMPLATE_FILES.items():
            text = files("stage3.cli").joinpath(_TEMPLATES, template).read_text("utf-8")
            with new_file(str(folder / file), private=False) as made:
                made.write(text.replace(_NAME_HERE, name).encode())
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    said: dict[str, Json] = {
        "folder": str(folder),
        "name": name,
        "files": sorted(TEMPLATE_FILES),
    }
    about = [("domain", name), ("folder", str(folder))]
    todo = f"Next: stage3 domains test {one_line(folder, 200)}/domain.toml"
    return Answer(document=said, lines=(*pairs(about), todo))


def _checked(name: str) -> str:
    lower = name.isascii() and name.isidentifier() and name == name.lower()
    if not lower or len(name) > _MAX_NAME:
        raise InputRefusedError(
            f"--name must be a lower-case identifier of at most {_MAX_NAME} characters"
        )
    if name in DomainRegistry.builtin().names():
        raise InputRefusedError(f"--name: '{name}' is the name of a built-in domain")
    try:
        return checked_domain(name)
    except ValueError as error:
        raise InputRefusedError(f"--name: {error}") from error
