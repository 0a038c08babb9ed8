"""The errors of the room: one root, stable codes, plain sentences."""

import pytest

from audit.events import ReasonCode
from tokens import errors
from tokens.errors import TokenError, TokenRevokedError, TokenUnknownError

CODES = {
    "TokenError": "TOKEN_ERROR",
    "TokenMalformedError": "TOKEN_MALFORMED",
    "TokenSignatureError": "TOKEN_SIGNATURE",
    "TokenExpiredError": "TOKEN_EXPIRED",
    "TokenNotActiveError": "TOKEN_NOT_ACTIVE",
    "TokenUnknownError": "TOKEN_UNKNOWN",
    "TokenRevokedError": "TOKEN_REVOKED",
    "KeyNotTrustedError": "KEY_NOT_TRUSTED",
    "KeystoreError": "KEYSTORE_ERROR",
    "RegistryIntegrityError": "REGISTRY_INTEGRITY",
    "AmbiguousAuthorizationError": "AMBIGUOUS_AUTHORIZATION",
    "AuthorityError": "AUTHORITY_ERROR",
}


def test_every_error_has_one_root_and_a_code_that_stays() -> None:
    """Changing a code breaks somebody's program."""
    found = {name: getattr(errors, name).code for name in errors.__all__}

    assert found == CODES
    assert all(issubclass(getattr(errors, name), TokenError) for name in found)


@pytest.mark.parametrize(
    "name", ["TOKEN_EXPIRED", "TOKEN_NOT_ACTIVE", "TOKEN_UNKNOWN", "TOKEN_REVOKED"]
)
def test_what_the_ledger_records_has_the_ledgers_code(name: str) -> None:
    """Contract of the two packages: the same word for the same thing."""
    assert ReasonCode(name) in CODES.values()


@pytest.mark.parametrize("kind", [TokenUnknownError, TokenRevokedError])
def test_a_token_that_is_not_to_be_had_is_a_key_error_in_plain_words(
    kind: type[TokenError],
) -> None:
    """Rules 1A.17."""
    assert issubclass(kind, KeyError)
    assert str(kind("the token was revoked")) == "the token was revoked"
