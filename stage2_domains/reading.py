"""Typed reading of parameters by the built-in methods.

The gate has checked the schema by the time a method reads; a method that is called
without the gate must still answer instead of raising, so every read says what it
expects and where.
"""

from __future__ import annotations

from datetime import MAXYEAR, UTC, date, datetime
from typing import TYPE_CHECKING, Final

from stage2_domains.errors import UnusableInputError
from stage2_domains.sentences import bounded, printable

if TYPE_CHECKING:
    from stage2_domains.canonical import JsonObject, JsonValue

__all__ = ["EPOCH", "Record", "minutes_of"]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_DATE_LENGTH: Final = 10
_MOMENT_LENGTH: Final = 16
_CLOCK_LENGTH: Final = 5
_DAY_MINUTES: Final = 24 * 60


class Record:
    """One object of the parameters, read name by name.

    Every read raises ``UnusableInputError`` where the value has another type; where
    the name is missing, it gives the default, or raises if there is none.
    """

    __slots__ = ("_values", "_where")

    def __init__(self, values: JsonObject, where: str = "") -> None:
        self._values = values
        self._where = where

    def refusal(self, name: str, why: str) -> UnusableInputError:
        """Return the error that refuses the value of ``name``, for raising."""
        return UnusableInputError(bounded(f"{self._path(name)}: {why}"))

    def has(self, name: str) -> bool:
        """Whether ``name`` was given."""
        return name in self._values

    def names(self) -> list[str]:
        """Return all names given, sorted."""
        return sorted(self._values)

    def text(self, name: str, default: str | None = None) -> str:
        """Read a string."""
        value = self._values.get(name, default)
        if not isinstance(value, str):
            raise self.refusal(name, "expected a text")
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """Read a number."""
        value = self._values.get(name, default)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.refusal(name, "expected a number")
        return value

    def integer(self, name: str, default: int | None = None) -> int:
        """Read a whole number."""
        value = self._values.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.refusal(name, "expected a whole number")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """Read ``true`` or ``false``."""
        value = self._values.get(name, default)
        if not isinstance(value, bool):
            raise self.refusal(name, "expected true or false")
        return value

    def raw(self, name: str) -> JsonValue:
        """Read a value of any type."""
        return self._values.get(name)

    def items(self, name: str) -> list[JsonValue]:
        """Read a list; a missing one is empty."""
        value = self._values.get(name, [])
        if not isinstance(value, list):
            raise self.refusal(name, "expected a list")
        return value

    def texts(self, name: str) -> list[str]:
        """Read a list of strings; a missing one is empty."""
        values = self.items(name)
        texts = [value for value in values if isinstance(value, str)]
        if len(texts) != len(values):
            raise self.refusal(name, "expected a list of texts")
        return texts

    def records(self, name: str) -> list[Record]:
        """Read a list of objects; a missing one is empty."""
        return [
            _record(value, f"{self._path(name)}[{index}]")
            for index, value in enumerate(self.items(name))
        ]

    def record(self, name: str) -> Record:
        """Read an object; a missing one is empty."""
        return _record(self._values.get(name, {}), self._path(name))

    def day(self, name: str) -> date:
        """Read a calendar day written ``YYYY-MM-DD``."""
        text = self.text(name)
        try:
            if len(text) == _DATE_LENGTH and text[4] == text[7] == "-":
                return date.fromisoformat(text)
        except ValueError:
            pass
        raise self.refusal(
            name, f"'{printable(text, 40)}' is not a date like 2026-03-01"
        )

    def moment(self, name: str) -> datetime:
        """Read a time written ``YYYY-MM-DDTHH:MM``; without an offset it is UTC."""
        text = self.text(name)
        try:
            if len(text) >= _MOMENT_LENGTH and text[10] == "T" and text[13] == ":":
                found = datetime.fromisoformat(text)
                found = found.astimezone(UTC) if found.tzinfo else _as_utc(found)
                # Room at both ends, so that adding a span never overflows.
                if 1 < found.year < MAXYEAR:
                    return found
        except (ValueError, OverflowError):
            pass
        shown = printable(text, 40)
        raise self.refusal(name, f"'{shown}' is not a time like 2026-03-01T09:30Z")

    def clock(self, name: str) -> int:
        """Read a time of day written ``HH:MM`` as minutes; ``24:00`` ends a day."""
        text = self.text(name)
        hours, colon, minutes = text.partition(":")
        digits = text.isascii() and hours.isdigit() and minutes.isdigit()
        if len(text) == _CLOCK_LENGTH and colon and len(hours) == 2 and digits:  # noqa: PLR2004 - two digits
            found = int(hours) * 60 + int(minutes)
            if int(minutes) < 60 and found <= _DAY_MINUTES:  # noqa: PLR2004 - minutes in an hour
                return found
        raise self.refusal(
            name, f"'{printable(text, 40)}' is not a time of day like 09:30"
        )

    def _path(self, name: str) -> str:
        return f"{self._where}.{name}" if self._where else name


def minutes_of(minutes: int) -> str:
    """Write minutes since midnight as ``HH:MM``."""
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _record(value: JsonValue, where: str) -> Record:
    if not isinstance(value, dict):
        raise UnusableInputError(bounded(f"{where}: expected an object"))
    return Record(value, where)


def _as_utc(naive: datetime) -> datetime:
    return naive.replace(tzinfo=UTC)
