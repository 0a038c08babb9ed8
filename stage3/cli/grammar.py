"""The grammar of the command line: every command, option and help text.

What a command does is in ``stage3.cli.commands``.

Source: docs/spec/cli.md, CLI-1; docs/reference/cli.md is compared with it by a test.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from stage3.cli.parsers import (
    Formatter,
    Parser,
    add_command,
    add_common,
    add_domains,
    add_group,
    add_json,
    add_passphrase,
    add_why,
    descriptor,
    one_of,
)
from stage3.cli.store_grammar import add_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stage3.cli.parsers import Groups

__all__ = ["all_parsers", "new_parser"]

TRIGGERS: Final = ("direct_command", "async_request", "acknowledgment", "scheduled")
_KEYS: Final = ("issue", "revoke", "pause")
_KEY_STATES: Final = ("active", "verify-only", "retired", "compromised")

_EPILOG: Final = """\
exit codes:
  0  done            1  refused          2  wrong arguments or files
  3  store or disk   130  interrupted

Start with `stage3 demo`, or with `stage3 init`. Every command has its own --help.
"""


def new_parser() -> argparse.ArgumentParser:
    """Make the whole grammar."""
    top: argparse.ArgumentParser = Parser(
        prog="stage3",
        usage="stage3 [options] COMMAND ...",
        description="Run fixed plans across domains under a signed, revocable token,\n"
        "and keep a record that proves what happened.",
        epilog=_EPILOG,
        formatter_class=Formatter,
        allow_abbrev=False,
    )
    add_common(top)
    top.add_argument(
        "--version",
        dest="command",
        action="store_const",
        const="version",
        default="",
        help="print the version",
    )
    groups = top.add_subparsers(metavar="COMMAND", title="commands")
    _add_demo_and_init(groups)
    _add_keys(groups)
    _add_token(groups)
    _add_domains(groups)
    _add_plan(groups)
    _add_audit(groups)
    _add_platform(groups)
    add_store(groups)
    return top


def all_parsers() -> Iterator[argparse.ArgumentParser]:
    """Give every parser, the top one first, in the order of the help."""
    waiting = [new_parser()]
    while waiting:
        parser = waiting.pop(0)
        yield parser
        waiting[:0] = _parsers_below(parser)


def _parsers_below(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    found: list[argparse.ArgumentParser] = []
    for action in parser._actions:  # noqa: SLF001 - argparse has no public way
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - likewise
            found += action.choices.values()
    return found


def _add_demo_and_init(groups: Groups) -> None:
    demo = add_command(
        groups,
        "demo",
        "show the whole story on a real plan of three domains",
        takes="[DIR]",
    )
    demo.add_argument(
        "folder", metavar="DIR", nargs="?", help="keep everything in this new folder"
    )
    add_json(demo)
    init = add_command(
        groups,
        "init",
        "make a home: keys, trust file and an empty store",
        more="The home must not exist yet, or be an empty folder.",
    )
    init.add_argument(
        "--ledger-id", metavar="ID", help="name the ledger (default: 128 random bits)"
    )
    init.add_argument(
        "--by",
        metavar="WHO",
        default="operator",
        help="who makes it (default: operator)",
    )
    add_passphrase(init)
    add_common(init)


def _add_keys(groups: Groups) -> None:
    keys = add_group(groups, "keys", "list, export, rotate and retire keys")
    add_common(
        add_command(keys, "keys list", "list every key with its state and window")
    )
    export = add_command(
        keys,
        "keys export",
        "print the public issue keys as a JWK Set",
        more="With it, and the trust file, `token verify` works offline.",
    )
    export.add_argument("--out", metavar="FILE", help="write it to this new file")
    add_common(export)
    rotate = add_command(
        keys,
        "keys rotate",
        "put a new key in place of the active one",
        takes="PURPOSE",
        more="The key it replaces signs nothing any more, and still verifies.",
    )
    rotate.add_argument("purpose", metavar="PURPOSE", choices=_KEYS, help=one_of(_KEYS))
    add_why(rotate)
    add_passphrase(rotate)
    add_common(rotate)
    state = add_command(keys, "keys state", "change the state of a key, forward only")
    state.add_argument(
        "--key", metavar="KID", dest="kid", required=True, help="its id (required)"
    )
    state.add_argument(
        "--to",
        metavar="STATE",
        dest="state",
        required=True,
        choices=_KEY_STATES,
        help=one_of(_KEY_STATES) + " (required)",
    )
    add_why(state)
    add_passphrase(state)
    add_common(state)


def _add_token(groups: Groups) -> None:
    token = add_group(groups, "token", "issue, list, show, revoke and verify tokens")
    issue = add_command(
        token,
        "token issue",
        "issue a token and write its credential",
        more="The credential is the authority: whoever has it can use it.",
    )
    issue.add_argument(
        "--request", metavar="FILE", required=True, help="the token request (required)"
    )
    where = issue.add_mutually_exclusive_group(required=True)
    where.add_argument("--out", metavar="FILE", help="a new file for the credential")
    where.add_argument("--show", action="store_true", help="print the credential")
    add_passphrase(issue)
    add_common(issue)
    listing = add_command(token, "token list", "list tokens with their state")
    listing.add_argument(
        "--user", metavar="USER", dest="only_user", help="only those of this user"
    )
    add_common(listing)
    show = add_command(token, "token show", "show one token", takes="HASH")
    show.add_argument("token_hash", metavar="HASH", help="its handle, sha256:...")
    add_common(show)
    _add_token_revoke(token)
    verify = add_command(
        token,
        "token verify",
        "verify a credential and print its claims",
        more="With --jwks it works offline and says nothing about revocation; the\n"
        "trust file then says which ledger and root key count.",
    )
    _add_credential(verify)
    verify.add_argument("--jwks", metavar="FILE", help="keys from `keys export`")
    add_common(verify)


def _add_token_revoke(token: Groups) -> None:
    revoke = add_command(
        token,
        "token revoke",
        "revoke a token, or all of a user, an issuer or a key",
        more="There is no way back. When this returns, no domain starts under it.",
    )
    what = revoke.add_mutually_exclusive_group(required=True)
    what.add_argument("--token", metavar="HASH", help="this token")
    what.add_argument(
        "--user", metavar="USER", dest="only_user", help="every token of this user"
    )
    what.add_argument("--issuer", metavar="WHO", help="every token of this issuer")
    what.add_argument("--key", metavar="KID", help="every token signed by this key")
    what.add_argument("--all", action="store_true", help="every token issued so far")
    add_why(revoke)
    add_passphrase(revoke)
    add_common(revoke)


def _add_domains(groups: Groups) -> None:
    domains = add_group(groups, "domains", "list, describe, test and begin domains")
    listing = add_command(domains, "domains list", "list the domains and their methods")
    add_domains(listing)
    add_common(listing)
    describe = add_command(
        domains,
        "domains describe",
        "describe a domain, or one method with its schema",
        takes="DOMAIN[.METHOD]",
    )
    describe.add_argument("domain", metavar="DOMAIN[.METHOD]", help="what to describe")
    add_domains(describe)
    add_json(describe)
    test = add_command(
        domains,
        "domains test",
        "run a domain's own examples in the tier it declares",
        takes="DOMAIN",
        more="Exit code 0 means that every example gave what it says.",
    )
    test.add_argument(
        "domain", metavar="DOMAIN", help="its name, or the path of its domain.toml"
    )
    add_domains(test)
    add_json(test)
    new = add_command(
        domains,
        "domains new",
        "write a new domain that passes its own test",
        takes="DIR",
    )
    new.add_argument("folder", metavar="DIR", help="a new folder for it")
    new.add_argument(
        "--name", metavar="NAME", required=True, help="its name (required)"
    )
    add_json(new)


def _add_plan(groups: Groups) -> None:
    plan = add_group(groups, "plan", "write, check and run plans")
    new = add_command(plan, "plan new", "write a plan from the examples of the domains")
    new.add_argument(
        "--user", metavar="USER", required=True, help="whose plan it is (required)"
    )
    new.add_argument(
        "--step",
        metavar="DOMAIN.METHOD",
        action="append",
        required=True,
        help="a step; repeat it for more (required)",
    )
    new.add_argument("--out", metavar="FILE", help="write it to this new file")
    add_domains(new)
    add_json(new)
    check = add_command(
        plan, "plan check", "say whether a plan would run now, without any effect"
    )
    _add_start(check)
    add_common(check)
    run = add_command(
        plan,
        "plan run",
        "run a plan",
        more="Exit code 0 means that every step succeeded and is on record.",
    )
    _add_start(run)
    run.add_argument(
        "--execution-id",
        metavar="UUID",
        dest="given_execution_id",
        help="makes the call idempotent: it never runs twice",
    )
    run.add_argument(
        "--admission",
        metavar="MODE",
        choices=("stepwise", "whole-plan"),
        default="stepwise",
        help="stepwise (default), or whole-plan: refuse before step 0",
    )
    add_common(run)


def _add_audit(groups: Groups) -> None:
    audit = add_group(groups, "audit", "read and verify the record")
    trail = add_command(
        audit, "audit trail", "print the events of one execution", takes="EXECUTION_ID"
    )
    trail.add_argument("execution_id", metavar="EXECUTION_ID", help="its id, a UUID")
    add_common(trail)
    verify = add_command(
        audit, "audit verify", "verify every entry, the tree and the counters"
    )
    add_common(verify)
    add_common(add_command(audit, "audit head", "print the tree's size and root"))


def _add_platform(groups: Groups) -> None:
    for name, summary in (
        ("pause", "stop every start until it is resumed"),
        ("resume", "end a pause"),
    ):
        parser = add_command(groups, name, summary)
        add_why(parser)
        add_passphrase(parser)
        add_common(parser)
    recover = add_command(
        groups, "recover", "close what a crash left open, and lift the latch"
    )
    add_common(recover)
    doctor = add_command(
        groups, "doctor", "check the installation, the store and the keys"
    )
    add_common(doctor)


def _add_start(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--plan", metavar="FILE", required=True, help="the plan, JSON (required)"
    )
    parser.add_argument(
        "--user", metavar="USER", required=True, help="who is calling (required)"
    )
    parser.add_argument(
        "--trigger",
        metavar="TYPE",
        choices=TRIGGERS,
        default=TRIGGERS[0],
        help="why: " + ", ".join(TRIGGERS) + f" (default: {TRIGGERS[0]})",
    )
    _add_credential(parser)
    add_domains(parser)


def _add_credential(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--credential", metavar="FILE", help="the file with the credential"
    )
    which.add_argument(
        "--credential-fd",
        metavar="N",
        type=descriptor,
        help="read the credential from this open descriptor",
    )
