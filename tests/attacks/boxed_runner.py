"""Runs attacks against the in-process box, each in a forked child of its own.

Started as a program: reads ``[[name, swallow, deadline_s], ...]`` as JSON on standard
input, writes one JSON line ``[name, swallow, verdict, outcome]`` for each. It has one
thread, so that the box may compare what other threads could change.
"""

from __future__ import annotations

import _posixsubprocess
import _thread
import ast
import asyncio
import atexit
import code
import concurrent.futures.thread
import contextlib
import contextvars
import ctypes
import decimal
import faulthandler
import fcntl
import gc
import glob
import inspect
import json
import marshal
import mmap
import multiprocessing
import os
import pathlib
import pickle  # noqa: TID251 - one attack uses it
import random
import resource
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import syslog
import tempfile
import threading
import time
import traceback
import types
import urllib.request
import warnings
from typing import TYPE_CHECKING, Final

import stage3.isolation.answers
from stage2_domains.contract import Budget, DomainResult, MethodSpec, Stage2Domain
from stage2_domains.registry import DomainRegistry, RegisteredDomain
from stage3.isolation.guard import installed_guard
from stage3.isolation.in_process import InProcessIsolation
from stage3.isolation.interface import BoxInterrupt, Violation
from tests.attacks.catalogue import ATTACKS
from tests.attacks.verdicts import Verdict

if TYPE_CHECKING:
    from stage2_domains.parameters import IsolatedParameters
    from tests.attacks.verdicts import Attack

# Imported before any box is closed: the worst case, in which no attack trips over an
# import. The attack on the import itself takes a module that is not here.
PRELOADED: Final = (
    _posixsubprocess,
    _thread,
    ast,
    asyncio,
    atexit,
    code,
    concurrent.futures.thread,
    contextvars,
    ctypes,
    decimal,
    faulthandler,
    fcntl,
    gc,
    glob,
    inspect,
    marshal,
    mmap,
    multiprocessing,
    pathlib,
    pickle,
    random,
    resource,
    shutil,
    signal,
    socket,
    sqlite3,
    subprocess,
    syslog,
    tempfile,
    threading,
    time,
    traceback,
    types,
    urllib.request,
    warnings,
)
dumps = json.dumps  # one attack replaces it
SECRET: Final = "the secret of the executor"  # noqa: S105 - opens nothing


class Executor:
    """Stands for the executor: what a domain must not reach."""

    token = SECRET

    def run(self) -> None:
        """A public entry: announces itself to the guard."""
        sys.audit("stage3.guard", "executor.run")

    def unannounced(self) -> str:
        """A private function: does not."""
        return self.token


class Hostile(Stage2Domain):
    """A domain that is one attack."""

    name = "hostile"
    methods = {"run": MethodSpec({"type": "object"})}  # noqa: RUF012 - as the contract asks
    names: dict[str, object]
    swallow: bool

    def invoke(self, method: str, parameters: IsolatedParameters) -> DomainResult:
        """Attack, then answer innocently."""
        del method, parameters
        answer = None
        if self.swallow:
            with contextlib.suppress(BaseException):
                answer = self.names["attack"]()  # type: ignore[operator]  # from source text
        else:
            answer = self.names["attack"]()  # type: ignore[operator]  # from source text
        if answer is None:
            return DomainResult(success=True, data={"innocent": True})
        return answer


def registered(domain: Stage2Domain) -> RegisteredDomain:
    """Register a domain as trusted."""
    registry = DomainRegistry()
    registry.register(domain, trusted=True)
    found = registry.get(domain.name)
    assert found is not None
    return found


HOSTILE: Final = Hostile()
DOMAIN: Final = registered(HOSTILE)
BOX: Final = InProcessIsolation(watched=(stage3.isolation.answers, Executor))


def main() -> None:
    """Run every job of standard input."""
    attacks = {attack.name: attack for attack in ATTACKS}
    for name, swallow, deadline in json.load(sys.stdin):
        verdict, outcome = run_in_child(attacks[name], deadline, swallow=swallow)
        print(json.dumps([name, swallow, verdict, outcome]), flush=True)  # noqa: T201


def run_in_child(
    attack: Attack, deadline: float, *, swallow: bool
) -> tuple[Verdict, str]:
    """Run one attack in a forked child, which is killed at the deadline."""
    read_end, write_end = os.pipe()
    folder = tempfile.mkdtemp()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        try:
            report = try_attack(attack, pathlib.Path(folder), swallow=swallow)
        except BaseException as error:  # noqa: BLE001 - told, and no verdict
            report = ["broken", repr(error)]
        os.write(write_end, dumps(report).encode())
        os._exit(0)
    os.close(write_end)
    ready, _, _ = select.select([read_end], [], [], deadline)
    told = os.read(read_end, 65_536) if ready else b""
    os.close(read_end)
    for end in (os.kill, os.killpg):
        with contextlib.suppress(ProcessLookupError):
            end(child, signal.SIGKILL)
    os.waitpid(child, 0)
    shutil.rmtree(folder, ignore_errors=True)
    if not ready:
        return Verdict.HANGS, "no outcome"
    if not told:
        return Verdict.DIES, "no outcome"
    verdict, outcome = json.loads(told)
    return Verdict(verdict), outcome


def try_attack(attack: Attack, folder: pathlib.Path, *, swallow: bool) -> list[str]:
    """Run one attack in the box and see what came of it."""
    os.setsid()
    silence = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(silence, descriptor)
    names = surroundings(folder)
    exec(compile(attack.source, "<attack>", "exec"), names)  # noqa: S102 - the attack
    HOSTILE.names, HOSTILE.swallow = names, swallow
    names["call_again"] = lambda: BOX.invoke(DOMAIN, "run", b"{}", budget=Budget())
    try:
        outcome: object = BOX.invoke(DOMAIN, "run", b"{}", budget=Budget())
    except BoxInterrupt as interrupt:
        outcome = interrupt.violation or interrupt
    effect = names.get("effect")
    harmed = bool(effect() if callable(effect) else names["reached"])
    return [judge(outcome, harmed=harmed), repr(outcome)[:300]]


def surroundings(folder: pathlib.Path) -> dict[str, object]:
    """Make what an attack finds in its process: files, descriptors, an executor."""
    secret = folder / "secret"
    secret.write_text(SECRET)
    ledger = folder / "ledger"
    ledger.write_bytes(b"the ledger")
    os.environ["STAGE3_SECRET"] = SECRET
    sys.modules["the_executor"] = executor_module()
    return {
        "__name__": "hostile",
        "EXECUTOR": Executor(),
        "CONNECTION": sqlite3.connect(":memory:"),
        "DomainResult": DomainResult,
        "FOLDER": str(folder),
        "LEDGER": str(ledger),
        "LEDGER_FD": os.open(ledger, os.O_RDWR),
        "SECRET_FILE": str(secret),
        "SECRET": SECRET,
        "installed_guard": installed_guard,
        "reached": [],
    }


def executor_module() -> types.ModuleType:
    """Make a loaded module that holds a token and is watched by nobody."""
    module = types.ModuleType("the_executor")
    vars(module).update(Executor=Executor, token=SECRET, limit=5)
    return module


def judge(outcome: object, *, harmed: bool) -> Verdict:
    """Say in one word how the box did."""
    if isinstance(outcome, Violation):
        return Verdict.LATE if harmed else Verdict.STOPPED
    if harmed:
        return Verdict.MISSED
    ok = type(outcome).__name__ == "Ok"
    return Verdict.HARMLESS if ok else Verdict.REFUSED


if __name__ == "__main__":
    main()
