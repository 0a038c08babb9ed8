"""One child: locks itself in, runs one method of one domain, replies, is killed.

Order of a child's life: forked by the zygote; warmed up on a call that means nothing,
so that the pages it will write to are its own; locked in; waits for its request; takes
the limits of this call and gives up setting limits; only then the domain's code exists
in it. It is never used twice. A child that compiles a source runs none of it: its reply
is not the domain's word.

Spec: BOX-5.
"""

from __future__ import annotations

import gc
import marshal
import os
import random
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Final, NoReturn

from stage2_domains.contract import Budget, DomainResult
from stage2_domains.parameters import IsolatedParameters
from stage3.isolation.answers import failure_of, outcome_of
from stage3.isolation.interface import (
    DomainFailed,
    Violation,
    ViolationKind,
)
from stage3.isolation.process import kernel
from stage3.isolation.process.frames import HEADER_BYTES
from stage3.isolation.process.limits import limit_call
from stage3.isolation.process.replies import Compiled, reply_bytes
from stage3.isolation.process.requests import Request
from stage3.isolation.process.tripwire import REPLY_FD, Tripwire, reply_and_wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from stage3.isolation.process.replies import Reply

__all__ = ["MEMORY_FACTOR", "MODULE", "Filters", "run_child"]

MODULE: Final = "the_domain"
"""What a domain's module is called inside."""

MEMORY_FACTOR: Final = 3
"""The wall stands at this many budgets; what lies between is seen and reported."""

_ALWAYS: Final = kernel.Rlimits(open_files=REPLY_FD + 1, processes=0)
"""Besides what the zygote has limited for itself, and so for its children."""

_NO_LIMIT: Final = 2**40
_READ_BYTES: Final = 1 << 20
_WARM_SOURCE: Final = """
from __future__ import annotations
import dataclasses, json, math, re, typing
from stage2_domains.contract import DomainResult, MethodSpec, Stage2Domain
class Warm(Stage2Domain):
    '''Does what most domains do.'''
    name = "warm"
    methods: typing.ClassVar = {"up": MethodSpec({"type": "object"})}
    def invoke(self, method, parameters):
        try:
            raise ValueError(method)
        except ValueError as error:
            f"{error}: {math.pi:.2f}"
        given = parameters.get_copy()
        return DomainResult(success=True, data={"rows": given["rows"]})
"""
_WARM_UP: Final = Request(
    digest="",
    entry="Warm",
    method="up",
    budget=Budget(),
    code=marshal.dumps(compile(_WARM_SOURCE, "<domain>", "exec", dont_inherit=True)),
    parameters=b'{"rows":[%b]}'
    % b",".join([b'{"half":0.5,"id":1,"name":"a row","none":null}'] * 10),
    is_compiled=True,
)


@dataclass(frozen=True, slots=True)
class Filters:
    """What installs the two seccomp filters, for ``REPLY_FD``.

    Attributes:
        waiting: From before the request came; lets limits be set.
        closing: On top of it, from before code of the domain exists.
    """

    waiting: Callable[[], None]
    closing: Callable[[], None]


def run_child(end: int, filters: Filters, memory: int) -> NoReturn:
    """Be a child; runs in the process that was just forked, and never returns.

    Args:
        end: The descriptor that the request comes from.
        filters: Both filters.
        memory: Bytes of virtual memory of the zygote when it forked.

    Source:
        BOX-5.4 to BOX-5.9.
    """
    try:
        os.dup2(end, REPLY_FD)
        os.closerange(0, REPLY_FD)
        os.closerange(REPLY_FD + 1, os.sysconf("SC_OPEN_MAX"))
        tripwire = Tripwire()
        tripwire.install()
        _warm_up(tripwire)
        filters.waiting()
        request = Request.from_bytes(_read_frame())
        _limit(request.budget, memory + request.room)
        filters.closing()
        reply_and_wait(reply_bytes(_outcome(request, tripwire)))
    finally:
        os._exit(1)


def _warm_up(tripwire: Tripwire) -> None:
    """Go once through everything that a call goes through."""
    request = Request.from_bytes(_WARM_UP.to_bytes())
    reply_bytes(_outcome(request, tripwire))
    tripwire.disarm()
    del sys.modules[MODULE]
    kernel.limit_resources(_ALWAYS)
    limit_call(address_space=_NO_LIMIT, cpu_s=_NO_LIMIT)
    # Its counts are those of the zygote's life so far; from here on, of this call.
    gc.freeze()


def _limit(budget: Budget, memory: int) -> None:
    space = memory + MEMORY_FACTOR * budget.memory_mb * 1024 * 1024
    limit_call(address_space=space, cpu_s=budget.cpu_s)


def _outcome(request: Request, tripwire: Tripwire) -> Reply | Compiled:
    """Do what is asked and judge what came of it; nothing of the domain leaves."""
    outcome: Reply | Compiled
    try:
        if request.is_compiled:
            outcome = _call(request, tripwire)
        else:
            outcome = _compile(request, tripwire)
    except MemoryError:
        outcome = _over(ViolationKind.BUDGET_MEMORY, "more memory than the budget")
    except RecursionError:
        outcome = _over(
            ViolationKind.BUDGET_RECURSION, "more nested calls than allowed"
        )
    except KeyboardInterrupt:
        outcome = Violation(
            ViolationKind.CONTROL_EXCEPTION, "raised KeyboardInterrupt", "trap"
        )
    except BaseException as error:  # noqa: BLE001 - SystemExit and the rest are a failure of the domain
        outcome = failure_of(error)
    return tripwire.settle() or outcome


def _compile(request: Request, tripwire: Tripwire) -> Compiled:
    """Compile the source; a codec it names must be one that is loaded."""
    tripwire.arm(loading=True)
    code = compile(request.code, "<domain>", "exec", dont_inherit=True)
    tripwire.disarm()
    return Compiled(marshal.dumps(code))


def _call(request: Request, tripwire: Tripwire) -> Reply:
    random.seed(f"{request.digest} {request.method}".encode() + request.parameters)
    domain = _loaded(request, tripwire)
    tripwire.arm(loading=False)
    return _called(domain, request)


def _loaded(request: Request, tripwire: Tripwire) -> object:
    """Run the module and make the one object of its class."""
    # Made by a child like this one, and read behind the filter.
    code = marshal.loads(request.code)  # noqa: S302 - see above
    module = ModuleType(MODULE)
    names = vars(module)
    names["__builtins__"] = tripwire.names()
    sys.modules[MODULE] = module  # dataclasses look their module up
    tripwire.arm(loading=True)
    exec(code, names)  # noqa: S102 - what this process is for
    found: object = module
    for name in request.entry.split("."):
        found = getattr(found, name)
    return found() if callable(found) else found


def _called(domain: object, request: Request) -> Reply:
    invoke = getattr(domain, "invoke", None)
    if not callable(invoke):
        return DomainFailed("the class named by the domain has no invoke", 0)
    given = IsolatedParameters(request.parameters)
    answer: DomainResult = invoke(request.method, given)
    outcome = outcome_of(answer, request.budget)
    # Now, and not after the reply: what a finalizer does still counts.
    del answer, domain, invoke
    return outcome


def _over(kind: ViolationKind, what: str) -> Violation:
    return Violation(kind, what, "budget")


def _read_frame() -> bytes:
    """Wait for the request; the host is believed, and gone at an end of file."""
    size = int.from_bytes(_read(HEADER_BYTES), "big")
    return _read(size)


def _read(size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        more = os.read(REPLY_FD, min(size - len(data), _READ_BYTES))
        if not more:
            os._exit(0)
        data += more
    return bytes(data)
