"""The four ways in which an execution may be triggered.

An allow-list and nothing else: a word that is not on it, however harmless it
looks, is no trigger (docs/spec/tokens.md, TOK-1.11). Timers, polling and
anything that starts by itself are absent on purpose. ``scheduled`` means that
the user fixed the time, not that the system may.
"""

from typing import Final

__all__ = ["TRIGGER_TYPES", "checked_triggers"]

TRIGGER_TYPES: Final = (
    "direct_command",
    "async_request",
    "acknowledgment",
    "scheduled",
)
"""Every legal trigger type. Case-sensitive."""


def checked_triggers(value: object) -> tuple[str, ...]:
    """Return the allowed triggers as a tuple, in the order given.

    Args:
        value: A list of one to four different members of ``TRIGGER_TYPES``.

    Raises:
        ValueError: ``value`` is anything else. One bad member spoils the list.

    Source:
        rules 1D.1 to 1D.4; TOK-1.11.
    """
    legal = ", ".join(TRIGGER_TYPES)
    if type(value) is not list or not value:
        raise ValueError(
            "allowed_trigger_types must be a non-empty list of valid trigger types:"
            f" {legal}"
        )
    triggers = tuple(value)
    for trigger in triggers:
        if type(trigger) is not str or trigger not in TRIGGER_TYPES:
            raise ValueError(
                "allowed_trigger_types holds something that is not a valid trigger"
                f" type; valid are: {legal}"
            )
    if len(set(triggers)) != len(triggers):
        raise ValueError("allowed_trigger_types names a trigger type twice")
    return triggers
