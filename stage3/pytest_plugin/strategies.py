"""Hypothesis strategies for tokens, plans and the values inside them.

Needs ``hypothesis``, which the package does not install by itself.

Source: docs/spec/testing.md, TST-3.
"""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from stage3.plan import DomainInvocation, ExecutionPlan
from tokens.model import CapabilityToken
from tokens.triggers import TRIGGER_TYPES

__all__ = ["invocations", "json_values", "parameters", "plans", "scopes", "tokens"]

_SAFE: Final = 2**53

_words = st.from_regex(r"[a-z][a-z_]{0,11}", fullmatch=True)
_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def json_values(max_leaves: int = 12) -> st.SearchStrategy[object]:
    """Any value that a plan's parameters may hold."""
    scalars = (
        st.none()
        | st.booleans()
        | st.integers(-_SAFE, _SAFE)
        | st.floats(allow_nan=False, allow_infinity=False)
        | _texts
    )
    return st.recursive(
        scalars,
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(_texts, inner, max_size=4)
        ),
        max_leaves=max_leaves,
    )


def parameters() -> st.SearchStrategy[dict[str, object]]:
    """Parameters of one invocation."""
    return st.dictionaries(_texts, json_values(), max_size=4)


def scopes(max_domains: int = 3) -> st.SearchStrategy[dict[str, list[str]]]:
    """Methods by domain, with at least one domain and one method each."""
    names = st.lists(_words, min_size=1, max_size=3, unique=True)
    return st.dictionaries(
        _words.filter(_may_be_scoped), names, min_size=1, max_size=max_domains
    )


@st.composite
def tokens(
    draw: st.DrawFn,
    *,
    user: str | None = None,
    scope: dict[str, list[str]] | None = None,
) -> CapabilityToken:
    """A token that can be issued; ``user`` and ``scope`` can be fixed."""
    granted = draw(scopes()) if scope is None else scope
    count = draw(st.integers(1, 100))
    seconds = draw(st.integers(1, 1_800))
    triggers = st.lists(st.sampled_from(sorted(TRIGGER_TYPES)), min_size=1, unique=True)
    return CapabilityToken(
        user_id=draw(st.sampled_from(["alice", "bob", "user_7f3d"]))
        if user is None
        else user,
        capability=draw(_words),
        issued_by="security_admin",
        domain_scope=list(granted),
        method_scope=granted,
        duration_seconds=draw(st.integers(1, 1_800)),
        resource_limits={
            "max_invocations": draw(st.integers(1, 1_000)),
            "max_tokens_per_response": draw(st.integers(1, 10_000)),
            "max_total_tokens": draw(st.integers(1, 100_000)),
            "max_frequency": f"{count} per {seconds} seconds",
        },
        allowed_trigger_types=draw(triggers),
    )


@st.composite
def invocations(
    draw: st.DrawFn, *, scope: dict[str, list[str]] | None = None
) -> DomainInvocation:
    """One step, within ``scope`` if given, else of any name at all."""
    if scope is None:
        name = st.text(
            st.characters(exclude_categories=["Cs"]), min_size=1, max_size=128
        )
        return DomainInvocation(draw(name), draw(name), draw(parameters()))
    domain = draw(st.sampled_from(sorted(scope)))
    method = draw(st.sampled_from(sorted(scope[domain])))
    return DomainInvocation(domain, method, draw(parameters()))


@st.composite
def plans(
    draw: st.DrawFn,
    *,
    user: str = "alice",
    scope: dict[str, list[str]] | None = None,
    max_steps: int = 5,
) -> ExecutionPlan:
    """A plan of 1 to ``max_steps`` steps."""
    steps = draw(st.lists(invocations(scope=scope), min_size=1, max_size=max_steps))
    return ExecutionPlan(user, steps)


def _may_be_scoped(name: str) -> bool:
    """Leave out the domain names that no token may have."""
    try:
        CapabilityToken(
            user_id="alice",
            capability="probe",
            issued_by="security_admin",
            domain_scope=[name],
            method_scope={name: ["m"]},
            duration_seconds=1,
            resource_limits={
                "max_invocations": 1,
                "max_tokens_per_response": 1,
                "max_total_tokens": 1,
                "max_frequency": "1 per 1 second",
            },
            allowed_trigger_types=["direct_command"],
        )
    except ValueError:
        return False
    return True
