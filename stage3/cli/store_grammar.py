"""The grammar of ``stage3 store``: ledgers on a server, for their owner.

Source: docs/spec/cli.md, CLI-12.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stage3.cli.parsers import add_command, add_common, add_group

if TYPE_CHECKING:
    from stage3.cli.parsers import Groups

__all__ = ["add_store"]


def add_store(groups: Groups) -> None:
    """Add the group."""
    store = add_group(
        groups, "store", "create, grant and migrate ledgers in PostgreSQL"
    )
    create = add_command(
        store,
        "store create",
        "create a ledger in a schema of a database, and its roles",
        more="Needs --store, with a login that may create schemas and roles.",
    )
    create.add_argument(
        "--ledger-id", metavar="ID", help="name the ledger (default: 128 random bits)"
    )
    grant = add_command(
        store,
        "store grant",
        "make the roles of a ledger, and grant them what they need",
        more="Takes back what else was granted. Needs --store, with the owner's login.",
    )
    for parser in (create, grant):
        parser.add_argument(
            "--roles",
            metavar="PREFIX",
            default="stage3",
            help="begin the names of the roles with this (default: stage3)",
        )
    create.add_argument(
        "--no-roles",
        action="store_true",
        help="leave everything to the one login that creates it",
    )
    migrate = add_command(
        store,
        "store migrate",
        "take the tables of a ledger to the version of this program",
        more="Executors can go on meanwhile. Needs --store, with the owner's login.",
    )
    for parser in (create, grant, migrate):
        add_common(parser)
