"""Files read whole and bounded, files made new or not at all."""

import os
import stat
from pathlib import Path

import pytest

from stage3.cli.errors import InputRefusedError, OutputFailedError
from stage3.cli.intake.files import NewFile, new_file, read_descriptor, read_file


def test_a_file_is_read_up_to_its_bound(tmp_path: Path) -> None:
    """CLI-4.2: one byte each side."""
    file = tmp_path / "f"
    file.write_bytes(b"x" * 10)

    assert read_file(str(file), "the file", 10) == b"x" * 10
    with pytest.raises(InputRefusedError, match="too large: at most 9 bytes"):
        read_file(str(file), "the file", 9)


def test_an_endless_file_is_read_up_to_its_bound() -> None:
    """CLI-4.2."""
    with pytest.raises(InputRefusedError, match="too large"):
        read_file("/dev/zero", "the file", 200_000)


@pytest.mark.parametrize("name", ["\0", "\ud800", "", "none/none"])
def test_a_name_that_cannot_be_is_refused(name: str) -> None:
    """CLI-4.1."""
    with pytest.raises(InputRefusedError, match="cannot be read"):
        read_file(name, "the file", 9)


def test_a_folder_behind_a_descriptor_is_refused(tmp_path: Path) -> None:
    """CLI-4.1."""
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(InputRefusedError, match="it is a folder"):
            read_descriptor(descriptor, "the credential", 9)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(("private", "mode"), [(True, 0o600), (False, 0o644)])
def test_a_new_file_has_its_mode(tmp_path: Path, mode: int, *, private: bool) -> None:
    """CLI-4.3."""
    mask = os.umask(0o022)
    try:
        with new_file(str(tmp_path / "f"), private=private) as file:
            file.write(b"x" * 100_000)
    finally:
        os.umask(mask)

    assert (tmp_path / "f").read_bytes() == b"x" * 100_000
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == mode


def test_a_file_whose_block_fails_is_gone(tmp_path: Path) -> None:
    """CLI-4.3."""
    with pytest.raises(KeyboardInterrupt):
        _stopped_half_way(tmp_path / "f")

    assert list(tmp_path.iterdir()) == []


def _stopped_half_way(path: Path) -> None:
    with new_file(str(path), private=True) as file:
        file.write(b"half")
        raise KeyboardInterrupt


def test_a_file_that_cannot_be_written_is_an_error() -> None:
    """CLI-4.3: a full disk."""
    descriptor = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(OutputFailedError, match="No space left"):
            NewFile(Path("credential"), descriptor).write(b"x")
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("kind", ["file", "link", "dangling link"])
def test_nothing_is_replaced_or_followed(tmp_path: Path, kind: str) -> None:
    """CLI-4.3."""
    target, name = tmp_path / "target", tmp_path / "name"
    if kind != "dangling link":
        target.write_text("mine")
    if kind == "file":
        target.rename(name)
    else:
        name.symlink_to(target)

    with (
        pytest.raises(OutputFailedError, match="a file is never replaced"),
        new_file(str(name), private=True),
    ):
        pytest.fail("the block must not be entered")

    assert kind == "dangling link" or name.read_text() == "mine"
