"""The entry of the console script, and output that fails, in this process."""

import io
import sys

import pytest

from stage3.cli import main
from stage3.cli.main import entry


class Full(io.StringIO):
    """An output on a full disk."""

    def write(self, _text: str, /) -> int:
        """Fail."""
        raise OSError(28, "No space left on device")


class Ended(Full):
    """A pipe that nobody reads any more."""

    def write(self, _text: str, /) -> int:
        """Fail."""
        raise BrokenPipeError


class Closed(Full):
    """An output that was closed."""

    def write(self, _text: str, /) -> int:
        """Fail."""
        raise ValueError("I/O operation on closed file")


def left_with(monkeypatch: pytest.MonkeyPatch, *words: str) -> object:
    monkeypatch.setattr(sys, "argv", ["stage3", *words])
    with pytest.raises(SystemExit) as left:
        entry()
    return left.value.code


def test_the_entry_leaves_with_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """CLI-2.1."""
    assert left_with(monkeypatch, "--help") == 0
    assert left_with(monkeypatch, "nonsense") == 2
    assert capsys.readouterr().out.startswith("usage: stage3")


def test_ctrl_c_outside_of_a_command_leaves_with_130(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """CLI-2.4."""

    def stopped(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "main", stopped)

    assert left_with(monkeypatch, "--help") == 130


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("--json", "nonsense")])
@pytest.mark.parametrize(
    ("output", "said"),
    [
        (Full(), "OUTPUT_FAILED: standard output cannot be written: No space"),
        (Ended(), ""),
        (Closed(), "OUTPUT_FAILED: standard output is closed"),
        (None, "OUTPUT_FAILED: standard output is closed"),
    ],
)
def test_output_that_fails_ends_with_3(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    output: io.StringIO | None,
    said: str,
) -> None:
    """CLI-2.5."""
    monkeypatch.setattr(sys, "stdout", output)

    code = main.main(words)

    assert code == 3
    assert said in capsys.readouterr().err
    assert bool(capsys.readouterr().err) is False


def test_a_standard_error_that_fails_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """CLI-2.1."""
    monkeypatch.setattr(sys, "stderr", Full())

    assert main.main(("nonsense",)) == 2


def test_a_defect_is_reported_as_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """CLI-2.3."""

    def broken(_: object) -> None:
        raise RuntimeError("SECRET")

    monkeypatch.setattr(main, "parse", broken)

    code = main.main(("audit", "head"))

    out, err = capsys.readouterr()
    assert (code, out) == (3, "")
    assert err.startswith("stage3: INTERNAL: RuntimeError in ")
    assert "SECRET" not in err
