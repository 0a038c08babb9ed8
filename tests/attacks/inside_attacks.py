"""Attacks on the interpreter and on the executor that lives in it."""

from __future__ import annotations

from typing import Final

from tests.attacks.verdicts import Attack, Expected, Verdict

__all__ = ["INSIDE_ATTACKS"]

STOPPED: Final[Expected] = (((3, 11), Verdict.STOPPED),)
LATE: Final[Expected] = (((3, 11), Verdict.LATE),)
REFUSED: Final[Expected] = (((3, 11), Verdict.REFUSED),)
HARMLESS: Final[Expected] = (((3, 11), Verdict.HARMLESS),)
MISSED: Final[Expected] = (((3, 11), Verdict.MISSED),)
DIES: Final[Expected] = (((3, 11), Verdict.DIES),)
HANGS: Final[Expected] = (((3, 11), Verdict.HANGS),)

SLEEP: Final[Expected] = (((3, 11), Verdict.MISSED), ((3, 13), Verdict.STOPPED))


def _attacks(
    group: str, *rows: tuple[str, str, Expected, Expected]
) -> tuple[Attack, ...]:
    return tuple(Attack(name, group, *rest) for name, *rest in rows)


INSIDE_ATTACKS: Final[tuple[Attack, ...]] = (
    *_attacks(
        "frames and the interpreter",
        (
            "sys._getframe",
            """
def attack():
    import sys
    reached.append(sys._getframe(1))
""",
            STOPPED,
            STOPPED,
        ),
        (
            "frames of all threads",
            """
def attack():
    import sys
    reached.append(sys._current_frames())
""",
            STOPPED,
            STOPPED,
        ),
        (
            "inspect.stack",
            """
def attack():
    import inspect
    reached.append(inspect.stack())
""",
            STOPPED,
            STOPPED,
        ),
        (
            "a traceback's frame",
            """
def attack():
    try:
        1 / 0
    except ZeroDivisionError as error:
        reached.append(error.__traceback__.tb_frame)
""",
            STOPPED,
            STOPPED,
        ),
        (
            "a generator's frame",
            """
def attack():
    frames = (each for each in ())
    reached.append(frames.gi_frame)
""",
            STOPPED,
            STOPPED,
        ),
        (
            "all objects of the collector",
            """
def attack():
    import gc
    reached.append([each for each in gc.get_objects() if each is EXECUTOR])
""",
            STOPPED,
            STOPPED,
        ),
        (
            "who refers to an object",
            """
def attack():
    import gc
    reached.append(gc.get_referrers(reached))
""",
            STOPPED,
            STOPPED,
        ),
        (
            "read a function's code",
            """
def attack():
    reached.append(attack.__code__)
""",
            STOPPED,
            STOPPED,
        ),
        (
            "replace a function's code",
            """
def attack():
    EXECUTOR.run.__func__.__code__ = innocent.__code__
    reached.append(True)

def innocent(self):
    pass
""",
            STOPPED,
            STOPPED,
        ),
        (
            "exec",
            """
def attack():
    exec('reached.append(1)')
""",
            STOPPED,
            STOPPED,
        ),
        (
            "eval of text",
            """
def attack():
    reached.append(eval('1 + 1'))
""",
            STOPPED,
            STOPPED,
        ),
        (
            "build a code object",
            """
def attack():
    reached.append(compile('1', 'x', 'eval').replace(co_name='y'))
""",
            STOPPED,
            STOPPED,
        ),
        (
            "build a function",
            """
def attack():
    import types
    reached.append(types.FunctionType(CODE, {}))

CODE = compile('1', 'x', 'eval')
""",
            STOPPED,
            STOPPED,
        ),
        (
            "unmarshal code",
            """
def attack():
    import marshal
    reached.append(marshal.loads(marshal.dumps(1)))
""",
            STOPPED,
            STOPPED,
        ),
        (
            "unpickle a class",
            """
def attack():
    import pickle
    names = b'decimal Decimal '.replace(b' ', bytes([10]))
    reached.append(pickle.loads(b'c' + names + b'.'))
""",
            STOPPED,
            STOPPED,
        ),
        (
            "import a module",
            """
def attack():
    import this_module_is_not_loaded_yet
""",
            STOPPED,
            STOPPED,
        ),
        (
            "import a module of the standard library",
            """
def attack():
    import wave
    reached.append(wave)
""",
            STOPPED,
            STOPPED,
        ),
        (
            "load a library with ctypes",
            """
def attack():
    import ctypes
    reached.append(ctypes.CDLL(None))
""",
            STOPPED,
            STOPPED,
        ),
        (
            "read memory with ctypes",
            """
def attack():
    import ctypes
    reached.append(ctypes.string_at(id(reached), 8))
""",
            STOPPED,
            STOPPED,
        ),
        (
            "cast memory with ctypes",
            """
def attack():
    import ctypes
    reached.append(ctypes.cast(id(reached), ctypes.py_object).value)
""",
            MISSED,
            MISSED,
        ),
        (
            "set a trace function",
            """
def attack():
    import sys
    sys.settrace(lambda *args: None)
    reached.append(True)
""",
            STOPPED,
            STOPPED,
        ),
        (
            "set a profile function",
            """
def attack():
    import sys
    sys.setprofile(lambda *args: None)
    reached.append(True)
""",
            STOPPED,
            STOPPED,
        ),
        (
            "add an audit hook",
            """
def attack():
    import sys
    sys.addaudithook(lambda *args: None)
    reached.append(True)
""",
            STOPPED,
            STOPPED,
        ),
        (
            "raise an audit event",
            """
def attack():
    import sys
    sys.audit('an.event', 1)
    reached.append(True)
""",
            STOPPED,
            STOPPED,
        ),
        (
            "leave the context",
            """
def attack():
    import contextvars
    contextvars.Context().run(lambda: reached.append(open(SECRET_FILE).read()))
""",
            STOPPED,
            STOPPED,
        ),
    ),
    *_attacks(
        "the executor",
        (
            "call a public entry",
            """
def attack():
    EXECUTOR.run()
    reached.append(True)
""",
            STOPPED,
            STOPPED,
        ),
        (
            "call the box again",
            """
def attack():
    call_again()
    reached.append(True)
""",
            STOPPED,
            STOPPED,
        ),
        (
            "register a domain",
            """
def attack():
    import sys
    registry = sys.modules['stage2_domains.registry'].DomainRegistry()
    registry.freeze()
    reached.append(True)
""",
            STOPPED,
            STOPPED,
        ),
        (
            "call a private function",
            """
def attack():
    reached.append(EXECUTOR.unannounced())
""",
            MISSED,
            MISSED,
        ),
        (
            "read a token from a loaded module",
            """
def attack():
    import sys
    reached.append(sys.modules['the_executor'].token)
""",
            MISSED,
            MISSED,
        ),
        (
            "walk the classes to a token",
            """
def attack():
    for each in object.__subclasses__():
        if 'token' in vars(each) and each.__name__ == 'Executor':
            reached.append(each.token)
""",
            MISSED,
            MISSED,
        ),
        (
            "walk a function's globals",
            """
def attack():
    reached.append(call_again.__globals__['SECRET'])
""",
            MISSED,
            MISSED,
        ),
        (
            "raise a limit in a loaded module",
            """
def attack():
    import sys
    sys.modules['the_executor'].limit = 1000
    reached.append(True)
""",
            MISSED,
            MISSED,
        ),
        (
            "clear the guard's own state",
            """
def attack():
    installed_guard()._watches.clear()
    reached.append(open(SECRET_FILE).read())
""",
            MISSED,
            MISSED,
        ),
    ),
    *_attacks(
        "changes to the process",
        (
            "patch a built-in function",
            """
def attack():
    import builtins
    builtins.len = lambda each: 0
    reached.append(True)
""",
            LATE,
            LATE,
        ),
        (
            "add a built-in function",
            """
def attack():
    import builtins
    builtins.evil = 1
    reached.append(True)
""",
            LATE,
            LATE,
        ),
        (
            "patch a watched module",
            """
def attack():
    import stage3.isolation.answers as answers
    answers.canonical_bytes = lambda *args, **more: b'{}'
    reached.append(True)
""",
            LATE,
            LATE,
        ),
        (
            "patch a watched class",
            """
def attack():
    type(EXECUTOR).run = lambda self: None
    reached.append(True)
""",
            LATE,
            LATE,
        ),
        (
            "patch a module nobody watches",
            """
def attack():
    import json
    json.dumps = lambda *args, **more: '{}'
    reached.append(True)
""",
            MISSED,
            MISSED,
        ),
        (
            "hide state in the standard library",
            """
def attack():
    import json
    json.hidden = 1
    reached.append(True)
""",
            MISSED,
            MISSED,
        ),
        (
            "keep state in a global",
            """
def attack():
    reached.append('for the next call')
""",
            MISSED,
            MISSED,
        ),
        (
            "replace the exception hook",
            """
def attack():
    import sys
    sys.excepthook = lambda *args: None
    reached.append(True)
""",
            LATE,
            LATE,
        ),
        (
            "replace standard output",
            """
def attack():
    import io, sys
    sys.stdout = io.StringIO()
    reached.append(True)
""",
            LATE,
            LATE,
        ),
        (
            "add an import hook",
            """
def attack():
    import sys
    sys.meta_path.insert(0, object())
    reached.append(True)
""",
            LATE,
            LATE,
        ),
        (
            "add an import path",
            """
def attack():
    import sys
    sys.path.insert(0, FOLDER)
    reached.append(True)
""",
            LATE,
            LATE,
        ),
        (
            "put a module into sys.modules",
            """
def attack():
    import sys
    sys.modules['stage9'] = sys
    reached.append(True)
""",
            LATE,
            LATE,
        ),
        (
            "replace a module in sys.modules",
            """
def attack():
    import sys
    sys.modules['the_executor'] = sys
    reached.append(True)
""",
            MISSED,
            MISSED,
        ),
        (
            "register an exit function",
            """
def attack():
    import atexit
    atexit.register(print)
    reached.append(True)
""",
            LATE,
            LATE,
        ),
        (
            "replace a signal handler",
            """
def attack():
    import signal
    signal.signal(signal.SIGUSR1, lambda *args: None)
    reached.append(True)
""",
            LATE,
            LATE,
        ),
        (
            "watch the garbage collector",
            """
def attack():
    import gc
    gc.callbacks.append(print)
    reached.append(True)
""",
            LATE,
            LATE,
        ),
        (
            "turn the garbage collector off",
            """
def attack():
    import gc
    gc.disable()
    reached.append(True)
""",
            LATE,
            LATE,
        ),
        (
            "change the recursion limit",
            """
def attack():
    import sys
    sys.setrecursionlimit(sys.getrecursionlimit() + 1)
    reached.append(True)
""",
            LATE,
            LATE,
        ),
        (
            "lower the recursion limit",
            """
def attack():
    import sys
    for limit in range(5, 1000):
        try:
            sys.setrecursionlimit(limit)
            break
        except RecursionError:
            pass
    reached.append(True)
""",
            LATE,
            LATE,
        ),
        (
            "change the file mask",
            """
def attack():
    import os
    os.umask(0)
    reached.append(True)
""",
            MISSED,
            MISSED,
        ),
        (
            "add a warning filter",
            """
def attack():
    import warnings
    warnings.simplefilter('ignore')
    reached.append(True)
""",
            MISSED,
            MISSED,
        ),
        (
            "seed the shared random numbers",
            """
def attack():
    import random
    random.seed(1)
    reached.append(True)
""",
            MISSED,
            MISSED,
        ),
        (
            "change the decimal precision",
            """
def attack():
    import decimal
    decimal.getcontext().prec = 3

def effect():
    import decimal
    return decimal.getcontext().prec == 3
""",
            HARMLESS,
            HARMLESS,
        ),
        (
            "set an environment variable",
            """
def attack():
    import os
    os.environ['EVIL'] = '1'
    reached.append(True)
""",
            STOPPED,
            STOPPED,
        ),
        (
            "set a resource limit",
            """
def attack():
    import resource
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    reached.append(True)
""",
            STOPPED,
            STOPPED,
        ),
        (
            "write to the system log",
            """
def attack():
    import syslog
    syslog.syslog('hello')
    reached.append(True)
""",
            STOPPED,
            STOPPED,
        ),
    ),
    *_attacks(
        "reading the surroundings",
        (
            "read an environment variable",
            """
def attack():
    import os
    reached.append(os.environ['STAGE3_SECRET'])
""",
            MISSED,
            MISSED,
        ),
        (
            "read the clock",
            """
def attack():
    import time
    reached.append(time.monotonic())
""",
            MISSED,
            MISSED,
        ),
        (
            "sleep",
            """
def attack():
    import time
    time.sleep(0.001)
    reached.append(True)
""",
            SLEEP,
            SLEEP,
        ),
        (
            "ask for randomness",
            """
def attack():
    import os
    reached.append(os.urandom(8))
""",
            MISSED,
            MISSED,
        ),
    ),
)
