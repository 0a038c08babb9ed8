"""Which strings may name a user, an issuer, a domain, a method or a capability.

Two questions, kept apart: *syntax* (which characters, how many) and *standing*
(no part of the executing machinery may hold, issue or be the target of a
token). The second is a denylist of words and therefore only defence in depth:
what keeps Stage-3 from issuing is that it holds no key.

Names are compared exactly everywhere else. The folding below exists only to
refuse; it never makes two names equal.
"""

import re
from typing import Final

__all__ = [
    "MAX_NAME_CHARACTERS",
    "checked_actor",
    "checked_domain",
    "checked_issuer",
    "checked_label",
    "checked_method",
    "checked_principal",
    "checked_text",
    "checked_user",
]

MAX_NAME_CHARACTERS: Final = 128
"""The longest user, issuer, domain, method or capability, in characters."""

# ASCII only: a look-alike from another script is not a name at all, and no
# pattern character is either. `\Z` and `fullmatch` leave no room for a newline.
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,127}")
_PRINCIPAL: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@+|/=~\-]{0,127}")

_MACHINERY: Final = frozenset(
    {"agent", "autonomy", "executor", "orchestrator", "planner", "scheduler"}
)
# Controls, format and bidi characters, lone surrogates, separators but the space,
# specials and tags. A fixed list and not `str.isprintable`, whose answer changes
# with the interpreter's Unicode tables: what one signs, another must read.
_UNPRINTABLE: Final = re.compile(
    "[\x00-\x1f\x7f-\xa0\xad\u0600-\u0605\u061c\u06dd\u070f\u0890-\u0891\u08e2"
    "\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ud800-\udfff\ufeff"
    "\ufff0-\uffff\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
# Compared with the whole name, squashed: as parts of a name they are harmless
# (`system_admin`, `billing_system`).
_WHOLE: Final = frozenset({"autonomousagent"})
_WHOLE_DOMAINS: Final = frozenset({"orchestrationplan", "permissionsystem", "system"})
_NOT_ALPHANUMERIC: Final = re.compile(r"[^a-z0-9]")
_WORD: Final = re.compile(r"[a-z]+")
_CAMEL_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def checked_user(value: object) -> str:
    """Return ``value`` if it may hold a token.

    Raises:
        ValueError: It is not 1 to 128 of the permitted ASCII characters, or it
            names a part of Stage-3.

    Source:
        rules 1C.3, 1C.9; TOK-1.3, TOK-1.5.
    """
    name = _matched(value, _PRINCIPAL, "user_id")
    if _is_machinery(name):
        raise ValueError(
            f"user_id {name!r} names a part of stage3; a token's user is a person"
            " or a service, never the machinery that executes it"
        )
    return name


def checked_issuer(value: object) -> str:
    """Return ``value`` if it may issue a token.

    Raises:
        ValueError: It is missing, not 1 to 128 of the permitted ASCII
            characters, or names a part of Stage-3. The text always says that a
            token must be issued by user.

    Source:
        rules 1A.2, 1C.1, 1C.2, 1C.9; TOK-1.4, TOK-1.5.
    """
    rule = "a token must be issued by user or administrator, never by Stage-3"
    if value is None:
        raise ValueError(f"{rule}: issued_by is missing")
    if type(value) is not str or _PRINCIPAL.fullmatch(value) is None:
        raise ValueError(f"{rule}: {_syntax('issued_by')}")
    if _is_machinery(value):
        raise ValueError(f"{rule}: issued_by {value!r} names a part of stage3")
    return value


def checked_actor(value: object) -> str:
    """Return ``value`` if it may sign off a revocation, a pause or a key change.

    Raises:
        ValueError: It is not 1 to 128 of the permitted ASCII characters, or it
            names a part of Stage-3.

    Source:
        rules 1C.8; TOK-1.5, TOK-6.3.
    """
    name = _matched(value, _PRINCIPAL, "by")
    if _is_machinery(name):
        raise ValueError(
            f"by {name!r} names a part of stage3; only people and services act"
        )
    return name


def checked_principal(value: object) -> str:
    """Return ``value`` if it is written as users and issuers are.

    For selecting the tokens of a user or issuer, who may be called anything.

    Raises:
        ValueError: It is not 1 to 128 of the permitted ASCII characters.
    """
    return _matched(value, _PRINCIPAL, "the user or issuer")


def checked_domain(value: object) -> str:
    """Return ``value`` if a token's scope may name it as a domain.

    Raises:
        ValueError: It is not an identifier of 1 to 128 characters, or it names
            a part of Stage-3 or its permission machinery.

    Source:
        rules 1A.5, 1A.10, 1C.4, 1C.5, 1C.9; TOK-1.5, TOK-1.6.
    """
    name = _matched(value, _IDENTIFIER, "each domain in domain_scope")
    if _is_machinery(name) or _squashed(name) in _WHOLE_DOMAINS:
        raise ValueError(
            f"domain {name!r} names a part of stage3; no token reaches the machinery"
            " that executes it"
        )
    return name


def checked_method(value: object) -> str:
    """Return ``value`` if a token's scope may name it as a method.

    Raises:
        ValueError: It is not an identifier of 1 to 128 characters.

    Source:
        rules 1A.8; TOK-1.6. No method name is forbidden by itself (rules 1C.5).
    """
    return _matched(value, _IDENTIFIER, "each method in method_scope")


def checked_label(value: object) -> str:
    """Return ``value`` if it may be a capability, which is only a label.

    Raises:
        ValueError: It is not a string of 1 to 128 printable characters, or is
            nothing but spaces.

    Source:
        rules 1A.4, 1A.9, 1C.6; TOK-1.2. A label grants nothing, so no word in it
        is forbidden.
    """
    return checked_text("capability", value, MAX_NAME_CHARACTERS)


def checked_text(name: str, value: object, most: int) -> str:
    """Return ``value`` if it is text that can be shown to people.

    Raises:
        ValueError: It is not a string of 1 to ``most`` printable characters, or
            is nothing but spaces. The text names ``name``.

    Source:
        TOK-1.2, TOK-6.3.
    """
    if type(value) is not str or not value.strip(" "):
        raise ValueError(f"{name} must be a non-empty string of printable text")
    # Before looking for characters, which takes time on a long text.
    if len(value) > most:
        raise ValueError(
            f"{name} must be a non-empty string of at most {most} characters,"
            f" got {len(value)}"
        )
    if _UNPRINTABLE.search(value) is not None:
        raise ValueError(
            f"{name} must be a non-empty string of printable text: it holds a control,"
            " format or separator character"
        )
    return value


def _matched(value: object, pattern: re.Pattern[str], role: str) -> str:
    if type(value) is not str or pattern.fullmatch(value) is None:
        raise ValueError(_syntax(role))
    return value


def _syntax(role: str) -> str:
    allowed = (
        "letters, digits and _ . : @ + | / = ~ -"
        if " in " not in role
        else "letters, digits, _ . and - (no wildcard, no pattern)"
    )
    return (
        f"{role} must be a non-empty string of at most {MAX_NAME_CHARACTERS} ASCII"
        f" characters: {allowed}, beginning with a letter, a digit or _"
    )


def _is_machinery(name: str) -> bool:
    # Digits separate words too, so that `agent7` is refused as `agent_7` is. The
    # price is a known false positive: `travel_agent_jane` is refused (TOK-1.5).
    words = set(_WORD.findall(name.lower()))
    words.update(word.lower() for word in _CAMEL_WORD.findall(name))
    squashed = _squashed(name)
    letters = "".join(_WORD.findall(squashed))
    return (
        "stage3" in squashed
        or not words.isdisjoint(_MACHINERY)
        or letters in _MACHINERY
        or letters in _WHOLE
    )


def _squashed(name: str) -> str:
    return _NOT_ALPHANUMERIC.sub("", name.lower())
