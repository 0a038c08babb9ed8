"""The table of ``docs/isolation.md``, made from the catalogue."""

from __future__ import annotations

from itertools import groupby
from typing import Final

from tests.attacks.catalogue import ATTACKS, NOT_RUN
from tests.attacks.process_verdicts import in_a_process
from tests.attacks.verdicts import Attack, Expected, expected_at

__all__ = ["VERSIONS", "rendered_table"]

_HEADS: Final = "`in_process` | ... swallowed | `process` | ... swallowed"

VERSIONS: Final = ((3, 11), (3, 12), (3, 13))


def rendered_table() -> str:
    """Return the attacks as Markdown, one table for each group."""
    parts = []
    for group, attacks in groupby(ATTACKS, key=lambda attack: attack.group):
        rows = [_row(attack) for attack in attacks]
        head = f"| {group} | {_HEADS} |\n|---|---|---|---|---|"
        parts.append("\n".join([head, *rows]))
    head = "| not tried | why |\n|---|---|"
    parts.append("\n".join([head, *(f"| {name} | {why} |" for name, why in NOT_RUN)]))
    return "\n\n".join(parts) + "\n"


def _row(attack: Attack) -> str:
    cells = (_cell(attack.plain), _cell(attack.swallow), *in_a_process(attack.name))
    return f"| {attack.name} | {' | '.join(cells)} |"


def _cell(expected: Expected) -> str:
    found = [(version, expected_at(expected, version)) for version in VERSIONS]
    changes = [found[0]]
    changes += [one for one in found if one[1] != changes[-1][1]][:1]
    return "; ".join(
        verdict if index == 0 else f"{verdict} from {'.'.join(map(str, version))}"
        for index, (version, verdict) in enumerate(changes)
    )
