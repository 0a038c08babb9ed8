"""The profile blames the right part."""

import pytest

from benchmarks.where import task_of


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
