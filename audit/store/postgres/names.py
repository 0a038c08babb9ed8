"""Names and constants as PostgreSQL reads them, and triggers that refuse.

Source: docs/spec/postgres.md, PGS-1.
"""

from typing import Final

__all__ = ["SEARCH_PATH", "literal", "quoted", "refuse_statement"]

SEARCH_PATH: Final = "{schema}, pg_temp"
"""What a session sets, with the schema's name in quotes.

The system's own names are looked up before it, temporary tables after it: named
nowhere, those would come first, and could stand in for the ledger's.
"""


def quoted(name: str) -> str:
    """Write a name as PostgreSQL reads it, whatever characters it has."""
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def literal(text: str) -> str:
    """Write a text as a constant of SQL, whatever the session's settings."""
    doubled = text.replace("\\", "\\\\").replace("'", "''")
    return f"E'{doubled}'"


def refuse_statement(table: str, moment: str, *, when: str = "") -> str:
    """Write the trigger that refuses a kind of statement on a table.

    What it says under ``when`` is bound to operators when the trigger is made, so
    that no session can give them another meaning.

    Args:
        table: The table.
        moment: ``INSERT``, ``UPDATE``, ``UPDATE OF a, b``, ``DELETE``, ``TRUNCATE``.
        when: A condition on OLD and NEW; always when empty.
    """
    name = f"{table}.no_{moment.partition(' ')[0].lower()}{'_then' if when else ''}"
    each = "STATEMENT" if moment == "TRUNCATE" else "ROW"
    condition = f" WHEN ({when})" if when else ""
    return (
        f"CREATE TRIGGER {quoted(name)} BEFORE {moment} ON {quoted(table)}"
        f" FOR EACH {each}{condition} EXECUTE FUNCTION refuse()"
    )
