"""How a signed text names the one ledger it is for: ``stage3:<ledger id>``."""

from typing import Final

from audit.entry import is_ledger_id
from tokens.errors import TokenMalformedError

__all__ = ["ledger_of", "ledger_uri"]

_PREFIX: Final = "stage3:"


def ledger_uri(ledger_id: str) -> str:
    """Return the name of the ledger, as it stands in ``iss`` and ``aud``.

    Raises:
        ValueError: ``ledger_id`` is not one that a ledger may have.
    """
    if type(ledger_id) is not str or not is_ledger_id(ledger_id):
        raise ValueError("ledger_id must be 1 to 64 letters, digits or . _ -")
    return _PREFIX + ledger_id


def ledger_of(uri: str) -> str:
    """Return the ledger id of which ``uri`` is the name.

    Raises:
        TokenMalformedError: ``uri`` is not the name of a ledger.
    """
    ledger_id = uri.removeprefix(_PREFIX)
    if ledger_id == uri or not is_ledger_id(ledger_id):
        raise TokenMalformedError("iss is not stage3: and a ledger id")
    return ledger_id
