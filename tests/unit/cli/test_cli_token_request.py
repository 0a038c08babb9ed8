"""The token request file: exactly one form."""

import json
from collections.abc import Callable

import pytest

from stage3.cli.errors import InputRefusedError
from stage3.cli.intake.token_request import MAX_REQUEST_BYTES, read_token_request
from tests.faces.cli_runner import EXAMPLES

REQUEST = json.loads((EXAMPLES / "token_request.json").read_text())
Change = Callable[[dict[str, object]], object]


def limits(**more: object) -> dict[str, object]:
    return {**REQUEST["resource_limits"], **more}


REFUSED: list[tuple[str, Change, str]] = [
    ("a member missing", lambda r: r.pop("user_id"), "user_id: field required"),
    ("no version", lambda r: r.pop("v"), "v: field required"),
    ("another version", lambda r: r.update(v=2), "v: input should be"),
    ("a version with a fraction", lambda r: r.update(v=1.5), "v: input should be"),
    ("a true version", lambda r: r.update(v=True), "v: input should be"),
    ("an unknown member", lambda r: r.update(x=1), "x: extra inputs"),
    (
        "an unknown limit",
        lambda r: r.update(resource_limits=limits(max_x=1)),
        "resource_limits.max_x: extra",
    ),
    (
        "a number as text",
        lambda r: r.update(duration_seconds="900"),
        "duration_seconds: input should be a valid integer",
    ),
    (
        "a fraction",
        lambda r: r.update(duration_seconds=900.5),
        "duration_seconds: input should be a valid integer",
    ),
    (
        "a truth value",
        lambda r: r.update(duration_seconds=True),
        "duration_seconds: input should be a valid integer",
    ),
    (
        "a text as a list",
        lambda r: r.update(domain_scope="apollo"),
        "domain_scope: input should be a valid list",
    ),
    (
        "what no token can be",
        lambda r: r.update(duration_seconds=1801),
        "1800 seconds",
    ),
    (
        "an issuer that is a part of the platform",
        lambda r: r.update(issued_by="stage3"),
        "issued by",
    ),
]


def encoded(change: Change) -> bytes:
    request = json.loads(json.dumps(REQUEST))
    change(request)
    return json.dumps(request).encode()


def test_the_example_is_a_request() -> None:
    """CLI-7.1."""
    token, holder_key = read_token_request(encoded(lambda _: None))

    assert (token.user_id, token.duration_seconds, holder_key) == ("alice", 900, None)


def test_what_may_be_left_out_may_be_given() -> None:
    """CLI-7.1."""
    digest = "sha256:" + 64 * "a"
    more = {"plan_digest": digest, "max_executions": 3, "holder_key": "x"}

    token, holder_key = read_token_request(encoded(lambda r: r.update(more)))

    assert (token.plan_digest, token.max_executions, holder_key) == (digest, 3, "x")


@pytest.mark.parametrize(
    ("story", "change", "why"), REFUSED, ids=[r[0] for r in REFUSED]
)
def test_everything_else_is_refused(story: str, change: Change, why: str) -> None:
    """CLI-7.1 and CLI-7.2."""
    with pytest.raises(InputRefusedError) as refused:
        read_token_request(encoded(change))

    assert why in str(refused.value), story


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b"\xff",
        b'{"v":1,"v":1}',
        b"[" * 100_000,
        b" " * (MAX_REQUEST_BYTES + 1),
    ],
)
def test_what_is_no_json_object_is_refused(data: bytes) -> None:
    """CLI-7.1: a member repeated, too."""
    with pytest.raises(InputRefusedError, match="the token request"):
        read_token_request(data)


def test_a_refusal_never_shows_the_value() -> None:
    """CLI-4.1."""
    with pytest.raises(InputRefusedError) as refused:
        read_token_request(encoded(lambda r: r.update(user_id=["SECRET"])))

    assert "SECRET" not in str(refused.value)
