"""Whatever words and files a command is given, it ends in order.

In order: a documented exit code, no traceback, no defect, nothing but printable ASCII,
and no store written by what was refused.
"""

import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stage3.cli.grammar import all_parsers
from tests.faces.cli_runner import Ran, World, run

COMMANDS = [
    parser.prog.split()[1:]
    for parser in all_parsers()
    if parser.prog not in {"stage3 demo", "stage3 init"}  # they make things, by design
]
OPTIONS = sorted(
    {
        option
        for parser in all_parsers()
        for action in parser._actions
        for option in action.option_strings
    }
)
VALUES = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [
            *("", "-", "--", "alice", "apollo.analyze_habits", "sha256:" + 64 * "a"),
            *(
                "0",
                "-1",
                "99",
                "/dev/null",
                "/",
                "sqlite:///",
                "memory:",
                "sqlite:///:",
            ),
            *("{world}/plan.json", "{world}/place", "{world}/alice.credential"),
            *("{world}/passphrase", "{world}/junk", "{world}/token_request.json"),
            *("00000000-0000-4000-8000-000000000000", 43 * "a", "\udcff\udc80", "\x00"),
        ]
    ),
)
WORDS = st.lists(st.one_of(st.sampled_from(OPTIONS), VALUES), max_size=10)
MODEST = settings(
    max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def check(ran: Ran) -> None:
    assert ran.code in {0, 1, 2, 3}, ran
    assert "INTERNAL" not in ran.err + ran.out, ran
    assert "Traceback" not in ran.err + ran.out
    assert re.fullmatch(r"[ -~\n]*", ran.out + ran.err), ran


@MODEST
@given(command=st.sampled_from(COMMANDS), words=WORDS, junk=st.binary(max_size=200))
def test_any_words_end_in_order(
    world: World, command: list[str], words: list[str], junk: bytes
) -> None:
    """CLI-2.1, CLI-2.3, CLI-3.3."""
    (world.folder / "junk").write_bytes(junk)
    given_words = [word.replace("{world}", str(world.folder)) for word in words]
    harmless = ["--passphrase-file", "/dev/null", "--home", world["place"]]
    words_in_order = [*command, *given_words, *harmless]
    # What asks at a terminal or waits for a descriptor would wait here.
    if any(word.startswith(("--passphrase-fd", "--credential-fd")) for word in words):
        return

    check(run(*words_in_order))


@MODEST
@given(data=st.binary(max_size=300), which=st.sampled_from(["plan", "request", "jwks"]))
def test_any_bytes_in_a_file_end_in_order(
    world: World, data: bytes, which: str
) -> None:
    """CLI-2.3, CLI-4.1, CLI-7.1: random bytes are no file of ours."""
    (world.folder / "junk").write_bytes(data)

    ran = run(*_with_file(world, which))

    check(ran)
    assert ran.code == 2


@MODEST
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["v", "keys", "user_id", "invocations", "capability", "x"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    ),
    which=st.sampled_from(["plan", "request", "jwks"]),
)
def test_any_json_in_a_file_ends_in_order(
    world: World, value: object, which: str
) -> None:
    """CLI-2.3, CLI-4.1, CLI-7.1."""
    import json  # noqa: PLC0415 - beside what it is for

    (world.folder / "junk").write_text(json.dumps(value))

    check(run(*_with_file(world, which)))


@MODEST
@given(data=st.binary(max_size=300) | st.text(max_size=99).map(str.encode))
def test_any_bytes_as_a_credential_end_in_order(world: World, data: bytes) -> None:
    """CLI-2.3, CLI-8.1."""
    (world.folder / "junk").write_bytes(data)

    ran = run("token", "verify", *world.here(), "--credential", world["junk"])

    check(ran)
    assert ran.code in {1, 2}


def _with_file(world: World, which: str) -> tuple[str, ...]:
    credential = ("--credential", world["alice.credential"])
    junk = world["junk"]
    words = {
        "plan": ("plan", "check", "--plan", junk, "--user", "alice", *credential),
        "request": ("token", "issue", "--request", junk, "--show", *world.unsealing()),
        "jwks": ("token", "verify", "--jwks", junk, *credential),
    }
    return *words[which], *world.here()
