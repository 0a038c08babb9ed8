"""The capability token: who may have what done, for how long, and how often.

A value, and nothing but a value: it is checked once, completely, when it is
made, copies everything it was given, and cannot be changed afterwards. It is
not yet authority; it becomes that when an issue key signs it
(``tokens.credential``) and the registry holds the result. The object in memory
is never what a decision rests on, because Python cannot protect an object from
code in its own process.

Specification: docs/spec/tokens.md, section 1.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NoReturn, Self, TypedDict, cast, final

from tokens.limits import MAX_LIMIT, Limits, parse_limits
from tokens.names import (
    checked_domain,
    checked_issuer,
    checked_label,
    checked_method,
    checked_user,
)
from tokens.triggers import checked_triggers

__all__ = [
    "MAX_DOMAINS",
    "MAX_DURATION_SECONDS",
    "MAX_METHODS_PER_DOMAIN",
    "MAX_SCOPE_BYTES",
    "CapabilityToken",
    "TokenFields",
]

MAX_DURATION_SECONDS: Final = 1800
MAX_DOMAINS: Final = 64
MAX_METHODS_PER_DOMAIN: Final = 64
MAX_SCOPE_BYTES: Final = 4096
"""The longest scope, as it stands in the credential: with everything else at its
longest, the credential still fits its 8 KiB."""

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
# What one domain costs in `authorization_details`, without its names:
# {"actions":[],"identifier":"","type":"stage3_domain"}, and the comma after it.
_DOMAIN_BYTES: Final = len('{"actions":[],"identifier":"","type":"stage3_domain"},')
_METHOD_BYTES: Final = len('"",')


class TokenFields(TypedDict):
    """Every argument of ``CapabilityToken`` by its name, as plain values."""

    user_id: str
    capability: str
    domain_scope: list[str]
    method_scope: dict[str, list[str]]
    duration_seconds: int
    resource_limits: dict[str, int | str]
    allowed_trigger_types: list[str]
    issued_by: str
    plan_digest: str | None
    max_executions: int | None


@final
class CapabilityToken:
    """What one user may have done: domains, methods, limits, triggers, duration.

    Reads give tuples, a read-only mapping, or a fresh dict. Two tokens are equal
    when all their fields are. Copying gives the same object; pickling rebuilds it
    through every check.

    Args:
        user_id: Who the token is for, 1 to 128 ASCII characters.
        capability: A label for people, 1 to 128 printable characters. It grants
            nothing.
        domain_scope: A list of 1 to 64 different domain identifiers.
        method_scope: A dict from domains of ``domain_scope`` to lists of 1 to 64
            different method identifiers. A domain without an entry is legal, and
            unusable.
        duration_seconds: 1 to 1800.
        resource_limits: A dict with exactly the keys ``LIMIT_KEYS``.
        allowed_trigger_types: A list of 1 to 4 different trigger types.
        issued_by: Who issues it; a person or service, never a part of Stage-3.
        plan_digest: ``sha256:`` and 64 hexadecimal digits of the one plan that
            may be executed, or ``None`` for any.
        max_executions: How many plans may be executed, or ``None``.

    Raises:
        TypeError: An argument is missing.
        ValueError: An argument is not as described.

    Source:
        rules 1A to 1D; TOK-1.1 to TOK-1.15.
    """

    __slots__ = (
        "_allowed_trigger_types",
        "_capability",
        "_domain_scope",
        "_duration_seconds",
        "_issued_by",
        "_limits",
        "_max_executions",
        "_max_frequency",
        "_method_scope",
        "_plan_digest",
        "_user_id",
    )

    _allowed_trigger_types: tuple[str, ...]
    _capability: str
    _domain_scope: tuple[str, ...]
    _duration_seconds: int
    _issued_by: str
    _limits: Limits
    _max_executions: int | None
    _max_frequency: str
    _method_scope: tuple[tuple[str, tuple[str, ...]], ...]
    _plan_digest: str | None
    _user_id: str

    # `__new__` and no `__init__`: calling `__init__` on a finished token again
    # must not be a way to change it. The parameter list is the documented one.
    def __new__(  # noqa: PLR0913, PLR0917  # the published constructor
        cls,
        user_id: str,
        capability: str,
        domain_scope: list[str],
        method_scope: dict[str, list[str]],
        duration_seconds: int,
        resource_limits: dict[str, int | str],
        allowed_trigger_types: list[str],
        issued_by: str | None = None,
        *,
        plan_digest: str | None = None,
        max_executions: int | None = None,
    ) -> Self:
        """Check every argument, then keep copies of them."""
        self = super().__new__(cls)
        domains = _checked_domains(domain_scope)
        methods = _checked_methods(method_scope, domains)
        # One snapshot, so that what is checked is also what is kept.
        limits_given = _snapshot(resource_limits)
        fields: dict[str, object] = {
            "_user_id": checked_user(user_id),
            "_capability": checked_label(capability),
            "_domain_scope": domains,
            "_method_scope": methods,
            "_duration_seconds": _checked_duration(duration_seconds),
            "_limits": parse_limits(limits_given),
            "_max_frequency": cast("dict[str, str]", limits_given)["max_frequency"],
            "_allowed_trigger_types": checked_triggers(allowed_trigger_types),
            "_issued_by": checked_issuer(issued_by),
            "_plan_digest": _checked_digest(plan_digest),
            "_max_executions": _checked_executions(max_executions),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)
        return self

    @property
    def user_id(self) -> str:
        """Who the token is for."""
        return self._user_id

    @property
    def capability(self) -> str:
        """The label for people."""
        return self._capability

    @property
    def domain_scope(self) -> tuple[str, ...]:
        """The domains, in the order given."""
        return self._domain_scope

    @property
    def method_scope(self) -> Mapping[str, tuple[str, ...]]:
        """The methods per domain, read-only, in the order of ``domain_scope``.

        Domains without methods are absent.
        """
        # A fresh dict behind the proxy: comparing a proxy hands the dict behind it
        # to the other operand, which could then change it.
        return MappingProxyType(dict(self._method_scope))

    @property
    def duration_seconds(self) -> int:
        """How long the token is valid after it was issued, 1 to 1800 seconds."""
        return self._duration_seconds

    @property
    def resource_limits(self) -> dict[str, int | str]:
        """The limits as they were given, in a fresh dict."""
        return {
            "max_invocations": self._limits.max_invocations,
            "max_tokens_per_response": self._limits.max_tokens_per_response,
            "max_total_tokens": self._limits.max_total_tokens,
            "max_frequency": self._max_frequency,
        }

    @property
    def limits(self) -> Limits:
        """The limits, parsed."""
        return self._limits

    @property
    def allowed_trigger_types(self) -> tuple[str, ...]:
        """The trigger types, in the order given."""
        return self._allowed_trigger_types

    @property
    def issued_by(self) -> str:
        """Who issues the token."""
        return self._issued_by

    @property
    def plan_digest(self) -> str | None:
        """The digest of the one plan that may be executed, or ``None``."""
        return self._plan_digest

    @property
    def max_executions(self) -> int | None:
        """How many plans may be executed, or ``None`` for no such limit."""
        return self._max_executions

    def to_dict(self) -> TokenFields:
        """Return every field in a fresh dict of plain lists, dicts and values.

        ``CapabilityToken(**token.to_dict()) == token``. When a token was issued
        and what its hash is belong to its credential, and are in
        ``Claims.to_dict()``.

        Source:
            rules 1A.14, 1A.16; TOK-1.12.
        """
        return {
            "user_id": self._user_id,
            "capability": self._capability,
            "domain_scope": list(self._domain_scope),
            "method_scope": {name: list(found) for name, found in self._method_scope},
            "duration_seconds": self._duration_seconds,
            "resource_limits": self.resource_limits,
            "allowed_trigger_types": list(self._allowed_trigger_types),
            "issued_by": self._issued_by,
            "plan_digest": self._plan_digest,
            "max_executions": self._max_executions,
        }

    def _values(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.__slots__)

    def __eq__(self, other: object) -> bool:
        if type(other) is not CapabilityToken:
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        return (
            f"CapabilityToken(user_id={self._user_id!r},"
            f" capability={self._capability!r}, domains={len(self._domain_scope)},"
            f" duration_seconds={self._duration_seconds})"
        )

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a CapabilityToken is immutable: issue another one")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a CapabilityToken is immutable: issue another one")

    def __init_subclass__(cls) -> NoReturn:
        raise TypeError("CapabilityToken has no subclasses: it would not be checked")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuilt, (self.to_dict(),)


def _rebuilt(fields: TokenFields) -> CapabilityToken:
    return CapabilityToken(**fields)


def _snapshot(value: object) -> object:
    # Anything but an exact dict is left for the parser to refuse.
    return dict(value) if type(value) is dict else value


def _checked_domains(value: object) -> tuple[str, ...]:
    if type(value) is not list or not value:
        raise ValueError("domain_scope must be a non-empty list of domain names")
    members = tuple(value)
    if len(members) > MAX_DOMAINS:
        raise ValueError(f"domain_scope holds more than {MAX_DOMAINS} domains")
    domains = tuple(checked_domain(member) for member in members)
    if len(set(domains)) != len(domains):
        raise ValueError("domain_scope names a domain twice")
    return domains


def _checked_methods(
    value: object, domains: tuple[str, ...]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if type(value) is not dict:
        raise ValueError("method_scope must be a dict from domains to method lists")
    given: dict[object, object] = dict(value)
    for key in given:
        if type(key) is not str or key not in domains:
            raise ValueError("method_scope names a domain that is not in domain_scope")
    found = tuple(
        (domain, _checked_method_list(given[domain], domain))
        for domain in domains
        if domain in given
    )
    _require_fitting_scope(domains, found)
    return found


def _checked_method_list(value: object, domain: str) -> tuple[str, ...]:
    if type(value) is not list or not value:
        raise ValueError(
            f"method_scope[{domain!r}] must be a non-empty list of method names"
        )
    members = tuple(value)
    if len(members) > MAX_METHODS_PER_DOMAIN:
        raise ValueError(
            f"method_scope[{domain!r}] holds more than {MAX_METHODS_PER_DOMAIN} methods"
        )
    methods = tuple(checked_method(member) for member in members)
    if len(set(methods)) != len(methods):
        raise ValueError(f"method_scope[{domain!r}] names a method twice")
    return methods


def _require_fitting_scope(
    domains: tuple[str, ...], methods: tuple[tuple[str, tuple[str, ...]], ...]
) -> None:
    names = sum(_DOMAIN_BYTES + len(domain) for domain in domains)
    actions = sum(_METHOD_BYTES + len(name) for _, found in methods for name in found)
    if names + actions > MAX_SCOPE_BYTES:
        raise ValueError(
            f"domain_scope and method_scope take {names + actions} bytes in the"
            f" credential, at most {MAX_SCOPE_BYTES} fit"
        )


def _checked_duration(value: object) -> int:
    if type(value) is not int or not 1 <= value <= MAX_DURATION_SECONDS:
        raise ValueError(
            "duration_seconds must be a positive integer of at most"
            f" {MAX_DURATION_SECONDS} seconds"
        )
    return value


def _checked_digest(value: object) -> str | None:
    if value is None:
        return None
    if type(value) is not str or _DIGEST.fullmatch(value) is None:
        raise ValueError(
            "plan_digest must be 'sha256:' and 64 lower-case hexadecimal digits"
        )
    return value


def _checked_executions(value: object) -> int | None:
    if value is None:
        return None
    if type(value) is not int or not 1 <= value <= MAX_LIMIT:
        raise ValueError(
            f"max_executions must be a positive integer of at most {MAX_LIMIT}"
        )
    return value
