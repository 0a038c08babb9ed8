"""The tables of this package: what the registry and the authority keep.

They are records, not authority. A row counts only where the ledger has the
entry that goes with it, and an entry of this package counts only where its row
is found and its signature verifies. So whoever can append to the ledger but not
write these tables (an executor) can make neither a token nor a key nor a
revocation, and whoever edits a table without the ledger stops every start that
depends on it.

| collection | one row for | entry it belongs to |
|---|---|---|
| ``credential`` | each token ever issued | ``token:<hash>`` 0 |
| ``issuance`` | each token, in the order of issue | the same |
| ``revocation`` | each token revoked by itself | TOKEN_REVOKED |
| ``key`` | each key event | KEY_ADDED, KEY_STATE_CHANGED |
| ``statement`` | each signed platform event | SELECTOR_REVOKED, PLATFORM_* |
| ``usage`` | each token that was ever started | counts of its entries |
| ``use`` | each plan execution of a token | its first EXECUTION_STARTED |

Only ``usage`` may be updated. Where the database knows its users apart, executors
write ``usage`` and ``use`` and only read the rest. Spec: docs/spec/authority.md, AUT-1.
"""

from typing import Final

from audit.store.declarations import Writer
from audit.store.interface import Collection, Column, Index

__all__ = [
    "CREDENTIAL",
    "ISSUANCE",
    "KEY",
    "REVOCATION",
    "STATEMENT",
    "TOKEN_COLLECTIONS",
    "USAGE",
    "USE",
]

_ISSUER: Final[frozenset[Writer]] = frozenset({"issuer"})
_EXECUTOR: Final[frozenset[Writer]] = frozenset({"executor"})

CREDENTIAL: Final = Collection(
    "credential",
    key=("token_hash",),
    columns=(Column("token_hash", "text"), Column("credential", "text")),
    insert_only=True,
    writers=_ISSUER,
)
"""The credential exactly as it was handed out; its SHA-256 is the key."""

ISSUANCE: Final = Collection(
    "issuance",
    key=("leaf_index",),
    columns=(
        Column("leaf_index", "integer"),
        Column("token_hash", "text"),
        Column("user_id", "text"),
        Column("expires_s", "integer"),
    ),
    indexes=(Index(("user_id", "leaf_index")),),
    insert_only=True,
    writers=_ISSUER,
)
"""A list of tokens in ledger order. Nothing is ever authorised by it."""

REVOCATION: Final = Collection(
    "revocation",
    key=("token_hash",),
    columns=(Column("token_hash", "text"), Column("statement", "text")),
    insert_only=True,
    writers=_ISSUER,
)
"""The signed statement that withdrew one token."""

KEY: Final = Collection(
    "key",
    key=("sequence",),
    columns=(
        Column("sequence", "integer"),
        Column("kid", "text"),
        Column("purpose", "text"),
        Column("x", "text"),
        Column("not_before_s", "integer"),
        Column("not_after_s", "integer", nullable=True),
        Column("state", "text"),
        Column("statement", "text", nullable=True),
    ),
    insert_only=True,
    writers=_ISSUER,
)
"""What a key became at that place of the platform stream.

``statement`` is the root's signature over it; null where no root signed.
"""

STATEMENT: Final = Collection(
    "statement",
    key=("sequence",),
    columns=(Column("sequence", "integer"), Column("statement", "text")),
    insert_only=True,
    writers=_ISSUER,
)
"""The signed statement behind that place of the platform stream."""

USAGE: Final = Collection(
    "usage",
    key=("token_hash",),
    columns=(
        Column("token_hash", "text"),
        Column("invocations", "integer"),
        Column("units", "integer"),
        Column("reserved", "integer"),
        Column("executions", "integer"),
    ),
    writers=_EXECUTOR,
    growing=("invocations", "units", "executions"),
)
"""How much of a token is used. Only ``reserved`` ever goes down."""

USE: Final = Collection(
    "use",
    key=("token_hash", "number"),
    columns=(
        Column("token_hash", "text"),
        Column("number", "integer"),
        Column("time_us", "integer"),
        Column("execution_id", "text"),
    ),
    insert_only=True,
    writers=_EXECUTOR,
)
"""When each plan execution of a token took its first step, from number 1."""

TOKEN_COLLECTIONS: Final = (
    CREDENTIAL,
    ISSUANCE,
    REVOCATION,
    KEY,
    STATEMENT,
    USAGE,
    USE,
)
"""Everything this package declares to a store."""
