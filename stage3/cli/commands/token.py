"""``stage3 token``: issue, list, show, revoke, verify."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from audit.clock import system_clock_us
from stage3.cli.errors import InputRefusedError, OutputFailedError
from stage3.cli.home import home_of, open_given_store, trust_of
from stage3.cli.intake.credential import read_credential
from stage3.cli.intake.files import new_file, read_file, shown
from stage3.cli.intake.key_set import MAX_KEY_SET_BYTES, read_key_set
from stage3.cli.intake.passphrase import read_passphrase
from stage3.cli.intake.token_request import MAX_REQUEST_BYTES, read_token_request
from stage3.cli.output.answers import Answer
from stage3.cli.output.rendering import pairs, table, time_text
from stage3.cli.output.token_view import claims_document, claims_lines, state_of
from stage3.cli.signing import SealedKeys, authority, platform_of
from tokens.credential import handle, verify_credential
from tokens.registry import TokenRegistry
from tokens.state.listing import MAX_PAGE, TokenFilter, list_tokens
from tokens.state.reading import TokenReader
from tokens.state.selector import Selector

if TYPE_CHECKING:
    from collections.abc import Mapping

    from audit.store.interface import ReadTransaction
    from stage3.cli.arguments import Given
    from stage3.cli.dispatch import Command
    from stage3.cli.intake.files import NewFile
    from stage3.cli.output.console import Console
    from stage3.cli.output.rendering import Json
    from tokens.acts.issued import IssuedToken
    from tokens.format.claims import Claims
    from tokens.model import CapabilityToken
    from tokens.state.registered import RegisteredToken

__all__ = ["COMMANDS"]


def _issue(given: Given, _console: Console) -> Answer:
    request = read_file(given.request, "the token request", MAX_REQUEST_BYTES)
    token, holder_key = read_token_request(request)
    if given.out is None:
        issued = _issued(given, token, holder_key)
        return _issue_answer(issued, {"credential": issued.credential})
    # The file is claimed first: nothing is issued that could not be handed out.
    with new_file(given.out, private=True) as file:
        issued = _issued(given, token, holder_key)
        _write_credential(file, issued)
    return _issue_answer(issued, {"credential_file": given.out})


def _issued(
    given: Given, token: CapabilityToken, holder_key: str | None
) -> IssuedToken:
    sealed = SealedKeys(home_of(given), read_passphrase(given))
    with open_given_store(given) as store:
        platform = platform_of(store)
        key = sealed.active(platform, "issue")
        try:
            return authority(store, platform, issue=key).issue_token(token, holder_key)
        except ValueError as error:
            raise InputRefusedError(f"the token request: {error}") from error


def _write_credential(file: NewFile, issued: IssuedToken) -> None:
    try:
        file.write(issued.credential.encode("ascii") + b"\n")
    except OutputFailedError as error:
        raise OutputFailedError(
            f"token {issued.token_hash} was issued, but {error}",
            hint=f"Nobody has its credential. `stage3 token revoke --token "
            f"{issued.token_hash}` closes it.",
        ) from error


def _issue_answer(issued: IssuedToken, where: dict[str, Json]) -> Answer:
    about: dict[str, Json] = {
        "token_hash": issued.token_hash,
        "user_id": issued.token.user_id,
        "issued_at": time_text(issued.issued_at_us),
        "expires_at": time_text(issued.expires_at_us),
    }
    lines = pairs(about.items())
    if "credential" in where:
        # Whole, on a line of its own; it is base64url and cannot drive a terminal.
        lines += ["", str(where["credential"])]
    else:
        lines += pairs([("credential", where["credential_file"])])
    return Answer(document=about | where, lines=tuple(lines))


def _list(given: Given, _console: Console) -> Answer:
    with open_given_store(given) as store:
        reader = TokenReader(store)
        with store.read() as tx:
            now_us = tx.now_us
            tokens = _all_tokens(reader, tx, TokenFilter(user_id=given.only_user))
    rows: list[dict[str, Json]] = [
        {
            "state": state_of(token, now_us),
            "user_id": token.user_id,
            "capability": token.capability,
            "issued_by": token.issued_by,
            "issued_at": time_text(token.issued_at_us),
            "expires_at": time_text(token.expires_at_us),
            "token_hash": token.token_hash,
        }
        for token in tokens
    ]
    headings = ("STATE", "USER", "CAPABILITY", "ISSUED BY", "ISSUED", "EXPIRES", "HASH")
    return Answer(
        document={"tokens": rows},
        lines=tuple(table(headings, [tuple(row.values()) for row in rows])),
    )


def _all_tokens(
    reader: TokenReader, tx: ReadTransaction, wanted: TokenFilter
) -> list[RegisteredToken]:
    page = list_tokens(reader, tx, wanted, cursor=None, limit=MAX_PAGE)
    found = list(page.tokens)
    while page.next_cursor is not None:
        page = list_tokens(reader, tx, wanted, cursor=page.next_cursor, limit=MAX_PAGE)
        found += page.tokens
    return found


def _show(given: Given, _console: Console) -> Answer:
    with open_given_store(given) as store:
        registry = TokenRegistry(store)
        reader = TokenReader(store)
        with store.read() as tx:
            now_us = tx.now_us
            token = reader.token(tx, handle(given.token_hash))
            usage = registry.snapshot(tx, token.token_hash).usage
    state = state_of(token, now_us)
    used: dict[str, Json] = {
        "executions": usage.executions,
        "invocations": usage.invocations,
        "units": usage.units,
        "reserved": usage.reserved,
    }
    return Answer(
        document={"state": state, **claims_document(token.claims), "used": used},
        lines=(
            *claims_lines(token.claims, state),
            *pairs((f"used {name}", amount) for name, amount in used.items()),
        ),
    )


def _revoke(given: Given, _console: Console) -> Answer:
    try:
        selector = _selector(given)
    except ValueError as error:
        raise InputRefusedError(str(error)) from error
    sealed = SealedKeys(home_of(given), read_passphrase(given))
    with open_given_store(given) as store:
        platform = platform_of(store)
        acting = authority(store, platform, revoke=sealed.active(platform, "revoke"))
        try:
            receipt = acting.revoke(selector, given.reason, given.by)
        except ValueError as error:
            raise InputRefusedError(str(error)) from error
    document: dict[str, Json] = {
        "revoked": selector.kind,
        "value": selector.value or None,
        "recorded_at": time_text(receipt.time_us),
        "leaf_index": receipt.leaf_index,
    }
    return Answer(document=document, lines=tuple(pairs(document.items())))


def _selector(given: Given) -> Selector:
    if given.token is not None:
        return Selector.token(given.token)
    if given.only_user is not None:
        return Selector.user(given.only_user)
    if given.issuer is not None:
        return Selector.issuer(given.issuer)
    return Selector.everything() if given.key is None else Selector.key(given.key)


def _verify(given: Given, _console: Console) -> Answer:
    credential = read_credential(given)
    if given.jwks is None:
        claims, state = _verified_here(given, credential)
    else:
        claims, state = _verified_offline(given, credential, given.jwks), "not known"
    return Answer(
        document={"verified": True, "state": state, **claims_document(claims)},
        lines=tuple(claims_lines(claims, state)),
    )


def _verified_here(given: Given, credential: str) -> tuple[Claims, str]:
    """Verify under the store's keys, and ask it what became of the token."""
    with open_given_store(given) as store:
        registry = TokenRegistry(store)
        claims = verify_credential(
            credential,
            keys=registry.verification_keys(),
            now=system_clock_us(),
            ledger_id=store.ledger_id,
        )
        token = registry.get_token(claims.token_hash)
    return claims, state_of(token, system_clock_us())


def _verified_offline(given: Given, credential: str, path: str) -> Claims:
    trust = trust_of(given)
    data = read_file(path, "the key set", MAX_KEY_SET_BYTES)
    keys = read_key_set(data, trust)
    if not keys:
        raise InputRefusedError(
            f"the key set {shown(path)} holds no key that counts",
            hint="Export it again with `stage3 keys export`, or see --trust.",
        )
    return verify_credential(
        credential,
        keys=keys,
        now=system_clock_us(),
        ledger_id=None if trust is None else trust.ledger_id,
    )


COMMANDS: Final[Mapping[str, Command]] = MappingProxyType(
    {
        "token issue": _issue,
        "token list": _list,
        "token revoke": _revoke,
        "token show": _show,
        "token verify": _verify,
    }
)
