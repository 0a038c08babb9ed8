"""Attacks by using too much, and by answers that are not what they seem."""

from __future__ import annotations

from typing import Final

from tests.attacks.verdicts import Attack, Expected, Verdict

__all__ = ["RESOURCE_ATTACKS"]

STOPPED: Final[Expected] = (((3, 11), Verdict.STOPPED),)
LATE: Final[Expected] = (((3, 11), Verdict.LATE),)
REFUSED: Final[Expected] = (((3, 11), Verdict.REFUSED),)
HARMLESS: Final[Expected] = (((3, 11), Verdict.HARMLESS),)
MISSED: Final[Expected] = (((3, 11), Verdict.MISSED),)
DIES: Final[Expected] = (((3, 11), Verdict.DIES),)
HANGS: Final[Expected] = (((3, 11), Verdict.HANGS),)

C_STACK_PLAIN: Final[Expected] = (((3, 11), Verdict.DIES), ((3, 12), Verdict.LATE))
C_STACK_SWALLOW = C_STACK_PLAIN
DEEP_PLAIN = C_STACK_PLAIN
DEEP_SWALLOW = C_STACK_PLAIN
EDGE = STOPPED


def _attacks(
    group: str, *rows: tuple[str, str, Expected, Expected]
) -> tuple[Attack, ...]:
    return tuple(Attack(name, group, *rest) for name, *rest in rows)


RESOURCE_ATTACKS: Final[tuple[Attack, ...]] = (
    *_attacks(
        "time and memory",
        (
            "an infinite loop",
            """
def attack():
    while True:
        pass
""",
            HANGS,
            HANGS,
        ),
        (
            "a loop that swallows every exception",
            """
def attack():
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
""",
            HANGS,
            HANGS,
        ),
        (
            "a loop inside one call of C",
            """
def attack():
    sum(range(10**15))
""",
            HANGS,
            HANGS,
        ),
        (
            "an expensive pattern",
            """
def attack():
    import re
    re.match('(a+)+$', 'a' * 60 + 'b')
""",
            HANGS,
            HANGS,
        ),
        (
            "256 MiB of memory",
            """
def attack():
    reached.append(len(bytearray(1 << 28)))
""",
            MISSED,
            MISSED,
        ),
        (
            "more memory than there is",
            """
def attack():
    bytearray(1 << 60)
""",
            REFUSED,
            HARMLESS,
        ),
        (
            "deep recursion",
            """
def attack():
    attack()
""",
            REFUSED,
            HARMLESS,
        ),
        (
            "deep recursion of C with the limit raised",
            """
def attack():
    import sys
    sys.setrecursionlimit(10**9)
    reached.append("the limit")
    nested = []
    for _ in range(10**6):
        nested = [nested]
    reached.append(repr(nested))
""",
            C_STACK_PLAIN,
            C_STACK_SWALLOW,
        ),
        (
            "recursion that never ends with the limit raised",
            """
def attack():
    import sys
    sys.setrecursionlimit(10**9)
    reached.append("the limit")
    Deep()[0]

class Deep:
    def __getitem__(self, at):
        return max([self], key=lambda each: each[0])
""",
            DEEP_PLAIN,
            DEEP_SWALLOW,
        ),
        (
            "an attempt at the recursion limit",
            """
def attack():
    try:
        attack()
    except RecursionError:
        reached.append(open(SECRET_FILE).read())
""",
            EDGE,
            EDGE,
        ),
    ),
    *_attacks(
        "answers",
        (
            "a huge answer",
            """
def attack():
    return DomainResult(True, {'all': 'x' * (1 << 21)})
""",
            REFUSED,
            REFUSED,
        ),
        (
            "a deep answer",
            """
def attack():
    nested = {}
    for _ in range(40):
        nested = {'more': nested}
    return DomainResult(True, nested)
""",
            REFUSED,
            REFUSED,
        ),
        (
            "an answer that holds itself",
            """
def attack():
    nested = {}
    nested['more'] = nested
    return DomainResult(True, nested)
""",
            REFUSED,
            REFUSED,
        ),
        (
            "not a number",
            """
def attack():
    return DomainResult(True, {'value': float('nan')})
""",
            REFUSED,
            REFUSED,
        ),
        (
            "bytes",
            """
def attack():
    return DomainResult(True, {'value': b'x'})
""",
            REFUSED,
            REFUSED,
        ),
        (
            "a lone surrogate",
            """
def attack():
    return DomainResult(True, {'value': chr(0xd800)})
""",
            REFUSED,
            REFUSED,
        ),
        (
            "an answer of the wrong type",
            """
def attack():
    return {'success': True}
""",
            REFUSED,
            REFUSED,
        ),
        (
            "a subclass of the answer",
            """
class Mine(DomainResult):
    pass

def attack():
    return Mine(True, {})
""",
            REFUSED,
            REFUSED,
        ),
        (
            "an answer without fields",
            """
def attack():
    return object.__new__(DomainResult)
""",
            REFUSED,
            REFUSED,
        ),
        (
            "a coroutine",
            """
def attack():
    return later()

async def later():
    reached.append(open(SECRET_FILE).read())
""",
            REFUSED,
            REFUSED,
        ),
        (
            "a generator",
            """
def attack():
    return later()

def later():
    yield reached.append(open(SECRET_FILE).read())
""",
            REFUSED,
            REFUSED,
        ),
        (
            "a generator that runs on when closed",
            """
def attack():
    running = later()
    next(running)
    return running

def later():
    try:
        yield
    finally:
        reached.append(open(SECRET_FILE).read())
""",
            STOPPED,
            STOPPED,
        ),
        (
            "a dict that runs code when read",
            """
class Evil(dict):
    def items(self):
        reached.append(open(SECRET_FILE).read())
    __iter__ = keys = __len__ = values = items

def attack():
    return DomainResult(True, Evil())
""",
            REFUSED,
            REFUSED,
        ),
        (
            "a class whose name is computed",
            """
class Meta(type):
    @property
    def __name__(cls):
        reached.append(open(SECRET_FILE).read())

class Named(metaclass=Meta):
    pass

def attack():
    return Named()
""",
            REFUSED,
            REFUSED,
        ),
        (
            "a class that lies about itself",
            """
class Liar:
    @property
    def __class__(self):
        reached.append(True)
        return DomainResult

def attack():
    return Liar()
""",
            REFUSED,
            REFUSED,
        ),
        (
            "an error whose text runs code",
            """
class Evil(Exception):
    def __str__(self):
        reached.append(open(SECRET_FILE).read())

def attack():
    raise Evil
""",
            STOPPED,
            HARMLESS,
        ),
        (
            "an answer with a finalizer",
            """
class Evil:
    def __del__(self):
        reached.append(open(SECRET_FILE).read())

def attack():
    return Evil()
""",
            STOPPED,
            STOPPED,
        ),
        (
            "a finalizer that waits for the collector",
            """
def attack():
    mine = Evil()
    mine.mine = mine

class Evil:
    def __del__(self):
        reached.append(open(SECRET_FILE).read())

def effect():
    import gc
    gc.collect()
    return reached
""",
            MISSED,
            MISSED,
        ),
        (
            "leave by SystemExit",
            """
def attack():
    import sys
    sys.exit(0)
""",
            REFUSED,
            HARMLESS,
        ),
        (
            "leave by KeyboardInterrupt",
            """
def attack():
    raise KeyboardInterrupt
""",
            REFUSED,
            HARMLESS,
        ),
        (
            "attempt, then leave by KeyboardInterrupt",
            """
def attack():
    try:
        reached.append(open(SECRET_FILE).read())
    except BaseException:
        raise KeyboardInterrupt from None
""",
            STOPPED,
            STOPPED,
        ),
        (
            "leave by an exception group",
            """
def attack():
    raise BaseExceptionGroup('many', [KeyboardInterrupt(), SystemExit()])
""",
            REFUSED,
            HARMLESS,
        ),
    ),
)
