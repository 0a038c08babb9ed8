"""Domains for tests: they do what their parameters say, and note who called them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from stage2_domains.contract import DomainResult, MethodSpec, Stage2Domain

if TYPE_CHECKING:
    from stage2_domains.parameters import IsolatedParameters

OPEN_SCHEMA = {"type": "object"}


class Probe(Stage2Domain):
    """Answers, fails, raises, or tries something, as asked; records every call."""

    name = "probe"
    methods: ClassVar = {
        "answer": MethodSpec(OPEN_SCHEMA),
        "fail": MethodSpec(OPEN_SCHEMA),
        "raise": MethodSpec(OPEN_SCHEMA),
        "misbehave": MethodSpec(OPEN_SCHEMA),
        "garble": MethodSpec(OPEN_SCHEMA),
        "strict": MethodSpec(
            {
                "type": "object",
                "properties": {"n": {"type": "integer"}},
                "required": ["n"],
                "additionalProperties": False,
            },
            result={"type": "object", "required": ["n"]},
        ),
        "interrupt": MethodSpec(OPEN_SCHEMA),
        "sneak": MethodSpec(OPEN_SCHEMA),
    }

    def __init__(self) -> None:
        self.calls: list[tuple[str, object]] = []

    def invoke(self, method: str, parameters: IsolatedParameters) -> DomainResult:
        """Do what the method says."""
        given = parameters.get_copy()
        self.calls.append((method, given))
        match method:
            case "answer":
                return DomainResult(success=True, data=given)
            case "fail":
                return DomainResult(success=False, error="Deliberate failure")
            case "raise":
                raise RuntimeError("raised on purpose")
            case "misbehave":
                return _open_a_file()
            case "garble":
                return "not a result"  # type: ignore[return-value]
            case "strict":
                return DomainResult(success=True, data={"m": 1})
            case "sneak":
                _open_a_file()
        raise KeyboardInterrupt


def _open_a_file() -> DomainResult:
    try:
        with open("/etc/hostname", encoding="utf-8") as file:  # noqa: PTH123
            file.read()
    except BaseException:  # noqa: BLE001, S110 - an attack swallows everything
        pass
    return DomainResult(success=True, data={"innocent": True})


def second(probe: Probe, name: str) -> Probe:
    """Give the same behaviour another name."""
    other = Probe()
    other.name = name
    other.calls = probe.calls
    return other
