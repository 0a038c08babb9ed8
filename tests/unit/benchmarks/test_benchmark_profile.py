"""The profile blames the right part."""

import sys

import pytest

from benchmarks.where import function_at, task_of


@pytest.mark.parametrize(
    ("stack", "task"),
    [
        ([("json.decoder", "decode"), ("audit.canonical", "parse")], "entries"),
        ([("audit.store.session", "run"), ("audit.store.tables", "x")], "SQL"),
        ([("audit.store.session", "run"), ("audit.store.writer", "_commit")], "COMMIT"),
        ([("audit.store.writer", "leave"), ("stage3.run", "flush")], "locks"),
        ([("tokens.limits", "check"), ("stage3.gates", "check")], "the token"),
        ([("stage3.isolation.guard", "run"), ("stage3.run", "go")], "the box"),
        ([("stage3.run", "go")], "the plan"),
        (
            [
                ("audit.store.postgres.session", "run"),
                ("audit.store.postgres.transaction", "flush"),
                ("audit.store.postgres.transaction", "commit"),
            ],
            "COMMIT",
        ),
        ([("selectors", "select"), ("audit.store.postgres.session", "run")], "SQL"),
        ([("stage3x.run", "go")], "the caller"),
        ([], "the caller"),
    ],
)
def test_a_sample_counts_for_the_innermost_function_of_ours(
    stack: list[tuple[str, str]], task: str
) -> None:
    assert task_of(stack).startswith(task)


def test_a_line_is_of_the_innermost_function_around_it() -> None:
    def inner() -> int:
        return sys._getframe().f_lineno

    outer = sys._getframe().f_lineno

    assert function_at(__name__, inner()) == "inner"
    assert function_at(__name__, outer).startswith("test_a_line")
    assert function_at(__name__, 1) == ""
    assert function_at("absent", 1) == ""
