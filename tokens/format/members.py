"""Reading a JSON object of which every member is known in advance.

A member that is missing, unknown or of another type is a refusal: a claim that
one reader ignores and another obeys is a way to say two things at once.
"""

from collections.abc import Collection, Mapping

from audit.canonical import JsonValue
from tokens.errors import TokenMalformedError

__all__ = ["integer", "object_with", "optional_text", "text", "texts"]


def object_with(
    value: JsonValue, names: Collection[str], where: str
) -> dict[str, JsonValue]:
    """Return ``value``, an object with exactly the members ``names``.

    Raises:
        TokenMalformedError: It is not an object, or has other members.
    """
    if type(value) is not dict:
        raise TokenMalformedError(f"{where} is not an object")
    missing = [name for name in names if name not in value]
    if missing:
        raise TokenMalformedError(f"{where} lacks {', '.join(missing)}")
    if len(value) != len(names):
        # Their names are not shown: they are somebody else's text.
        raise TokenMalformedError(f"{where} holds members that are not known")
    return value


def text(holder: Mapping[str, JsonValue], name: str) -> str:
    """Return the member ``name``, a string.

    Raises:
        TokenMalformedError: It is something else.
    """
    value = holder[name]
    if type(value) is not str:
        raise TokenMalformedError(f"{name} is not a string")
    return value


def optional_text(holder: Mapping[str, JsonValue], name: str) -> str | None:
    """Return the member ``name``, a string or null.

    Raises:
        TokenMalformedError: It is something else.
    """
    return None if holder[name] is None else text(holder, name)


def integer(holder: Mapping[str, JsonValue], name: str, *, maximum: int) -> int:
    """Return the member ``name``, an integer from 0 to ``maximum``.

    Raises:
        TokenMalformedError: It is something else.
    """
    value = holder[name]
    if type(value) is not int or not 0 <= value <= maximum:
        raise TokenMalformedError(f"{name} is not an integer from 0 to {maximum}")
    return value


def texts(holder: Mapping[str, JsonValue], name: str) -> list[str]:
    """Return the member ``name``, an array of strings.

    Raises:
        TokenMalformedError: It is something else.
    """
    value = holder[name]
    if type(value) is not list:
        raise TokenMalformedError(f"{name} is not an array")
    found = [member for member in value if type(member) is str]
    if len(found) != len(value):
        raise TokenMalformedError(f"{name} holds something that is not a string")
    return found
