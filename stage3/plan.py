"""The plan: every step named, in order, before the first one runs.

A plan holds canonical bytes (RFC 8785), not the objects it was given, so nothing
that happens to those objects later reaches it. It has no branch, loop, retry or
reference from one step to another: there is no way to write one.

Not here: whether a plan is allowed (``stage3.gates``), or running it
(``stage3.orchestrator``).

Source: docs/spec/execution.md, EXE-1; rules 7.1, 7.6, 7.9.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NoReturn, Self, TypeVar, cast

from stage2_domains.canonical import canonical_bytes, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stage2_domains.canonical import JsonValue

__all__ = [
    "MAX_INVOCATIONS",
    "MAX_NAME_CHARACTERS",
    "MAX_PARAMETER_BYTES",
    "MAX_PLAN_BYTES",
    "DomainInvocation",
    "ExecutionPlan",
]

MAX_INVOCATIONS: Final = 256
MAX_PARAMETER_BYTES: Final = 256 * 1024
MAX_NAME_CHARACTERS: Final = 128
MAX_PLAN_BYTES: Final = MAX_INVOCATIONS * (MAX_PARAMETER_BYTES + 4_096)
"""No valid plan is longer; longer text is refused before it is parsed."""

PLAN_VERSION: Final = 1

_Frozen = TypeVar("_Frozen", bound="_Immutable")


class _Immutable:
    """Slots that are filled once, by the class itself."""

    __slots__ = ()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        """Refuse: plans do not change after construction."""
        raise AttributeError(f"{type(self).__name__} is immutable: {name} is fixed")

    def __delattr__(self, name: str) -> NoReturn:
        """Refuse: plans do not change after construction."""
        raise AttributeError(f"{type(self).__name__} is immutable: {name} is fixed")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self


class DomainInvocation(_Immutable):
    """One step: a domain, a method of it, and that method's own parameters.

    Args:
        domain: 1 to 128 characters. Any such name can be planned; whether the
            token covers it is decided when the plan is executed.
        method: 1 to 128 characters, likewise.
        parameters: A JSON object of plain ``dict``, ``list``, ``str``, ``int``
            (within 2**53), ``float`` (finite), ``bool`` and ``None``; at most
            256 KiB as canonical bytes and 32 levels deep. Copied at once.

    Raises:
        ValueError: A name is not a string of that length or cannot be encoded;
            the parameters are not such an object.
        AttributeError: On every later assignment or deletion.

    Source:
        EXE-1.1 to EXE-1.4; rules 7.1, 7.9 (the parameters were held by
        reference), design section 3.
    """

    __slots__ = ("_data", "domain", "method")

    domain: str
    method: str
    _data: bytes

    def __init__(self, domain: str, method: str, parameters: object = None) -> None:
        _fill(self, "domain", _name("domain", domain))
        _fill(self, "method", _name("method", method))
        _fill(self, "_data", _parameter_bytes(parameters))

    @property
    def parameters(self) -> dict[str, JsonValue]:
        """The parameters, parsed afresh from the stored bytes at every reading."""
        return cast("dict[str, JsonValue]", parse(self._data))

    @property
    def parameter_bytes(self) -> bytes:
        """The canonical bytes (RFC 8785) that the domain will receive."""
        return self._data

    def canonical(self) -> bytes:
        """Give the canonical bytes of this step within its plan."""
        names = canonical_bytes({"domain": self.domain, "method": self.method})
        return names[:-1] + b',"parameters":' + self._data + b"}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DomainInvocation):
            return NotImplemented
        return self.canonical() == other.canonical()

    def __hash__(self) -> int:
        return hash((self.domain, self.method, self._data))

    def __repr__(self) -> str:
        return f"DomainInvocation({self.domain!r}, {self.method!r}, <parameters>)"

    def __reduce__(self) -> tuple[object, ...]:
        return DomainInvocation, (self.domain, self.method, self.parameters)


class ExecutionPlan(_Immutable):
    """A fixed sequence of steps, run in this order or not at all.

    Args:
        user_id: Whose plan this is, 1 to 128 characters. Compared exactly with
            the caller's user id and with the token's.
        invocations: 1 to 256 ``DomainInvocation`` in a list or tuple.

    Raises:
        ValueError: No step, more than 256, something that is not a
            ``DomainInvocation``, or not a user id.
        AttributeError: On every later assignment or deletion.

    Source:
        EXE-1.5 to EXE-1.8; seed 004 ("ExecutionPlan"), rules 7.1, 7.9.
    """

    __slots__ = ("_canonical", "_invocations", "user_id")

    user_id: str
    _invocations: tuple[DomainInvocation, ...]
    _canonical: bytes

    def __init__(self, user_id: str, invocations: Sequence[DomainInvocation]) -> None:
        _fill(self, "user_id", _name("user_id", user_id))
        if type(invocations) not in {list, tuple}:
            raise ValueError("invocations must be a list or tuple of DomainInvocation")
        steps = tuple(invocations)
        if not steps:
            raise ValueError("a plan needs at least one invocation")
        if len(steps) > MAX_INVOCATIONS:
            raise ValueError(
                f"a plan has at most {MAX_INVOCATIONS} invocations, not {len(steps)}"
            )
        for index, step in enumerate(steps):
            if type(step) is not DomainInvocation:
                raise ValueError(
                    f"invocation {index} must be a DomainInvocation, "
                    f"not {type(step).__name__}"
                )
        _fill(self, "_invocations", steps)
        _fill(self, "_canonical", _plan_bytes(self.user_id, steps))

    def get_invocations(self) -> tuple[DomainInvocation, ...]:
        """The steps, in the one order they have."""
        return self._invocations

    @property
    def invocations(self) -> tuple[DomainInvocation, ...]:
        """The steps, in the one order they have."""
        return self._invocations

    @property
    def digest(self) -> str:
        """``sha256:`` and the hex SHA-256 of the plan's canonical bytes."""
        return "sha256:" + hashlib.sha256(self._canonical).hexdigest()

    def canonical(self) -> bytes:
        """The canonical bytes (RFC 8785) that ``digest`` covers."""
        return self._canonical

    def to_json(self) -> str:
        """Give the plan as canonical JSON text; ``from_json`` reads it back."""
        return self._canonical.decode("utf-8")

    @classmethod
    def from_json(cls, text: str | bytes) -> ExecutionPlan:
        """Read a plan from JSON text in the form of ``plan.schema.json``.

        The text need not be canonical; members, types and bounds are exact.

        Raises:
            ValueError: Not JSON, a member missing, unknown, repeated or of the
                wrong type, or anything the two constructors refuse. The sentence
                names the place.
        """
        return _plan_of(_load(text))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ExecutionPlan):
            return NotImplemented
        return self._canonical == other._canonical

    def __hash__(self) -> int:
        return hash(self._canonical)

    def __len__(self) -> int:
        return len(self._invocations)

    def __repr__(self) -> str:
        return f"ExecutionPlan({self.user_id!r}, <{len(self)} invocations>)"

    def __reduce__(self) -> tuple[object, ...]:
        return ExecutionPlan, (self.user_id, self._invocations)


def _fill(frozen: _Frozen, name: str, value: object) -> None:
    object.__setattr__(frozen, name, value)


def _name(what: str, value: object) -> str:
    if type(value) is not str or not 1 <= len(value) <= MAX_NAME_CHARACTERS:
        raise ValueError(
            f"{what} must be a string of 1 to {MAX_NAME_CHARACTERS} characters"
        )
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"{what} holds a lone surrogate") from error
    return value


def _parameter_bytes(parameters: object) -> bytes:
    given = {} if parameters is None else parameters
    if type(given) is not dict:
        raise ValueError(f"parameters must be a dict, not {type(given).__name__}")
    data = canonical_bytes(given)
    if len(data) > MAX_PARAMETER_BYTES:
        raise ValueError(
            f"parameters are {len(data)} bytes, at most {MAX_PARAMETER_BYTES}"
        )
    return data


def _plan_bytes(user_id: str, steps: tuple[DomainInvocation, ...]) -> bytes:
    # Keys in RFC 8785 order: invocations, user_id, v.
    head = b'{"invocations":[' + b",".join(step.canonical() for step in steps)
    user = canonical_bytes({"user_id": user_id, "v": PLAN_VERSION})
    return head + b"]," + user[1:]


def _load(text: str | bytes) -> JsonValue:
    if not isinstance(text, str | bytes):
        raise ValueError("a plan is read from str or bytes")  # noqa: TRY004 - documented
    if len(text) > MAX_PLAN_BYTES:
        raise ValueError(f"a plan is at most {MAX_PLAN_BYTES} bytes of JSON")
    try:
        data = text.encode("utf-8") if isinstance(text, str) else text
        return parse(data)
    except UnicodeError as error:
        raise ValueError("the plan is not UTF-8 text") from error


def _plan_of(value: JsonValue) -> ExecutionPlan:
    plan = _members("the plan", value, {"user_id", "invocations", "v"})
    if type(plan["v"]) is not int or plan["v"] != PLAN_VERSION:
        raise ValueError(f"the plan's v must be {PLAN_VERSION}")
    listed = plan["invocations"]
    if type(listed) is not list:
        raise ValueError("the plan's invocations must be an array")
    steps: list[DomainInvocation] = []
    for index, item in enumerate(listed):
        place = f"invocation {index}"
        step = _members(place, item, {"domain", "method", "parameters"})
        try:
            steps.append(
                DomainInvocation(
                    cast("str", step["domain"]),
                    cast("str", step["method"]),
                    _object(step["parameters"]),
                )
            )
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from error
    return ExecutionPlan(cast("str", plan["user_id"]), steps)


def _object(value: JsonValue) -> JsonValue:
    # None would mean "no parameters" to the constructor; a file must say {}.
    if value is None:
        raise ValueError("parameters must be an object, not null")
    return value


def _members(place: str, value: JsonValue, names: set[str]) -> dict[str, JsonValue]:
    if type(value) is not dict:
        raise ValueError(f"{place} must be a JSON object")
    missing = sorted(names - value.keys())
    if missing:
        raise ValueError(f"{place} lacks {', '.join(missing)}")
    unknown = len(value.keys() - names)
    if unknown:
        allowed = ", ".join(sorted(names))
        raise ValueError(f"{place} has {unknown} unknown member(s); known: {allowed}")
    return value
