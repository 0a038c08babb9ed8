"""CLI-9.5: what the doctor says of what was found on a server, each side of a bound."""

from collections.abc import Iterator
from dataclasses import replace
from types import MappingProxyType

import pytest

pytest.importorskip("psycopg", reason="psycopg is not installed (extra `postgres`)")

from audit.errors import StoreBusyError
from audit.store.postgres.inspection import (
    MOST_PENDING_COUNTED,
    Inspection,
    Rights,
    Waiting,
)
from stage3.cli.checkup import server
from stage3.cli.checkup.server import server_checks, verdicts_on

SETTINGS = MappingProxyType(
    {
        "server_version": "16.4",
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "synchronous_standby_names": "",
        "max_connections": "100",
        "superuser_reserved_connections": "3",
    }
)
GOOD = Inspection(
    is_primary=True,
    settings=dict(SETTINGS),
    standbys=0,
    sessions=10,
    login="ann",
    is_superuser=False,
    meta={"schema": "1", "least": "1", "roles": "stage3"},
    rights=Rights(words=("executor",), deviations=(), both=()),
    waiting=Waiting(pending=0, oldest_us=None, locks=0, longest_s=0.0),
    clock_ahead_us=0,
)


def with_settings(**changes: str) -> Inspection:
    return replace(GOOD, settings={**SETTINGS, **changes})


def waiting(**changes: float) -> Inspection:
    what = {"pending": 0, "oldest_us": 1, "locks": 0, "longest_s": 0.0, **changes}
    return replace(GOOD, waiting=Waiting(**what))  # type: ignore[arg-type]  # by name


def rights(*words: str) -> Inspection:
    return replace(GOOD, rights=Rights(words=words, deviations=(), both=()))


def test_a_good_server_is_well() -> None:
    assert {check.verdict for check in verdicts_on(GOOD)} == {"ok"}


@pytest.mark.parametrize(
    ("found", "name", "verdict"),
    [
        (replace(GOOD, is_primary=False), "server", "fail"),
        (with_settings(fsync="off"), "commits", "fail"),
        (with_settings(full_page_writes="off"), "commits", "fail"),
        (with_settings(synchronous_commit="off"), "commits", "warn"),
        (with_settings(synchronous_commit="local"), "commits", "warn"),
        (with_settings(synchronous_commit="remote_write"), "commits", "warn"),
        (with_settings(synchronous_commit="remote_apply"), "commits", "ok"),
        (replace(GOOD, standbys=1), "standbys", "warn"),
        (with_settings(synchronous_standby_names="b"), "standbys", "fail"),
        (
            replace(with_settings(synchronous_standby_names="b"), standbys=1),
            *("standbys", "ok"),
        ),
        (replace(GOOD, meta={"schema": "2", "least": "1"}), "tables", "warn"),
        (replace(GOOD, meta={}), "tables", "warn"),
        (replace(GOOD, is_superuser=True), "login", "warn"),
        (rights(), "login", "warn"),
        (rights("auditor"), "login", "ok"),
        (rights("issuer", "executor"), "login", "warn"),
        (rights("owner"), "login", "warn"),
        (replace(GOOD, rights=None), "login", "ok"),
        (replace(GOOD, rights=None), "roles", "warn"),
        (replace(GOOD, rights=Rights(("issuer",), ("x",), ())), "roles", "fail"),
        (replace(GOOD, rights=Rights(("issuer",), (), ("x",))), "logins", "warn"),
        (replace(GOOD, sessions=79), "connections", "ok"),
        (replace(GOOD, sessions=80), "connections", "warn"),
        (replace(GOOD, clock_ahead_us=1_000_000), "clocks", "ok"),
        (replace(GOOD, clock_ahead_us=-1_000_000), "clocks", "ok"),
        (replace(GOOD, clock_ahead_us=1_000_001), "clocks", "warn"),
        (replace(GOOD, clock_ahead_us=-1_000_001), "clocks", "warn"),
        (replace(GOOD, clock_ahead_us=1_000_001, clock_doubt_us=1), "clocks", "ok"),
        (waiting(pending=10_000), "pending", "ok"),
        (waiting(pending=10_001), "pending", "warn"),
        (waiting(pending=MOST_PENDING_COUNTED), "pending", "warn"),
        (waiting(locks=1, longest_s=5.0), "waiting", "ok"),
        (waiting(locks=1, longest_s=5.1), "waiting", "warn"),
    ],
)
def test_each_thing_is_judged(found: Inspection, name: str, verdict: str) -> None:
    """CLI-9.5: what is not ok says what to do."""
    checks = {check.name: check for check in verdicts_on(found)}

    assert checks[name].verdict == verdict
    assert (checks[name].todo is None) is (verdict == "ok")


def test_a_count_that_was_cut_short_says_so() -> None:
    full = waiting(pending=MOST_PENDING_COUNTED)
    short = waiting(pending=MOST_PENDING_COUNTED - 1)

    said = [
        next(check.finding for check in verdicts_on(found) if check.name == "pending")
        for found in (full, short)
    ]

    assert said[0].startswith("at least 100000 ")
    assert said[1].startswith("99999 ")


def test_a_server_that_cannot_be_asked_is_the_finding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def busy(*_: object, **__: object) -> Iterator[None]:
        raise StoreBusyError("too many connections")

    monkeypatch.setattr(server, "inspect_at", busy)

    (check,) = server_checks("postgresql://h/d", collections=(), clock=lambda: 0)

    assert (check.name, check.verdict) == ("server", "fail")
    assert check.finding == "too many connections"
