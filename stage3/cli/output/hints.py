"""What to do next, for each code that a command can end with.

A code without a hint here needs none: its sentence says it all.

Source: docs/spec/cli.md, CLI-2.2.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["HINTS", "hint_for"]

_LATCHED: Final = "Look at `stage3 doctor`, then run `stage3 recover`."
_TRY_AGAIN: Final = "Another process holds the store; try again."
_ISSUE_ANOTHER: Final = "Issue another one with `stage3 token issue`."
_LIMIT: Final = "See `stage3 token show HASH`; issue a token with other limits."
_SCOPE: Final = "See `stage3 token show HASH` for what the token covers."
_DOMAINS: Final = "See `stage3 domains list`."

HINTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        # The command line's own
        "CREDENTIAL_REFUSED": "Give the file that `stage3 token issue --out` wrote.",
        "EXECUTION_UNKNOWN": "`plan run` prints the id; check --home and --store.",
        "HOME_MISSING": "Make a home with `stage3 init`, or name one with --home.",
        "HOME_NOT_EMPTY": "Name a new folder with --home; init replaces nothing.",
        "INTERNAL": "This is a defect of stage3. Please report it with this line.",
        "INTERRUPTED": "What had begun is on record; `stage3 recover` closes it.",
        "DOMAIN_TEST": "Correct what the table names, in the code or its examples.",
        "LEDGER_NOT_WHOLE": "Keep the store as it is, and compare with a backup.",
        "OUTPUT_FAILED": "Name a new place with room; nothing is ever replaced.",
        "STORE_MISSING": "Check --store, or make a home with `stage3 init`.",
        # The ledger's
        "AUDIT_UNAVAILABLE": _LATCHED,
        "HOLD_LOST": "Run it again; `stage3 recover` closes what is open.",
        "LEDGER_FORMAT": "Check --store and --trust: they do not fit this program.",
        "STORE_BUSY": _TRY_AGAIN,
        "STORE_LATCHED": _LATCHED,
        "STORE_UNAVAILABLE": "Check disk, server and login; run `stage3 doctor`.",
        "RECOVERY_REFUSED": "See `stage3 audit verify`.",
        # The tokens'
        "KEYSTORE_ERROR": "Check the key file and its passphrase.",
        "KEY_NOT_TRUSTED": "See `stage3 keys list` for the keys that count.",
        "REGISTRY_INTEGRITY": "See `stage3 audit verify`; nothing starts until then.",
        "TOKEN_EXPIRED": _ISSUE_ANOTHER,
        "TOKEN_REVOKED": _ISSUE_ANOTHER,
        "TOKEN_UNKNOWN": "See `stage3 token list` for the tokens of this ledger.",
        # A plan's
        "DOMAIN_NOT_IN_SCOPE": _SCOPE,
        "BOUNDARY_VIOLATION": "Tell its author; `stage3 audit trail ID` keeps it.",
        "DOMAIN_NOT_REGISTERED": "Name its manifest with --domain.",
        "EXECUTION_ID_CONFLICT": "Leave --execution-id out, or give a fresh UUID.",
        "EXECUTION_IN_PROGRESS": "Ask again by the same --execution-id.",
        "ISOLATION_UNAVAILABLE": "See `stage3 doctor` for the boxes of this machine.",
        "LIMIT_EXECUTIONS": _LIMIT,
        "LIMIT_FREQUENCY": "Wait until the window has passed.",
        "LIMIT_INVOCATIONS": _LIMIT,
        "LIMIT_RESPONSE": _LIMIT,
        "LIMIT_TOTAL": _LIMIT,
        "METHOD_NOT_FOUND": _DOMAINS,
        "METHOD_NOT_IN_SCOPE": _SCOPE,
        "PARAMETERS_REFUSED": "See `stage3 domains describe DOMAIN.METHOD`.",
        "PLATFORM_PAUSED": "Wait, or end the pause with `stage3 resume`.",
        "PLAN_USER_MISMATCH": "--user must be the plan's user_id.",
        "RESULT_REFUSED": "Run the domain's examples: `stage3 domains test`.",
        "TRIGGER_NOT_AUTHORIZED": _SCOPE,
        "USER_MISMATCH": "--user must be the user the token was issued for.",
    }
)
"""Code to what to do about it."""


def hint_for(code: str) -> str | None:
    """Give what to do about a code, or None."""
    return HINTS.get(code)
