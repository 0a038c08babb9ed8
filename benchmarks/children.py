"""Workloads that need a process of their own: preloaded, or with its own memory."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import Settings
from benchmarks.results import load_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.measure import Line

__all__ = ["read_settings", "run_child", "write_settings"]


def run_child(
    name: str, settings: Settings, environment: Mapping[str, str] | None = None
) -> list[Line]:
    """Run one of the workloads of ``benchmarks.child`` and give its lines.

    Raises:
        RuntimeError: It failed; its last words are in the message.
    """
    told = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-m", "benchmarks.child", name],
        input=write_settings(settings),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        env={**os.environ, **(environment or {})},
        cwd=Path(__file__).parent.parent,
    )
    if told.returncode != 0:
        raise RuntimeError(f"the process of {name} failed")
    return load_lines(json.loads(told.stdout))


def write_settings(settings: Settings) -> str:
    """Write settings as JSON."""
    return json.dumps(dataclasses.asdict(settings), default=str)


def read_settings(text: str) -> Settings:
    """Read what ``write_settings`` wrote."""
    given = json.loads(text)
    kept = given["history_folder"]
    given["folder"] = Path(given["folder"])
    given["callers"] = tuple(given["callers"])
    given["history_folder"] = None if kept is None else Path(kept)
    return Settings(**given)
