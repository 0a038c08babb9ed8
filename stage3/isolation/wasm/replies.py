"""Reads what a program answered: bytes of its choosing, judged like any answer.

Spec: ``docs/spec/wasm.md``, WSM-5; ``docs/spec/isolation.md``, ISO-6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from stage2_domains.canonical import parse
from stage2_domains.contract import DomainResult
from stage2_domains.errors import ValueRefusedError
from stage2_domains.sentences import bounded, listed
from stage3.isolation.answers import outcome_of
from stage3.isolation.interface import MAX_MESSAGE_CHARS, ResultRefused

if TYPE_CHECKING:
    from stage2_domains.contract import Budget
    from stage3.isolation.interface import DomainFailed, Ok

__all__ = ["outcome_of_reply"]

_KEYS: Final = frozenset({"data", "error", "success", "usage"})


def outcome_of_reply(reply: bytes, budget: Budget) -> Ok | DomainFailed | ResultRefused:
    """Judge a reply.

    Args:
        reply: What should be JSON ``{"success", "data", "error"}``, perhaps with
            ``"usage"``.
        budget: Bounds its bytes and its depth.

    Source:
        WSM-5.2 to WSM-5.4.
    """
    try:
        value = parse(reply, max_bytes=budget.result_bytes)
    except ValueRefusedError as refusal:
        return _refused(str(refusal))
    if not isinstance(value, dict):
        return _refused("expected a JSON object")
    if unknown := sorted(value.keys() - _KEYS):
        return _refused(f"unknown members {listed(unknown)}")
    if "success" not in value:
        return _refused("'success' is missing")
    answer = DomainResult(
        success=value["success"],  # type: ignore[arg-type]  # judged below
        data=value.get("data"),  # type: ignore[arg-type]  # judged below
        error=value.get("error"),  # type: ignore[arg-type]  # judged below
        usage=value.get("usage"),  # type: ignore[arg-type]  # judged below
    )
    return outcome_of(answer, budget)


def _refused(why: str) -> ResultRefused:
    return ResultRefused(bounded(why, MAX_MESSAGE_CHARS))
