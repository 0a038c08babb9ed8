"""Generated tokens and names, good ones and nearly good ones."""

from hypothesis import strategies as st

from tokens.model import CapabilityToken
from tokens.names import checked_domain, checked_user
from tokens.triggers import TRIGGER_TYPES

__all__ = ["junk", "names", "tokens"]

FIRST = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
WORDS = ["stage", "3", "agent", "Planner", "executor", "SCHEDULER", "auto", "nomy"]
WORDS += ["system", "permission", "orchestration", "plan", "user", "admin", "x"]
SEPARATORS = ["", "_", "-", ".", ":", "@", "7", " ", "*", "\n"]


def _is_good(check: object, name: str) -> bool:
    try:
        check(name)
    except ValueError:
        return False
    return True


names = st.one_of(
    st.lists(
        st.tuples(st.sampled_from(WORDS), st.sampled_from(SEPARATORS)),
        min_size=1,
        max_size=4,
    ).map(lambda parts: "".join(word + mark for word, mark in parts)),
    st.text(FIRST + ".-", max_size=10),
    st.text(max_size=6).filter(lambda text: text.isprintable()),
)

_identifiers = st.builds(
    lambda head, tail: head + tail,
    st.sampled_from(FIRST),
    st.text(FIRST + ".-", max_size=12),
)
_domains = _identifiers.filter(lambda name: _is_good(checked_domain, name))
_users = _identifiers.filter(lambda name: _is_good(checked_user, name))
_numbers = st.integers(1, 2**53 - 1)
_small = st.integers(1, 999_999_999)


@st.composite
def _tokens(draw: st.DrawFn) -> CapabilityToken:
    domains = draw(st.lists(_domains, min_size=1, max_size=4, unique=True))
    with_methods = draw(st.lists(st.sampled_from(domains), unique=True))
    methods = st.lists(_identifiers, min_size=1, max_size=3, unique=True)
    label = st.text(min_size=1, max_size=20).filter(
        lambda text: text.isprintable() and text.strip()
    )
    digests = st.binary(min_size=32, max_size=32).map(lambda b: f"sha256:{b.hex()}")
    return CapabilityToken(
        user_id=draw(_users),
        capability=draw(label),
        domain_scope=domains,
        method_scope={domain: draw(methods) for domain in with_methods},
        duration_seconds=draw(st.integers(1, 1800)),
        resource_limits={
            "max_invocations": draw(_numbers),
            "max_tokens_per_response": draw(_numbers),
            "max_total_tokens": draw(_numbers),
            "max_frequency": f"{draw(_small)} per {draw(_small)} second"
            + draw(st.sampled_from(["", "s"])),
        },
        allowed_trigger_types=draw(
            st.lists(st.sampled_from(TRIGGER_TYPES), min_size=1, unique=True)
        ),
        issued_by=draw(_users),
        plan_digest=draw(st.none() | digests),
        max_executions=draw(st.none() | _numbers),
    )


tokens = _tokens()

_leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.complex_numbers(),
    names,
    st.sampled_from([object(), ..., int, 10**4000]),
)
junk = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner),
        st.dictionaries(names | st.integers(), inner, max_size=3),
        st.sets(st.integers() | st.text(), max_size=2),
    ),
    max_leaves=6,
)
"""Anything at all, as a caller might pass it."""
