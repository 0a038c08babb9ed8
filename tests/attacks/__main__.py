"""Writes the table of attacks into ``docs/isolation.md``."""

from __future__ import annotations

from pathlib import Path

from tests.attacks.table import rendered_table

PAGE = Path(__file__).parents[2] / "docs" / "isolation.md"
START, END = "<!-- attacks -->\n", "<!-- end of attacks -->\n"

before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
_, _, after = rest.partition(END)
PAGE.write_text(f"{before}{START}{rendered_table()}{END}{after}", encoding="utf-8")
