"""Key files: TOK-7."""

import errno
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.exceptions import UnsupportedAlgorithm

from tests.unit.tokens.token_samples import ISSUE_KEY
from tokens import keystore
from tokens.errors import KeystoreError
from tokens.keys import SigningKey
from tokens.keystore import DEFAULT_STRETCHING, Stretching, load_key, save_key

FAST = Stretching(memory_kib=32, passes=1, lanes=1)
WORD = b"correct horse"


def saved(folder: Path, **changes: object) -> Path:
    path = folder / "issue.key"
    save_key(path, ISSUE_KEY, WORD, **({"stretching": FAST} | changes))
    return path


def rewritten(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def test_a_saved_key_comes_back(tmp_path: Path) -> None:
    """TOK-7.1, TOK-7.2."""
    path = saved(tmp_path)

    key = load_key(path, WORD)

    assert (key.kid, key.purpose) == (ISSUE_KEY.kid, "issue")
    assert key.sign(b"x") == ISSUE_KEY.sign(b"x")
    assert load_key(str(path), WORD).kid == key.kid


def test_only_the_owner_can_read_it_and_nothing_else_is_left(tmp_path: Path) -> None:
    """TOK-7.1."""
    path = saved(tmp_path)

    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["issue.key"]  # noqa: PTH208  # hidden ones too


def test_the_file_says_how_it_is_sealed_and_nothing_of_the_key(tmp_path: Path) -> None:
    """TOK-7.2."""
    given = iter([bytes(range(16)), bytes(range(12))])
    content = saved(tmp_path, entropy=lambda _size: next(given)).read_bytes()
    envelope = json.loads(content)

    assert envelope.keys() == {"v", "kid", "purpose", "kdf", "cipher", "sealed"}
    assert envelope["kdf"] == {
        "name": "argon2id",
        "memory_kib": 32,
        "passes": 1,
        "lanes": 1,
        "salt": "AAECAwQFBgcICQoLDA0ODw",
    }
    assert envelope["cipher"] == {"name": "A256GCM", "nonce": "AAECAwQFBgcICQoL"}
    assert ISSUE_KEY.unsafe_private_bytes() not in content


def test_two_files_of_one_key_have_nothing_sealed_in_common(tmp_path: Path) -> None:
    """TOK-7.2."""
    first, second = tmp_path / "1", tmp_path / "2"
    for path in (first, second):
        save_key(path, ISSUE_KEY, WORD, stretching=FAST)
    one, two = (json.loads(path.read_bytes()) for path in (first, second))

    assert one["sealed"] != two["sealed"]
    assert one["kdf"]["salt"] != two["kdf"]["salt"]
    assert one["cipher"]["nonce"] != two["cipher"]["nonce"]


def test_the_default_costs_64_mib_three_passes_and_four_lanes(tmp_path: Path) -> None:
    """TOK-7.2."""
    path = saved(tmp_path, stretching=DEFAULT_STRETCHING)
    kdf = json.loads(path.read_bytes())["kdf"]

    assert (kdf["memory_kib"], kdf["passes"], kdf["lanes"]) == (65_536, 3, 4)
    assert load_key(path, WORD).kid == ISSUE_KEY.kid


def test_a_file_that_exists_is_never_replaced(tmp_path: Path) -> None:
    """TOK-7.1."""
    path = tmp_path / "issue.key"
    path.write_text("something precious")

    with pytest.raises(KeystoreError, match="never replaced"):
        saved(tmp_path)

    assert path.read_text() == "something precious"
    assert os.listdir(tmp_path) == ["issue.key"]  # noqa: PTH208  # hidden ones too


def test_a_link_that_leads_nowhere_is_not_followed(tmp_path: Path) -> None:
    """TOK-7.1."""
    (tmp_path / "issue.key").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(KeystoreError, match="never replaced"):
        saved(tmp_path)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("name", ["missing/issue.key", "", ".", "a\0b", "x" * 300])
def test_a_place_where_nothing_can_be_written_is_refused(
    tmp_path: Path, name: str
) -> None:
    """TOK-7.1."""
    path = tmp_path / name if name not in {"", "."} else name
    with pytest.raises(KeystoreError, match=r"cannot be written|exists"):
        save_key(path, ISSUE_KEY, WORD, stretching=FAST)
    with pytest.raises(KeystoreError, match=r"cannot be read|not a regular file"):
        load_key(path, WORD)


def fail(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def failing_for(*, folder: bool, real: Callable[..., int]) -> Callable[..., int]:
    """``os.fsync`` that fails for folders only, or for files only."""

    def call(descriptor: int) -> int:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode) == folder:
            fail()
        return real(descriptor)

    return call


def opening_files_only(real: Callable[..., int]) -> Callable[..., int]:
    def call(path: str, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_DIRECTORY:
            fail()
        return real(path, flags, mode)

    return call


FAILING = {
    "write": ("fdopen", lambda descriptor, _: os.close(descriptor) or fail()),
    "sync the file": ("fsync", failing_for(folder=False, real=os.fsync)),
    "name it": ("link", fail),
    "open the folder": ("open", opening_files_only(os.open)),
    "sync the folder": ("fsync", failing_for(folder=True, real=os.fsync)),
}


@pytest.mark.parametrize("step", FAILING)
def test_a_write_that_fails_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """TOK-7.1, TOK-7.3: each step, one at a time."""
    monkeypatch.setattr(os, *FAILING[step])

    with pytest.raises(KeystoreError, match="cannot be written: No space left"):
        saved(tmp_path)
    assert os.listdir(tmp_path) == []  # noqa: PTH208  # hidden ones too


def test_file_and_folder_are_on_disk_when_saving_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TOK-7.3: the file before its name, the folder after."""
    real_fsync, real_link, seen = os.fsync, os.link, []

    def fsync(descriptor: int) -> None:
        status = os.fstat(descriptor)
        # An empty file at this moment would be durable and worthless.
        whole = "file" if status.st_size > 100 else "empty file"
        seen.append("folder" if stat.S_ISDIR(status.st_mode) else whole)
        real_fsync(descriptor)

    def link(source: str, target: str) -> None:
        seen.append("name")
        real_link(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "link", link)
    saved(tmp_path)

    assert seen == ["file", "name", "folder"]


@pytest.mark.parametrize(
    "mode", [0o640, 0o604, 0o620, 0o610, 0o601, 0o602, 0o660, 0o777]
)
def test_a_file_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    """TOK-7.4."""
    path = saved(tmp_path)
    path.chmod(mode)

    with pytest.raises(KeystoreError, match="0600"):
        load_key(path, WORD)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_file_that_only_its_owner_can_use_is_read(tmp_path: Path, mode: int) -> None:
    """TOK-7.4."""
    path = saved(tmp_path)
    path.chmod(mode)

    assert load_key(path, WORD).kid == ISSUE_KEY.kid


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    """TOK-7.4: a named pipe would wait for somebody to write."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)

    for path in (pipe, tmp_path, Path("/dev/null")):
        with pytest.raises(KeystoreError, match="not a regular file"):
            load_key(path, WORD)


def test_a_link_to_a_key_file_is_read(tmp_path: Path) -> None:
    """Secrets are mounted that way."""
    link = tmp_path / "link"
    link.symlink_to(saved(tmp_path))

    assert load_key(link, WORD).kid == ISSUE_KEY.kid


@pytest.mark.parametrize(
    "word", [b"correct hors", b"Correct horse", b"correct horse\n"]
)
def test_a_wrong_passphrase_is_said_to_be_wrong(tmp_path: Path, word: bytes) -> None:
    """TOK-7.5."""
    with pytest.raises(KeystoreError, match="passphrase is wrong"):
        load_key(saved(tmp_path), word)


@pytest.mark.parametrize("word", [b"", b"x" * 1025, "text", None, bytearray(b"x")])
def test_a_passphrase_is_1_to_1024_bytes(tmp_path: Path, word: object) -> None:
    with pytest.raises(ValueError, match="passphrase must"):
        save_key(tmp_path / "k", ISSUE_KEY, word, stretching=FAST)
    with pytest.raises(ValueError, match="passphrase must"):
        load_key(tmp_path / "k", word)
    for good in (b"x", b"x" * 1024):
        path = tmp_path / str(len(good))
        save_key(path, ISSUE_KEY, good, stretching=FAST)
        assert load_key(path, good).kid == ISSUE_KEY.kid


def test_a_file_with_any_byte_changed_is_refused(tmp_path: Path) -> None:
    """TOK-7.2, TOK-7.5: the seal covers the header."""
    path = saved(tmp_path)
    content = path.read_bytes()
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1
        rewritten(path, bytes(changed))
        with pytest.raises(KeystoreError):
            load_key(path, WORD)


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    """TOK-7.5."""
    path = saved(tmp_path)
    content = path.read_bytes()
    for length in range(len(content)):
        rewritten(path, content[:length])
        with pytest.raises(KeystoreError, match="not a key file"):
            load_key(path, WORD)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\n", b"{}\n", b"[]\n", b"null\n", b"x" * 4096, b"\xff" * 100),
        *(b"x" * 10**6, b"-----BEGIN PRIVATE KEY-----\n", b"[" * 4000 + b"\n"),
    ],
)
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """TOK-7.5."""
    path = saved(tmp_path)
    rewritten(path, content)

    with pytest.raises(KeystoreError, match="not a key file"):
        load_key(path, WORD)


def test_a_file_is_read_up_to_its_longest(tmp_path: Path) -> None:
    """TOK-7.5, TOK-7.6."""
    path = saved(tmp_path)
    for size, sentence in ((4096, "not canonical"), (4097, "too long")):
        rewritten(path, b"x" * (size - 1) + b"\n")
        with pytest.raises(KeystoreError, match=sentence):
            load_key(path, WORD)


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    """TOK-7.1: whether it goes well or not."""
    lowest = os.dup(0)
    os.close(lowest)
    path = saved(tmp_path)
    load_key(path, WORD)
    for refused in (tmp_path, path):
        refused.chmod(0o755)
        with pytest.raises(KeystoreError):
            load_key(refused, WORD)
    again = os.dup(0)
    os.close(again)

    assert again == lowest


def resealed(path: Path, **changes: object) -> None:
    envelope = json.loads(path.read_bytes())
    for name, value in changes.items():
        part, _, member = name.partition("__")
        if member:
            envelope[part][member] = value
        else:
            envelope[part] = value
    text = json.dumps(envelope, sort_keys=True, separators=(",", ":")) + "\n"
    rewritten(path, text.encode())


@pytest.mark.parametrize(
    "changes",
    [
        {"kdf__memory_kib": 100 * 1024 * 1024},
        {"kdf__memory_kib": 1_048_577},
        {"kdf__memory_kib": 7},
        {"kdf__memory_kib": 63, "kdf__lanes": 8},
        {"kdf__memory_kib": True},
        {"kdf__memory_kib": "32"},
        {"kdf__passes": 17},
        {"kdf__passes": 0},
        {"kdf__lanes": 17},
        {"kdf__lanes": 0},
        {"kdf__name": "argon2d"},
        {"kdf__salt": "AAAA"},
        {"kdf__salt": "=" * 22},
        {"kdf__extra": 1},
        {"kdf": None},
        {"cipher__name": "A128GCM"},
        {"cipher__nonce": ""},
        {"cipher": []},
        {"v": 2},
        {"v": 0},
        {"sealed": "A" * 63},
        {"sealed": "A" * 68},
        {"extra": 1},
        {"purpose": None, "sealed": None},
    ],
)
def test_a_file_cannot_ask_for_more_than_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict
) -> None:
    """TOK-7.6: refused before a byte is allocated."""
    path = saved(tmp_path)
    resealed(path, **changes)

    def never(**_: object) -> None:
        raise AssertionError("nothing may be stretched for this file")

    monkeypatch.setattr(keystore, "Argon2id", never)
    with pytest.raises(KeystoreError, match="not a key file"):
        load_key(path, WORD)


@pytest.mark.parametrize(
    "changes",
    [
        {"purpose": "root"},
        {"kid": SigningKey.from_private_bytes(bytes(32), purpose="log").kid},
        {"kdf__passes": 2},
        {"kdf__memory_kib": 33},
        {"kdf__salt": "A" * 22},
        {"cipher__nonce": "A" * 16},
        {"sealed": "A" * 64},
    ],
)
def test_a_header_that_was_relabelled_does_not_open(
    tmp_path: Path, changes: dict
) -> None:
    """TOK-7.2: an issue key does not become a root key by editing."""
    path = saved(tmp_path)
    resealed(path, **changes)

    with pytest.raises(KeystoreError, match="wrong, or the file was changed"):
        load_key(path, WORD)


def test_a_file_that_holds_another_key_than_it_says_is_refused(tmp_path: Path) -> None:
    """TOK-7.7: even when the seal is right."""

    class Mislabelled:
        kid = ISSUE_KEY.kid
        purpose = "issue"

        def unsafe_private_bytes(self) -> bytes:
            return bytes(32)

    path = tmp_path / "k"
    save_key(path, Mislabelled(), WORD, stretching=FAST)

    with pytest.raises(KeystoreError, match="another key than it says"):
        load_key(path, WORD)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (MemoryError(), "not enough memory"),
        (UnsupportedAlgorithm("no"), "Argon2id needs OpenSSL 3.2"),
    ],
)
def test_where_a_passphrase_cannot_be_stretched_no_key_is_saved(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    sentence: str,
) -> None:
    """TOK-7.5."""

    def refuse(**_: object) -> None:
        raise error

    path = saved(tmp_path)
    monkeypatch.setattr(keystore, "Argon2id", refuse)

    with pytest.raises(KeystoreError, match=sentence):
        load_key(path, WORD)
    with pytest.raises(KeystoreError, match=sentence):
        save_key(tmp_path / "other", ISSUE_KEY, WORD, stretching=FAST)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({"memory_kib": 8, "lanes": 1}, True),
        ({"memory_kib": 7, "lanes": 1}, False),
        ({"memory_kib": 128, "lanes": 16}, True),
        ({"memory_kib": 127, "lanes": 16}, False),
        ({"memory_kib": 1_048_576}, True),
        ({"memory_kib": 1_048_577}, False),
        ({"memory_kib": 65_536.0}, False),
        ({"passes": 1}, True),
        ({"passes": 16}, True),
        ({"passes": 0}, False),
        ({"passes": 17}, False),
        ({"passes": True}, False),
        ({"lanes": 16}, True),
        ({"lanes": 17}, False),
        ({"lanes": 0}, False),
    ],
)
def test_stretching_is_bounded_on_both_sides(changes: dict, *, good: bool) -> None:
    """TOK-7.6."""
    if good:
        assert Stretching(**changes)
    else:
        with pytest.raises(ValueError, match="must be an integer from"):
            Stretching(**changes)


def test_a_name_is_shown_without_its_control_characters(tmp_path: Path) -> None:
    with pytest.raises(KeystoreError) as caught:
        load_key(tmp_path / "\x1b[31mred", WORD)

    assert "\x1b" not in str(caught.value)
