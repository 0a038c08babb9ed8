"""What the host asks of a child: one call of one method of one domain.

A request is a line of canonical JSON, then the domain's code, then the parameters. The
host is believed.

Spec: BOX-5.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final, cast

from stage2_domains.canonical import canonical_bytes
from stage2_domains.contract import Budget

if TYPE_CHECKING:
    from stage2_domains.canonical import JsonObject

__all__ = ["MAX_MESSAGE_BYTES", "Request"]

MAX_MESSAGE_BYTES: Final = 4_096
"""The longest message between the host and its zygote."""

_KEPT_LINES: Final = 256


@dataclass(frozen=True, slots=True)
class Request:
    """One call, or the order to compile what is to be called.

    Attributes:
        digest: The source's digest.
        entry: The dotted name of the class within the source.
        method: The method's name.
        budget: What the call may use.
        code: The source text, or what a child made of it earlier.
        parameters: Canonical JSON of an object; nothing where there is no call.
        is_compiled: ``code`` is to be run. Otherwise it is to be compiled and not run.
    """

    digest: str
    entry: str
    method: str
    budget: Budget
    code: bytes
    parameters: bytes
    is_compiled: bool

    @property
    def room(self) -> int:
        """Bytes of memory that the request itself may take in the child."""
        return 4 * (len(self.code) + len(self.parameters))

    def to_compile(self) -> Request:
        """Return the order to compile the code; no parameters go with it."""
        return replace(self, parameters=b"", is_compiled=False)

    def with_code(self, code: bytes) -> Request:
        """Return the same call with compiled code."""
        return replace(self, code=code, is_compiled=True)

    def to_bytes(self) -> bytes:
        """Encode the request; runs in the host."""
        size = len(self.code)
        about = (self.digest, self.entry, self.method, size, self.is_compiled)
        line = _line(self.budget, about)
        return b"".join((line, self.code, self.parameters))

    @classmethod
    def from_bytes(cls, data: bytes) -> Request:
        """Decode a request; runs in the child."""
        line, _, rest = data.partition(b"\n")
        # Not the strict reader: the host is believed, and this is on every call's way.
        said = cast("JsonObject", json.loads(line))
        size = cast("int", said["code"])
        return cls(
            digest=str(said["digest"]),
            entry=str(said["entry"]),
            method=str(said["method"]),
            budget=Budget(**cast("dict[str, int]", said["budget"])),
            code=rest[:size],
            parameters=rest[size:],
            is_compiled=said["compiled"] is True,
        )


@lru_cache(maxsize=_KEPT_LINES)
def _line(budget: Budget, about: tuple[str, str, str, int, bool]) -> bytes:
    """Return the first line of a request: the same for every call of one method."""
    digest, entry, method, size, compiled = about
    said = {
        "budget": asdict(budget),
        "code": size,
        "compiled": compiled,
        "digest": digest,
        "entry": entry,
        "method": method,
    }
    return canonical_bytes(said) + b"\n"
