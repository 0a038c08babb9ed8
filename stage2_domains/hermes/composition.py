"""A message from a template, every value escaped for where it will be shown.

The template is the author's text and is left as it is; the values are somebody
else's and cannot break out of their place. A placeholder is ``{{name}}``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from stage2_domains.canonical import number_text
from stage2_domains.errors import UnusableInputError
from stage2_domains.sentences import listed

if TYPE_CHECKING:
    from collections.abc import Callable

    from stage2_domains.reading import Record
    from stage2_domains.tabled import Answer

__all__ = ["CHANNELS", "MAX_MESSAGE", "compose_message"]

MAX_MESSAGE: Final = 200_000
"""Characters of the finished message; a template can repeat a long value."""

_PLACEHOLDER: Final = re.compile(
    r"\{\{[ \t]{0,8}([A-Za-z_][A-Za-z0-9_]{0,63})[ \t]{0,8}\}\}"
)
_CONTROLS: Final = {
    code: None
    for code in (*range(32), 127, *range(128, 160))
    if chr(code) not in "\t\n"
}
_HTML: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}
)
# Every ASCII punctuation character may be escaped by a backslash (CommonMark 2.4),
# so escaping all of them is always right; a newline could start a new block.
_MARKDOWN: Final = str.maketrans(
    {mark: f"\\{mark}" for mark in "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"} | {"\n": " "}
)


def compose_message(given: Record) -> Answer:
    """Fill a template for one channel; name placeholders that have no value."""
    channel = given.text("channel", "plain")
    escape = CHANNELS.get(channel)
    if escape is None:
        raise given.refusal("channel", f"expected one of {listed(CHANNELS)}")
    template = given.text("template")
    values = _values(given.record("values"))
    wanted = list(dict.fromkeys(_PLACEHOLDER.findall(template)))
    missing = [name for name in wanted if name not in values]
    if missing:
        raise given.refusal("values", f"the template also needs {listed(missing)}")
    _refuse_broken(given, template)
    escaped = {name: escape(values[name]) for name in wanted}
    message = _filled(template, escaped)
    return {
        "type": given.text("type", "message"),
        "channel": channel,
        "message": message,
        "placeholders": wanted,
        "unused_values": [name for name in sorted(values) if name not in escaped],
        "characters": len(message),
        "words": len(message.split()),
    }


def _values(given: Record) -> dict[str, str]:
    """Read the values as texts; numbers the way JSON writes them."""
    found: dict[str, str] = {}
    for name in given.names():
        value = given.raw(name)
        if isinstance(value, bool):
            found[name] = "yes" if value else "no"
        elif isinstance(value, float):
            found[name] = number_text(value)
        elif isinstance(value, str | int):
            found[name] = str(value)
        else:
            raise given.refusal(name, "expected a text, a number, true or false")
    return found


def _refuse_broken(given: Record, template: str) -> None:
    """Refuse braces that look like a placeholder and are none."""
    rest = _PLACEHOLDER.sub("", template)
    if "{{" in rest or "}}" in rest:
        raise given.refusal(
            "template",
            "'{{' and '}}' must enclose a name of letters, digits and underscores",
        )


def _filled(template: str, escaped: dict[str, str]) -> str:
    # With one capture group, ``split`` gives text and names in turn.
    parts = _PLACEHOLDER.split(template)
    parts[1::2] = [escaped[name] for name in parts[1::2]]
    length = sum(map(len, parts))
    if length > MAX_MESSAGE:
        raise UnusableInputError(
            f"the message would have {length} characters, at most {MAX_MESSAGE}"
        )
    return "".join(parts)


def _plain(text: str) -> str:
    return text.translate(_CONTROLS)


def _html(text: str) -> str:
    return _plain(text).translate(_HTML)


def _markdown(text: str) -> str:
    return _plain(text).translate(_MARKDOWN)


CHANNELS: Final[dict[str, Callable[[str], str]]] = {
    "html": _html,
    "markdown": _markdown,
    "plain": _plain,
}
"""How a value is escaped, by channel."""
