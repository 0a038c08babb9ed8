"""Listing tokens in pages, in the order of their issue.

Spec: docs/spec/authority.md, AUT-8.
"""

from dataclasses import dataclass

from audit.store.interface import ReadTransaction, Value
from tokens.state.collections import ISSUANCE
from tokens.state.reading import TokenReader
from tokens.state.registered import RegisteredToken

__all__ = ["MAX_PAGE", "TokenFilter", "TokenPage", "list_tokens"]

MAX_PAGE = 1000
"""The most tokens on one page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFilter:
    """Which tokens to list; what is left out does not matter.

    ``live`` keeps those that nothing would refuse now (true), or the others
    (false).
    """

    user_id: str | None = None
    issued_by: str | None = None
    kid: str | None = None
    live: bool | None = None

    def keeps(self, token: RegisteredToken, now_us: int) -> bool:
        """Tell whether a token is to be listed."""
        return (
            self.user_id in {None, token.user_id}
            and self.issued_by in {None, token.issued_by}
            and self.kid in {None, token.kid}
            and self.live in {None, token.is_live(now_us)}
        )


@dataclass(frozen=True, slots=True)
class TokenPage:
    """Some tokens, and where the next page begins; ``None`` after the last."""

    tokens: tuple[RegisteredToken, ...]
    next_cursor: int | None


def list_tokens(
    reader: TokenReader,
    tx: ReadTransaction,
    wanted: TokenFilter,
    *,
    cursor: int | None,
    limit: int,
) -> TokenPage:
    """Read one page, newest token first.

    A page looks at ``limit`` tokens and gives those of them that are wanted: it
    may be short, or empty, and still not be the last.

    Raises:
        ValueError: ``limit`` is not 1 to ``MAX_PAGE``.
        RegistryIntegrityError: The records of a token cannot be believed.
    """
    if type(limit) is not int or not 1 <= limit <= MAX_PAGE:
        raise ValueError(f"limit must be 1 to {MAX_PAGE}")
    where: dict[str, Value] = {}
    if wanted.user_id is not None:
        where["user_id"] = wanted.user_id
    after = None if cursor is None else (cursor,)
    rows = tx.scan(ISSUANCE, where, after=after, limit=limit, descending=True)
    tokens = [reader.token(tx, str(row["token_hash"])) for row in rows]
    last = rows[-1]["leaf_index"] if len(rows) == limit else None
    return TokenPage(
        tuple(token for token in tokens if wanted.keeps(token, tx.now_us)),
        last if isinstance(last, int) else None,
    )
