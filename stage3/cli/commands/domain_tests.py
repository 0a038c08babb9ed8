"""``stage3 domains test``: the examples of a domain, in the tier it declares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from stage2_domains.canonical import canonical_bytes, parse
from stage2_domains.manifest_methods import DomainExample
from stage2_domains.sentences import printable
from stage3.cli.boxes import box_of
from stage3.cli.exits import INFRASTRUCTURE
from stage3.cli.output.answers import Answer, Problem
from stage3.cli.output.failures import refused
from stage3.cli.output.hints import hint_for
from stage3.cli.output.rendering import table
from stage3.isolation.interface import (
    MAX_MESSAGE_CHARS,
    DomainFailed,
    InfraFailure,
    Ok,
    ResultRefused,
    Violation,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stage2_domains.canonical import JsonValue
    from stage2_domains.registry import RegisteredDomain
    from stage3.cli.output.rendering import Json
    from stage3.isolation.interface import Isolation

__all__ = ["examples_of", "tested"]

_FAILED: Final = "DOMAIN_TEST"
_NO_BOX: Final = "ISOLATION_UNAVAILABLE"
_NAMES: Final = ("method", "example", "verdict", "finding")


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What came of one example: a finding, and what kind of trouble it is."""

    finding: str
    problem: str | None = None


def examples_of(domain: RegisteredDomain) -> tuple[DomainExample, ...]:
    """Give the examples of a domain that has no manifest."""
    found = [(name, domain.methods[name].example) for name in sorted(domain.methods)]
    return tuple(
        DomainExample(name, canonical_bytes(example))
        for name, example in found
        if example is not None
    )


def tested(domain: RegisteredDomain, examples: Sequence[DomainExample]) -> Answer:
    """Run examples in the box of the domain's tier, and in no other.

    Source:
        CLI-11.3, CLI-11.4.
    """
    box = box_of(domain.tier)
    if isinstance(box, str):
        sentence = f"there is no box of the tier {domain.tier} here: {box}"
        return Answer(document=_document(domain, []), problem=_no_box(sentence))
    try:
        verdicts = [_verdict(box, domain, example) for example in examples]
    finally:
        box.close()
    rows = [
        (one.method, number, "fail" if found.problem else "ok", found.finding)
        for number, (one, found) in enumerate(zip(examples, verdicts, strict=True), 1)
    ]
    return Answer(
        document=_document(domain, rows),
        lines=tuple(table([name.upper() for name in _NAMES], rows)),
        problem=_problem(domain, verdicts),
    )


def _document(
    domain: RegisteredDomain, rows: Sequence[tuple[str, int, str, str]]
) -> dict[str, Json]:
    return {
        "domain": domain.name,
        "tier": domain.tier,
        "digest": domain.digest,
        "examples": [dict(zip(_NAMES, row, strict=True)) for row in rows],
    }


def _problem(domain: RegisteredDomain, verdicts: Sequence[_Verdict]) -> Problem | None:
    if any(one.problem == _NO_BOX for one in verdicts):
        return _no_box(f"the box of the tier {domain.tier} broke")
    if not verdicts:
        return refused(_FAILED, f"{domain.name} has no example")
    count = sum(one.problem is not None for one in verdicts)
    if count:
        sentence = f"{count} of {len(verdicts)} examples of {domain.name} failed"
        return refused(_FAILED, sentence)
    return None


def _no_box(sentence: str) -> Problem:
    return Problem(
        code=_NO_BOX,
        sentence=printable(sentence, MAX_MESSAGE_CHARS),
        exit_code=INFRASTRUCTURE,
        hint=hint_for(_NO_BOX),
    )


def _verdict(
    box: Isolation, domain: RegisteredDomain, example: DomainExample
) -> _Verdict:
    outcome = box.invoke(
        domain, example.method, example.parameters, budget=domain.budget
    )
    match outcome:
        case InfraFailure(reason):
            return _Verdict(f"the box broke: {reason}", _NO_BOX)
        case Violation(kind, detail):
            said = detail.removeprefix(f"{kind}: ")
            return _Verdict(f"left its box: {kind}: {said}", _FAILED)
        case ResultRefused(message):
            return _Verdict(f"its answer is refused: {message}", _FAILED)
        case DomainFailed(message):
            return _after_failure(message, example)
        case Ok(result):
            return _after_answer(result, domain, example)


def _after_failure(message: str, example: DomainExample) -> _Verdict:
    if example.error is None:
        return _Verdict(f"it failed: {message}", _FAILED)
    if message != printable(example.error.strip(), MAX_MESSAGE_CHARS):
        return _Verdict(f"it failed otherwise: {message}", _FAILED)
    return _Verdict("failed as it says")


def _after_answer(
    result: bytes, domain: RegisteredDomain, example: DomainExample
) -> _Verdict:
    if example.error is not None:
        return _Verdict("it succeeded, and should have failed", _FAILED)
    answer = parse(result)
    data: JsonValue = answer["data"] if isinstance(answer, dict) else None
    refusal = domain.methods[example.method].check_result(data)
    if refusal is not None:
        return _Verdict(refusal, _FAILED)
    if example.result is None:
        return _Verdict("answered")
    if canonical_bytes(data) != example.result:
        return _Verdict("it answered otherwise than it says", _FAILED)
    return _Verdict("answered as it says")
