"""Which key counts: the newest statement offline, the newest active key here."""

import itertools
import json
from dataclasses import replace

import pytest

from audit.trust import Trust
from stage3.cli.errors import InputRefusedError
from stage3.cli.intake.key_set import read_key_set
from stage3.cli.signing import Sealed, active_kid
from tokens.errors import AuthorityError
from tokens.format.statements import KeyStatement, Origin, sign_key_statement
from tokens.keys import SigningKey, VerificationKey, jwks
from tokens.state.platform_state import PlatformKey, PlatformState

ROOT = SigningKey.from_private_bytes(bytes(32), purpose="root")
TRUST = Trust("ledger", ROOT.public.x)


def key(number: int, purpose: str = "issue") -> VerificationKey:
    private = bytes([number]) * 32
    return SigningKey.from_private_bytes(private, purpose=purpose).public


def stated(one: VerificationKey, sequence: int, state: str = "active") -> str:
    origin = Origin(
        ledger_id="ledger", sequence=sequence, reason="r", by="b", issued_at_s=0
    )
    statement = KeyStatement(origin=origin, key=replace(one, state=state))
    return sign_key_statement(statement, ROOT)


def key_set(*statements: str) -> bytes:
    keys = jwks([key(1)])["keys"]
    return json.dumps({"keys": keys, "stage3_statements": statements}).encode()


STATEMENTS = (stated(key(1), 0), stated(key(1), 9, "compromised"), stated(key(2), 4))


@pytest.mark.parametrize("statements", list(itertools.permutations(STATEMENTS)))
def test_the_newest_statement_of_a_key_counts(statements: tuple[str, ...]) -> None:
    """CLI-6.2: in whatever order the file has them."""
    found = read_key_set(key_set(*statements), TRUST)

    assert {kid: one.state for kid, one in found.items()} == {
        key(1).kid: "compromised",
        key(2).kid: "active",
    }


def test_keys_of_other_purposes_do_not_verify_tokens() -> None:
    """CLI-6.2."""
    assert read_key_set(key_set(stated(key(3, "revoke"), 0)), TRUST) == {}


def test_one_statement_that_is_not_the_roots_refuses_the_file() -> None:
    """CLI-6.2."""
    good, other = stated(key(1), 0), stated(key(2), 4)
    forged = good.rpartition(".")[0] + "." + other.rpartition(".")[2]

    with pytest.raises(InputRefusedError, match="the key set"):
        read_key_set(key_set(good, forged), TRUST)


def test_without_a_trust_file_the_keys_of_the_file_are_believed() -> None:
    assert list(read_key_set(key_set(), None)) == [key(1).kid]


def test_of_two_active_keys_the_newest_signs() -> None:
    """As after a rotation that was stopped between its two entries."""
    keys = {
        key(number).kid: PlatformKey(key(number), trusted=True, sequence=sequence)
        for number, sequence in ((1, 5), (2, 7), (3, 6))
    }
    keys[key(4).kid] = PlatformKey(key(4), trusted=False, sequence=9)

    assert active_kid(PlatformState(keys=keys), "issue") == key(2).kid
    assert active_kid(PlatformState(keys=keys), "pause") is None


def test_a_sealed_key_signs_nothing() -> None:
    """CLI-5.5."""
    with pytest.raises(AuthorityError, match="not unsealed"):
        Sealed("kid", "issue").sign(b"x")
