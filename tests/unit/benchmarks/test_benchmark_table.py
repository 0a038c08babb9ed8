"""Every workload can be loaded, and the reader's table names it."""

import re
from pathlib import Path

from benchmarks.__main__ import WORKLOADS

_README = Path(__file__).parents[3] / "benchmarks" / "README.md"


def test_the_table_of_workloads_is_the_list_of_workloads() -> None:
    rows = re.findall(
        r"^\| (W\w+|profile) \|", _README.read_text("utf-8"), re.MULTILINE
    )

    # W2 is measured with W1, and W7 with W6 or by itself.
    assert set(WORKLOADS) - set(rows) == set()
