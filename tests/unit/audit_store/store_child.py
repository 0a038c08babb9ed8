"""A process that does with a store what it is told, line by line.

Run as a program: ``python store_child.py URL``. Each answer is one line; it begins
with ``ok`` or with the name of the error.
"""

import os
import sys
from typing import TYPE_CHECKING

from audit.errors import AuditError
from audit.store.interface import Hold, Store
from audit.store.opening import open_store
from tests.conformance.store_samples import denied, execution

if TYPE_CHECKING:
    from collections.abc import Callable


class Child:
    """The commands."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.holds: list[Hold] = []
        self.writes = 0

    def hold(self, name: str) -> str:
        """Hold a name."""
        self.holds.append(self.store.hold(name))
        return "ok"

    def orphan(self, name: str) -> str:
        """Hold a name, leave a child behind that lives on, and die."""
        self.holds.append(self.store.hold(name))
        say("ok")
        if os.fork() == 0:
            # Lives until the test closes the other end of this pipe.
            sys.stdin.read()
        os._exit(0)

    def append(self, numbers: str) -> str:
        """Append to a stream of each number in a range."""
        first, last = map(int, numbers.split("-"))
        for number in range(first, last):
            with self.store.write(deadline_s=60.0) as tx:
                tx.append(execution(number), [denied()])
        return "ok"

    def latch(self, reason: str) -> str:
        """Raise the latch."""
        self.store.raise_latch(reason)
        return "ok"

    def write(self, authority: str) -> str:
        """Write once, without waiting."""
        with self.store.write(authority=authority, deadline_s=0.0) as tx:  # type: ignore[arg-type]  # one of two
            tx.append(execution(self.writes), [denied()])
            self.writes += 1
        return "ok"


def say(answer: str) -> None:
    """Give one answer."""
    sys.stdout.write(f"{answer}\n")
    sys.stdout.flush()


def main() -> None:
    """Do what the lines say until there are none."""
    with open_store(sys.argv[1]) as store:
        child = Child(store)
        say("ok")
        for line in sys.stdin:
            name, _, argument = line.strip().partition(" ")
            command: Callable[[str], str] = getattr(child, name)
            try:
                answer = command(argument)
            except AuditError as error:
                answer = f"{type(error).__name__} {error}"
            say(answer)


if __name__ == "__main__":
    main()
