"""The passphrase: a line of a file, of a descriptor, or typed at a terminal."""

import os
from pathlib import Path

import pytest

from stage3.cli.arguments import Given
from stage3.cli.errors import InputRefusedError
from stage3.cli.intake import passphrase
from stage3.cli.intake.passphrase import read_new_passphrase, read_passphrase


def given(file: Path | None = None, descriptor: int | None = None) -> Given:
    name = None if file is None else str(file)
    return Given(passphrase_file=name, passphrase_fd=descriptor)


def typing(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    waiting = iter(lines)
    monkeypatch.setattr(passphrase, "_has_terminal", lambda: True)
    monkeypatch.setattr(os, "access", lambda *_: True)
    monkeypatch.setattr("getpass.getpass", lambda _: next(waiting))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"secret\n", b"secret"),
        (b"secret", b"secret"),
        (b"se cret \r\nmore\n", b"se cret "),
        (b"x" * 1024 + b"\n", b"x" * 1024),
        (b"\xff\x00\n", b"\xff\x00"),
    ],
)
def test_the_first_line_of_a_file_counts(
    tmp_path: Path, content: bytes, found: bytes
) -> None:
    """CLI-5.2."""
    file = tmp_path / "passphrase"
    file.write_bytes(content)

    assert read_passphrase(given(file)) == found


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n", b"x" * 1025, b"x" * 5000])
def test_none_and_too_much_are_refused(tmp_path: Path, content: bytes) -> None:
    """CLI-5.2 and CLI-4.2."""
    file = tmp_path / "passphrase"
    file.write_bytes(content)

    with pytest.raises(InputRefusedError):
        read_passphrase(given(file))


def test_a_descriptor_gives_it_too() -> None:
    """CLI-5.2."""
    reading, writing = os.pipe()
    os.write(writing, b"secret\n")
    os.close(writing)

    found = read_new_passphrase(given(descriptor=reading))

    os.close(reading)
    assert found == b"secret"


def test_a_new_one_is_typed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """CLI-5.2."""
    typing(monkeypatch, "secret", "secret")
    assert read_new_passphrase(given()) == b"secret"

    typing(monkeypatch, "secret", "secrte")
    with pytest.raises(InputRefusedError, match="differ"):
        read_new_passphrase(given())


def test_an_empty_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    typing(monkeypatch, "")

    with pytest.raises(InputRefusedError, match="empty"):
        read_passphrase(given())


def test_a_terminal_that_ends_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(_: str) -> str:
        raise EOFError

    typing(monkeypatch)
    monkeypatch.setattr("getpass.getpass", ended)

    with pytest.raises(InputRefusedError, match="no passphrase was typed"):
        read_passphrase(given())
