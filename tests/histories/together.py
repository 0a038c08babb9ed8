"""Run several things at once in one process, and end it when one of them fails."""

from __future__ import annotations

import os
import traceback
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["together"]


def together(*tasks: Callable[[], object]) -> list[object]:
    """Run each on a thread of its own; the failure that came first is raised.

    The others wait in vain for one that failed, so theirs would only hide it.
    """
    with ThreadPoolExecutor(len(tasks)) as pool:
        futures = [pool.submit(each) for each in tasks]
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        for each in done:
            if each.exception() is not None:
                traceback.print_exception(each.exception())
                os._exit(1)
        return [each.result() for each in futures]
