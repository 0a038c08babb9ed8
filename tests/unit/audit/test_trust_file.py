"""The trust file: exactly its shape, never replaced, never partial."""

import json
from pathlib import Path

import pytest

from audit.errors import LedgerFormatError, StoreUnavailableError
from audit.trust import MAX_TRUST_BYTES, Trust, load_trust, write_trust

# RFC 8037, appendix A.2: the public key of the example.
KEY = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
GOOD = {
    "v": 1,
    "ledger": "ledger-1",
    "root": {"kty": "OKP", "crv": "Ed25519", "x": KEY},
}


def test_a_trust_file_is_read_back_as_written(tmp_path: Path) -> None:
    """AUD-7.1, AUD-7.3."""
    path = tmp_path / "trust.json"
    write_trust(path, Trust("ledger-1", KEY))

    assert json.loads(path.read_text("ascii")) == GOOD
    assert load_trust(path) == load_trust(str(path)) == Trust("ledger-1", KEY)
    assert [each.name for each in tmp_path.iterdir()] == ["trust.json"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_an_existing_file_is_never_replaced(tmp_path: Path) -> None:
    """AUD-7.3."""
    path = tmp_path / "trust.json"
    path.write_text("mine")

    with pytest.raises(StoreUnavailableError):
        write_trust(path, Trust("ledger-1", KEY))
    assert path.read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1
    with pytest.raises(StoreUnavailableError):
        write_trust(tmp_path / "missing" / "trust.json", Trust("ledger-1", KEY))


def changed(**changes: object) -> str:
    return json.dumps({**GOOD, **changes})


def root(**changes: object) -> str:
    key: dict[str, object] = {"kty": "OKP", "crv": "Ed25519", "x": KEY}
    return changed(root={**key, **changes})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '"x"',
        "{}",
        "{",
        "[" * 4000,
        json.dumps(GOOD)[:-1] + ',"v":1}',
        changed(v=2),
        changed(v=True),
        changed(v=1.0),
        changed(v="1"),
        changed(more=1),
        changed(ledger=""),
        changed(ledger="a b"),
        changed(ledger=None),
        changed(root=None),
        changed(root=[]),
        root(kty="EC"),
        root(crv="Ed448"),
        root(d="secret"),
        root(x=None),
        root(x=KEY[:-1]),
        root(x=KEY + "="),
        root(x=KEY[:-1] + "p"),
        root(x=KEY.replace("_", "/")),
        root(x=KEY + "AA"),
        root(x="A" * 39),
        root(x="A" * 47),
        root(x="é" * 43),
        json.dumps({key: GOOD[key] for key in ("v", "ledger")}),
        json.dumps({key: GOOD[key] for key in ("ledger", "root")}),
    ],
    ids=lambda text: text[:60],
)
def test_a_file_of_another_shape_is_refused(tmp_path: Path, text: str) -> None:
    """AUD-7.1."""
    path = tmp_path / "trust.json"
    path.write_text(text, "utf-8")

    with pytest.raises(LedgerFormatError):
        load_trust(path)


def test_a_missing_unreadable_or_larger_file_is_refused(tmp_path: Path) -> None:
    """AUD-7.2: one byte each side of the bound."""
    path = tmp_path / "trust.json"
    text = json.dumps(GOOD)

    with pytest.raises(LedgerFormatError, match="cannot be read"):
        load_trust(path)
    with pytest.raises(LedgerFormatError, match="cannot be read"):
        load_trust(tmp_path)
    path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(LedgerFormatError):
        load_trust(path)
    path.write_text(text.ljust(MAX_TRUST_BYTES))
    assert load_trust(path).ledger_id == "ledger-1"
    path.write_text(text.ljust(MAX_TRUST_BYTES + 1))
    with pytest.raises(LedgerFormatError, match="at most"):
        load_trust(path)
