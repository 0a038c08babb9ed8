"""What every test shares: how examples are drawn, a PostgreSQL, and figures to print.

In the suite the same code gives the same examples, and no example fails for being slow
on a busy machine. The nightly campaigns draw new ones each time.
"""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.postgres_server import PostgresServer, postgres_server, why_no_postgres

_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

settings.register_profile("suite", _PATIENT, derandomize=True)
settings.register_profile("nightly", _PATIENT, derandomize=False, print_blob=True)
settings.load_profile("suite")


def _skip_without_postgres() -> None:
    reason = why_no_postgres()
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def postgres() -> PostgresServer:
    """The running PostgreSQL of this process; skips where there can be none."""
    _skip_without_postgres()
    return postgres_server()


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A running PostgreSQL that is this test's alone, to be stopped and killed."""
    _skip_without_postgres()
    server = PostgresServer.create()
    try:
        server.start()
        yield server
    finally:
        server.dispose()


@pytest.fixture
def postgres_database(postgres: PostgresServer) -> Iterator[str]:
    """The name of a database that is this test's alone."""
    name = postgres.fresh_database()
    yield name
    postgres.drop_database(name)


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str, object], None]:
    """Note a figure under a name: it is printed at the end, and never judged."""

    def note(name: str, value: object) -> None:
        request.node.user_properties.append((name, str(value)))

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was noted, wherever it was noted: tests may run in other processes."""
    noted = [
        f"{name}: {value}"
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, value in report.user_properties
    ]
    if noted:
        terminalreporter.section("figures")
        for line in sorted(noted):
            terminalreporter.line(line)
