"""What an audit event means, and how it is put into words."""

from __future__ import annotations

import ast
import sys
from typing import NoReturn, get_args

import pytest

from stage2_domains.contract import DomainResult
from stage3.isolation.events import (
    BENIGN_EVENTS,
    is_error_display,
    kind_of,
    violation_of,
)
from stage3.isolation.interface import (
    MAX_DETAIL_CHARS,
    Ok,
    Violation,
    ViolationKind,
    ViolationSource,
)
from tests.unit.isolation.boxed import innocent, run_boxed


def test_the_kinds_are_a_closed_list() -> None:
    """ISO-1.5."""
    assert {kind.value for kind in ViolationKind} == {
        "import",
        "open",
        "socket",
        "process",
        "thread",
        "syscall",
        "signal",
        "budget.wall",
        "budget.cpu",
        "budget.memory",
        "budget.recursion",
        "budget.result",
        "budget.fuel",
        "result.type",
        "result.invalid",
        "control-exception",
        "integrity",
        "trap",
    }


def test_the_sources_are_a_closed_list() -> None:
    """ISO-1.5."""
    assert set(get_args(ViolationSource)) == {
        "hook",
        "import",
        "seccomp",
        "signal",
        "budget",
        "trap",
        "integrity",
        "call",
    }


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("import", "import"),
        ("open", "open"),
        ("os.listdir", "open"),
        ("os.remove", "open"),
        ("os.something_new", "open"),
        ("shutil.rmtree", "open"),
        ("glob.glob", "open"),
        ("tempfile.mkstemp", "open"),
        ("sqlite3.connect", "open"),
        ("socket.connect", "socket"),
        ("urllib.Request", "socket"),
        ("http.client.connect", "socket"),
        ("smtplib.connect", "socket"),
        ("subprocess.Popen", "process"),
        ("os.system", "process"),
        ("os.fork", "process"),
        ("os.exec", "process"),
        ("os.posix_spawn", "process"),
        ("os.kill", "signal"),
        ("os.killpg", "signal"),
        ("signal.pthread_kill", "signal"),
        ("_thread.start_new_thread", "thread"),
        ("_thread.start_joinable_thread", "thread"),
        ("ctypes.dlopen", "syscall"),
        ("mmap.__new__", "syscall"),
        ("fcntl.fcntl", "syscall"),
        ("resource.setrlimit", "syscall"),
        ("time.sleep", "syscall"),
        ("os.putenv", "integrity"),
        ("os.unsetenv", "integrity"),
        ("exec", "integrity"),
        ("code.__new__", "integrity"),
        ("marshal.loads", "integrity"),
        ("pickle.find_class", "integrity"),
        ("gc.get_objects", "integrity"),
        ("sys._getframe", "integrity"),
        ("sys.settrace", "integrity"),
        ("sys.addaudithook", "integrity"),
        ("object.__getattr__", "integrity"),
        ("builtins.input", "integrity"),
        ("stage3.guard", "integrity"),
        ("opened", "integrity"),
        ("", "integrity"),
        ("never.heard.of", "integrity"),
    ],
)
def test_the_kind_follows_from_the_events_name(event: str, kind: str) -> None:
    """ISO-4.3."""
    assert kind_of(event).value == kind


@pytest.mark.parametrize("event", ["never.heard.of", "open", "exec", ""])
def test_an_event_that_is_not_known_to_be_harmless_is_a_violation(event: str) -> None:
    """ISO-4.1, ISO-4.2."""

    def attempt(_: object) -> DomainResult:
        sys.audit(event)
        return innocent()

    assert isinstance(run_boxed(attempt), Violation)


def test_the_harmless_events_are_these() -> None:
    """ISO-4.2."""
    assert set(BENIGN_EVENTS) == {"compile", "builtins.id", "array.__new__"}


@pytest.mark.parametrize("event", sorted(BENIGN_EVENTS))
def test_a_harmless_event_is_none(event: str) -> None:
    """ISO-4.2."""

    def attempt(_: object) -> DomainResult:
        sys.audit(event)
        return innocent()

    assert isinstance(run_boxed(attempt), Ok)


class Loud:
    """Runs code whenever anything looks at it."""

    def __repr__(self) -> NoReturn:
        raise AssertionError("shown")

    __str__ = __repr__


class LoudText(str):
    """A string that runs code whenever anything looks at it."""

    __slots__ = ()

    def __getitem__(self, _at: object) -> NoReturn:
        raise AssertionError("cut")

    __str__ = __repr__ = __len__ = __getitem__  # type: ignore[assignment]  # hostile


@pytest.mark.parametrize(
    ("arguments", "detail"),
    [
        ((), "an.event"),
        (("/etc/passwd", "r", 0), "an.event: /etc/passwd r 0"),
        (("a", "b", "c", "d"), "an.event: a b c"),
        ((b"/tmp/\xff",), "an.event: /tmp/\\ufffd"),
        ((None, 5, True, 1.5), "an.event: 5"),
        ((Loud(), LoudText("x")), "an.event"),
        ((10**5_000,), "an.event"),
        ((-(2**63),), "an.event"),
        ((2**63 - 1,), f"an.event: {2**63 - 1}"),
        (("line\nbreak\x1b[2J\u202eé",), "an.event: line\\nbreak\\x1b[2J\\u202e\\xe9"),
    ],
)
def test_a_detail_is_made_of_exact_plain_values_only(
    arguments: tuple[object, ...], detail: str
) -> None:
    """ISO-4.5, ISO-1.2."""
    violation = violation_of("an.event", arguments)

    assert violation.detail == detail


@pytest.mark.parametrize("text", ["x" * 10_000, "\U0001f600" * 10_000])
def test_a_detail_is_bounded(text: str) -> None:
    """ISO-1.2."""
    for violation in (violation_of("open", (text,)), violation_of(text, ())):
        assert len(violation.detail) <= MAX_DETAIL_CHARS == 200
        assert violation.detail.isascii()
        assert violation.detail.isprintable()


@pytest.mark.parametrize(
    ("arguments", "display"),
    [
        (("<unknown>", "rb", 0), True),
        (("<string>", "rb", 0), True),
        (("<unknown>", "rb", 524_288), False),
        (("<unknown>", "r", 0), False),
        (("secret.py", "rb", 0), False),
        (("<../../secret>", "rb", 0), False),
        (("<unfinished", "rb", 0), False),
        (("unbegun>", "rb", 0), False),
        (("", "rb", 0), False),
        ((LoudText("<unknown>"), "rb", 0), False),
        (("<unknown>", "rb"), False),
        (("<unknown>", "rb", False), False),
        ((), False),
    ],
)
def test_the_parsers_search_for_a_line_is_recognised(
    arguments: tuple[object, ...], *, display: bool
) -> None:
    """ISO-4.6."""
    assert is_error_display(arguments) is display


def test_a_syntax_error_in_parsed_text_is_no_violation() -> None:
    """ISO-4.6."""

    def parse(_: object) -> DomainResult:
        try:
            ast.parse("x = (\n")
        except SyntaxError as error:
            return DomainResult(success=True, data={"line": error.lineno})
        raise AssertionError("parsed")

    assert isinstance(run_boxed(parse), Ok)


def test_a_syntax_error_in_a_named_file_is_a_violation() -> None:
    """ISO-4.6."""

    def parse(_: object) -> DomainResult:
        try:
            ast.parse("x = (\n", "/etc/hostname")
        except SyntaxError:
            return innocent()
        raise AssertionError("parsed")

    outcome = run_boxed(parse)

    assert isinstance(outcome, Violation)
    assert outcome.kind is ViolationKind.OPEN
