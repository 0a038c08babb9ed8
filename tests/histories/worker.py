"""One of the processes of a history: opens the ledger, plays its part, reports in JSON.

Run as ``python -m tests.histories.worker <part> <job file>``; the report goes to
standard output. A part that fails ends the process with an error, and the test with
it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.histories.parts import PARTS


def main() -> None:
    part, job = sys.argv[1:]
    report = PARTS[part](json.loads(Path(job).read_text("utf-8")))
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    main()
