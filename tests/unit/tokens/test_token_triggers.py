"""The four triggers and no other: rules 1D, TOK-1.11."""

import itertools

import pytest

from tests.unit.tokens.token_samples import token
from tokens.triggers import TRIGGER_TYPES

LEGAL = ("direct_command", "async_request", "acknowledgment", "scheduled")


def test_the_legal_triggers_are_these_four() -> None:
    """Rules 1D.1."""
    assert TRIGGER_TYPES == LEGAL


@pytest.mark.parametrize(
    "triggers",
    [
        list(found)
        for size in range(1, 5)
        for found in itertools.permutations(LEGAL, size)
    ],
    ids=" ".join,
)
def test_any_selection_is_legal_and_keeps_its_order(triggers: list[str]) -> None:
    """Rules 1D.1, 1D.5."""
    assert token(allowed_trigger_types=triggers).allowed_trigger_types == tuple(
        triggers
    )


REFUSED_WORDS = [
    # rules 1C.7
    *("stage3_execute", "autonomy_invoke", "auto_trigger", "background_execution"),
    *("autonomous_trigger", "polling", "timer"),
    # rules 1D.4
    *(
        "background",
        "background_job",
        "background_task",
        "background_monitor",
        "daemon",
    ),
    *("daemon_execution", "cron", "cron_job", "poll", "poll_condition", "watch"),
    *("condition_check", "monitor", "timeout", "delay", "periodic", "recurring"),
    *("interval", "repeat", "stage3_invoke", "auto_execute", "webhook", "event_driven"),
    # rules 1D.2, 1D.3 and near misses
    *("Direct_Command", "DIRECT_COMMAND", "direct-command", " direct_command", "*", ""),
]


@pytest.mark.parametrize("word", REFUSED_WORDS)
def test_a_word_that_is_no_trigger_spoils_the_list(word: str) -> None:
    """Rules 1C.7, 1D.2 to 1D.4."""
    for triggers in ([word], ["direct_command", word], [*LEGAL, word]):
        with pytest.raises(ValueError, match="valid trigger"):
            token(allowed_trigger_types=triggers)


class Text(str):
    """A string that could print as another."""

    __slots__ = ()


@pytest.mark.parametrize(
    "value",
    [
        [],
        [Text("direct_command")],
        None,
        "direct_command",
        ("direct_command",),
        {"direct_command"},
        [["direct_command"]],
        [None],
        [1],
        [b"direct_command"],
        ["direct_command", "direct_command"],
    ],
)
def test_anything_but_a_list_of_different_triggers_is_refused(value: object) -> None:
    """Rules 1D.3."""
    with pytest.raises(ValueError, match="trigger"):
        token(allowed_trigger_types=value)


def test_triggers_belong_to_their_token() -> None:
    """Rules 1D.5."""
    direct = token(allowed_trigger_types=["direct_command"])
    scheduled = token(allowed_trigger_types=["scheduled"])

    assert "scheduled" not in direct.allowed_trigger_types
    assert "direct_command" not in scheduled.allowed_trigger_types
