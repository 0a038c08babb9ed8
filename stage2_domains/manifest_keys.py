"""Typed reading of the tables of a manifest; every refusal names file and key.

Spec: DOM-9.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from stage2_domains.errors import RegistrationError
from stage2_domains.sentences import bounded, listed, printable

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from stage2_domains.canonical import JsonObject, JsonValue

__all__ = ["Table"]

_MAX_NAME: Final = 64
_MAX_BUDGET: Final = 2**31


class Table:
    """One table of a manifest.

    Args:
        values: What stands there; anything but an object is refused.
        file: The manifest, as a sentence shows it.
        place: The keys that lead here, divided by dots; empty at the top.
    """

    __slots__ = ("_file", "_place", "_values")

    def __init__(self, values: JsonValue, file: str, place: str = "") -> None:
        self._file = file
        self._place = place
        if not isinstance(values, dict):
            raise RegistrationError(f"{file}: {place}: expected a table")
        self._values: JsonObject = values

    def at(self, key: str) -> str:
        """Say where ``key`` is: file and place."""
        shown = printable(key)
        place = f"{self._place}.{shown}" if self._place else shown
        return f"{self._file}: {place}"

    def refusal(self, key: str, why: str) -> RegistrationError:
        """Return the error that refuses the value of ``key``, for raising."""
        return RegistrationError(bounded(f"{self.at(key)}: {why}"))

    def named(self, key: str, error: RegistrationError) -> RegistrationError:
        """Return ``error`` with file and key before it, where it lacks them."""
        text = str(error)
        return error if text.startswith(self.at(key)) else self.refusal(key, text)

    def has(self, key: str) -> bool:
        """Whether ``key`` was given."""
        return key in self._values

    def names(self) -> list[str]:
        """Return all keys given, in their order."""
        return list(self._values)

    def only(self, known: AbstractSet[str]) -> None:
        """Refuse a key that is not known.

        Raises:
            RegistrationError: There is one.
        """
        for key in self._values:
            if key not in known:
                raise self.refusal(
                    key, f"unknown key; known are {listed(sorted(known))}"
                )

    def raw(self, key: str) -> JsonValue:
        """Read a value of any type; it must be there."""
        if key not in self._values:
            raise self.refusal(key, "missing")
        return self._values[key]

    def text(self, key: str, most: int, default: str | None = None) -> str:
        """Read a text of 1 to ``most`` characters."""
        if default is not None and key not in self._values:
            return default
        value = self.raw(key)
        if not isinstance(value, str) or not 0 < len(value) <= most:
            raise self.refusal(key, f"expected a text of 1 to {most} characters")
        return value

    def identifier(self, key: str) -> str:
        """Read an ASCII identifier of at most 64 characters."""
        value = self.text(key, _MAX_NAME)
        if not value.isascii() or not value.isidentifier():
            raise self.refusal(key, "expected an ASCII identifier")
        return value

    def positive(self, key: str) -> int:
        """Read an integer from 1 to 2**31."""
        value = self.raw(key)
        if type(value) is not int or not 0 < value <= _MAX_BUDGET:
            raise self.refusal(key, "expected a positive integer")
        return value

    def items(self, key: str, most: int) -> list[JsonValue]:
        """Read a list of at most ``most`` items; a missing one is empty."""
        value = self._values.get(key, [])
        if not isinstance(value, list) or len(value) > most:
            raise self.refusal(key, f"expected a list of at most {most} items")
        return value

    def texts(self, key: str, most: int) -> list[str]:
        """Read a list of texts; a missing one is empty."""
        values = self.items(key, most)
        texts = [value for value in values if isinstance(value, str)]
        if len(texts) != len(values):
            raise self.refusal(key, "expected a list of texts")
        return texts

    def table(self, key: str, default: JsonObject | None = None) -> Table:
        """Read a table."""
        value = self._values.get(key, default) if default is not None else self.raw(key)
        return Table(value, self._file, self.at(key).removeprefix(f"{self._file}: "))

    def tables(self, key: str, most: int) -> list[Table]:
        """Read a list of tables; a missing one is empty."""
        place = self.at(key).removeprefix(f"{self._file}: ")
        return [
            Table(value, self._file, f"{place}[{number}]")
            for number, value in enumerate(self.items(key, most))
        ]
