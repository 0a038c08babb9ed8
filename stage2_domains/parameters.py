"""The only thing a domain is given: its own parameters.

``IsolatedParameters`` keeps canonical bytes, so that there is no live object to
share: each read parses them again.

Spec: DOM-2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from stage2_domains.canonical import canonical_bytes, parse
from stage2_domains.errors import ValueRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stage2_domains.canonical import JsonObject

__all__ = ["IsolatedParameters"]


class IsolatedParameters:
    """Immutable parameters; ``get_copy()`` gives fresh plain data each time.

    Args:
        source: The bytes of a JSON object, which are kept as they are, or a
            ``dict`` of plain data, which is encoded at once.

    Raises:
        ValueRefusedError: Neither; or the ``dict`` is not plain data.

    Source:
        DOM-2.1 to DOM-2.3; rules 3A.3, 5.4, 6.4.
    """

    __slots__ = ("__data",)
    __data: bytes

    def __init__(self, source: bytes | Mapping[str, object]) -> None:
        if type(source) is dict:
            source = canonical_bytes(source)
        # The whole is parsed by each ``get_copy``; parsing it here as well would
        # only double the cost, so this looks at the two ends.
        if type(source) is not bytes or source[:1] + source[-1:] != b"{}":
            raise ValueRefusedError("parameters must be the bytes of a JSON object")
        object.__setattr__(self, "_IsolatedParameters__data", source)

    def get_copy(self) -> JsonObject:
        """Return the parameters as fresh plain data, which the caller may change.

        Raises:
            ValueRefusedError: The bytes given at construction are not a JSON object.
        """
        value = parse(self.__data)
        if not isinstance(value, dict):
            raise ValueRefusedError("parameters must be the bytes of a JSON object")
        return value

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("parameters are immutable; change a get_copy() instead")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("parameters are immutable; change a get_copy() instead")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, IsolatedParameters):
            return NotImplemented
        return self.__data == other.__data

    def __hash__(self) -> int:
        return hash(self.__data)

    def __repr__(self) -> str:
        return f"IsolatedParameters(<{len(self.__data)} bytes>)"

    def __reduce__(self) -> tuple[type[IsolatedParameters], tuple[bytes]]:
        return (IsolatedParameters, (self.__data,))
