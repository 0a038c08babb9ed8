"""The package root: what users import, and what importing it costs."""

import subprocess
import sys

import pytest

import tokens

WATCHED = ("sqlite3", "cryptography", "tokens.authority", "tokens.keystore")


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    output = subprocess.run(  # ourselves
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    return set(WATCHED) & set(output.split())


def test_every_public_name_is_there() -> None:
    for name in tokens.__all__:
        assert getattr(tokens, name) is not None
    assert set(tokens.__all__) <= set(dir(tokens))
    assert tokens.__all__ == sorted(tokens.__all__)


def test_another_name_is_an_ordinary_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        tokens.no_such_name  # noqa: B018  # the reading is the test


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_by("import tokens") == set()


def test_an_executor_loads_no_signing_code() -> None:
    assert "tokens.authority" not in loaded_by("from tokens import TokenRegistry")
    assert "tokens.keystore" not in loaded_by("from tokens import TokenAuthority")


def test_the_type_checker_sees_the_same_names() -> None:
    source = tokens.__file__
    assert source is not None
    with open(source, encoding="utf-8") as file:  # noqa: PTH123  # one line
        text = file.read()
    block = text[text.index("if TYPE_CHECKING:") : text.index("__all__")]
    for name in tokens.__all__:
        assert name in block
