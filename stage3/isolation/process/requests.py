"""What the host asks of a child: one call of one method of one domain.

A request is a line of canonical JSON, then the source text where the child does not
have it compiled, then the parameters. The host is believed.

Spec: BOX-5.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Final, cast

from stage2_domains.canonical import canonical_bytes, parse
from stage2_domains.contract import Budget

if TYPE_CHECKING:
    from stage2_domains.canonical import JsonObject

__all__ = ["MAX_MESSAGE_BYTES", "Request"]

MAX_MESSAGE_BYTES: Final = 4_096
"""The longest message between the host and its zygote."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call.

    Attributes:
        digest: The source's digest; a child may have it compiled already.
        entry: The dotted name of the class within the source.
        method: The method's name.
        budget: What the call may use.
        code: The source text, or nothing where the child has it.
        parameters: Canonical JSON of an object.
    """

    digest: str
    entry: str
    method: str
    budget: Budget
    code: bytes
    parameters: bytes

    def without_code(self) -> Request:
        """Return the same request for a child that has the source compiled."""
        return replace(self, code=b"")

    def to_bytes(self) -> bytes:
        """Encode the request; runs in the host."""
        line = canonical_bytes(
            {
                "budget": asdict(self.budget),
                "code": len(self.code),
                "digest": self.digest,
                "entry": self.entry,
                "method": self.method,
            }
        )
        return b"".join((line, b"\n", self.code, self.parameters))

    @classmethod
    def from_bytes(cls, data: bytes) -> Request:
        """Decode a request; runs in the child."""
        line, _, rest = data.partition(b"\n")
        said = cast("JsonObject", parse(line))
        size = cast("int", said["code"])
        return cls(
            digest=str(said["digest"]),
            entry=str(said["entry"]),
            method=str(said["method"]),
            budget=Budget(**cast("dict[str, int]", said["budget"])),
            code=rest[:size],
            parameters=rest[size:],
        )
