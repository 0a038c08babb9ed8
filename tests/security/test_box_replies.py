"""A domain that writes the reply itself, to hide what it does before or after.

The descriptor of the reply is the one thing a domain can reach that the host listens
to. Whoever gets round the guarded import can write to it with ``os.write``.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

import pytest

from stage2_domains.canonical import canonical_bytes
from stage3.isolation.interface import (
    DomainFailed,
    Ok,
    ResultRefused,
    Violation,
    ViolationKind,
)
from stage3.isolation.process import rest
from stage3.isolation.process.level import probe
from stage3.isolation.process.replies import reply_outcome
from stage3.isolation.process.tier import ProcessIsolation
from tests.unit.isolation_process.boxed_source import PATIENT, domain_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stage2_domains.registry import RegisteredDomain

LEVEL = probe()
pytestmark = pytest.mark.skipif(LEVEL.refusal is not None, reason=str(LEVEL.refusal))

_FORGER: Final = """\
import codecs
real = codecs.builtins.__import__
os = real("os")
from stage2_domains.contract import DomainResult, Stage2Domain

def frame(body):
    return len(body).to_bytes(4, "big") + body

OK = (b'{"outcome":"ok","units":null}\\n'
      b'{"data":{"forged":true},"error":null,"success":true}')

class Boxed(Stage2Domain):
    def invoke(self, method, parameters):
"""

FORGED: Final = "os.write(3, frame(OK))\n"


def forger(text: str) -> RegisteredDomain:
    """Register a domain that has ``os`` and whose ``invoke`` has this body."""
    return domain_of(_FORGER + textwrap.indent(text.strip("\n"), " " * 8))


@pytest.fixture(scope="module")
def box() -> Iterator[ProcessIsolation]:
    made = ProcessIsolation(level=LEVEL)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def patient_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the domain do what it wants to do, however busy the machine is."""
    monkeypatch.setattr(rest, "LOOKS", 100_000)


AFTERWARDS: Final = {
    "os.getppid()": (ViolationKind.SYSCALL, "seccomp"),
    "open('/etc/hostname')": (ViolationKind.OPEN, "hook"),
    "os.system('true')": (ViolationKind.PROCESS, "hook"),
    "real('wave')": (ViolationKind.IMPORT, "import"),
    "os._exit(0)": (ViolationKind.PROCESS, "trap"),
    "os.write(3, frame(OK))\nwhile True: pass": (ViolationKind.INTEGRITY, "integrity"),
    "os.write(3, b'x')\nos._exit(0)": (ViolationKind.INTEGRITY, "integrity"),
}


@pytest.mark.parametrize("text", AFTERWARDS)
def test_a_reply_written_first_hides_no_attempt(
    box: ProcessIsolation, text: str
) -> None:
    """BOX-7.10; ISO-2.1: what comes after the reply is looked at as well."""
    kind, source = AFTERWARDS[text]
    outcome = box.invoke(forger(FORGED + text), "run", b"{}", budget=PATIENT)

    assert isinstance(outcome, Violation), outcome
    assert (outcome.kind, outcome.source) == (kind, source)
    assert len(outcome.detail) <= 200


def test_a_reply_written_first_hides_no_memory(box: ProcessIsolation) -> None:
    """BOX-7.3, BOX-7.10: whoever is gone cannot be asked how much it took."""
    text = "kept = bytearray(100 << 20)\n" + FORGED + "os._exit(0)"
    outcome = box.invoke(forger(text), "run", b"{}", budget=PATIENT)

    assert isinstance(outcome, Violation), outcome


def test_a_forged_answer_alone_is_worth_an_answer(box: ProcessIsolation) -> None:
    """BOX-6.4: it could have returned it."""
    text = FORGED + "os.read(3, 1)"
    outcome = box.invoke(forger(text), "run", b"{}", budget=PATIENT)

    assert isinstance(outcome, Ok), outcome
    assert b'"forged":true' in outcome.result


def test_a_domain_cannot_say_that_its_box_broke(box: ProcessIsolation) -> None:
    """BOX-6.6: the host alone knows that."""
    said = b'{"message":"the machine is on fire","outcome":"broken"}'
    text = f"os.write(3, frame({said!r}))\nos.read(3, 1)"
    outcome = box.invoke(forger(text), "run", b"{}", budget=PATIENT)

    assert isinstance(outcome, ResultRefused), outcome
    assert "fire" not in outcome.message


@pytest.mark.parametrize(
    "code",
    ["class Boxed: pass", "class Boxed:\n    invoke = 7", "Boxed = 7"],
)
def test_a_class_that_cannot_be_called_is_a_failure_of_the_domain(
    box: ProcessIsolation, code: str
) -> None:
    """BOX-5.7, BOX-6.6."""
    outcome = box.invoke(domain_of(code), "run", b"{}", budget=PATIENT)

    assert isinstance(outcome, DomainFailed), outcome
    assert "invoke" in outcome.message


SAID: Final = {
    "violation": {"detail": "open: x", "kind": "open", "source": "hook"},
    "failed": {"bytes": 3, "message": "sorry"},
    "refused": {"message": "not this"},
}
UNPRINTABLE: Final = ["", "\x1b[2J", "a\nb", "caf\u00e9", "\u202eevil", "\x7f", "\0"]


def judged(kind: str, said: dict[str, object]) -> object:
    return reply_outcome(canonical_bytes({"outcome": kind, **said}), PATIENT)


@pytest.mark.parametrize("kind", SAID)
@pytest.mark.parametrize("text", UNPRINTABLE)
def test_no_forged_text_reaches_a_reader_as_it_is(kind: str, text: str) -> None:
    """BOX-6.4, ISO-1.2: the record and the terminal of whoever reads it."""
    key = "detail" if kind == "violation" else "message"

    assert not isinstance(judged(kind, SAID[kind]), ResultRefused) or kind == "refused"
    refused = judged(kind, {**SAID[kind], key: f"a{text}" if text else ""})
    assert isinstance(refused, ResultRefused)
    assert refused.message.startswith("the box's reply is not a reply")


@pytest.mark.parametrize("kind", SAID)
def test_a_forged_reply_says_no_more_and_no_less(kind: str) -> None:
    """BOX-6.4."""
    others = [{**SAID[kind], "usage": 0}, {**SAID[kind], "": None}]
    others += [
        {name: value for name, value in SAID[kind].items() if name != left_out}
        for left_out in SAID[kind]
    ]
    for other in others:
        refused = judged(kind, other)
        assert isinstance(refused, ResultRefused)
        assert refused.message.startswith("the box's reply is not a reply")
