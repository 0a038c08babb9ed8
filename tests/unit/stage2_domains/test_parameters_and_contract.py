"""Isolated parameters and the contract: DOM-2, DOM-3."""

import copy
import pickle  # noqa: TID251 - reads back only what it wrote
from dataclasses import FrozenInstanceError

import pytest

from stage2_domains.contract import DomainResult, MethodSpec, Stage2Domain
from stage2_domains.errors import ValueRefusedError
from stage2_domains.parameters import IsolatedParameters


def test_every_copy_is_fresh() -> None:
    """DOM-2.1; rules 3A.3."""
    parameters = IsolatedParameters(b'{"a":{"b":[1]}}')

    first = parameters.get_copy()
    first["a"] = 2
    first["new"] = 3

    assert parameters.get_copy() == {"a": {"b": [1]}}
    assert parameters.get_copy() is not parameters.get_copy()


def test_the_dict_given_is_encoded_at_once() -> None:
    """DOM-2.1; rules 3A.3."""
    given: dict[str, object] = {"a": [1]}
    parameters = IsolatedParameters(given)

    given["a"] = 2

    assert parameters.get_copy() == {"a": [1]}
    assert parameters == IsolatedParameters(b'{"a":[1]}')
    assert parameters != IsolatedParameters({})
    assert parameters != b'{"a":[1]}'
    assert hash(parameters) == hash(IsolatedParameters({"a": [1]}))


@pytest.mark.parametrize(
    "name", ["_params", "get_copy", "new", "_IsolatedParameters__data", "__class__"]
)
def test_no_attribute_can_be_set_or_deleted(name: str) -> None:
    """DOM-2.2; rules 5.4, 6.4."""
    parameters = IsolatedParameters(b'{"a":1}')

    with pytest.raises(AttributeError, match="immutable"):
        setattr(parameters, name, {})
    with pytest.raises(AttributeError, match="immutable"):
        delattr(parameters, name)

    assert parameters.get_copy() == {"a": 1}


def test_the_printed_form_shows_no_value() -> None:
    """DOM-2.3."""
    assert repr(IsolatedParameters(b'{"k":"hunter2"}')) == (
        "IsolatedParameters(<15 bytes>)"
    )


def test_parameters_survive_copying_and_pickling() -> None:
    """DOM-2.1."""
    parameters = IsolatedParameters(b'{"a":1}')

    assert copy.copy(parameters) == parameters
    assert copy.deepcopy(parameters) == parameters
    assert pickle.loads(pickle.dumps(parameters)) == parameters  # noqa: S301 - our own


@pytest.mark.parametrize(
    "source", [b"[]", b"", b"{", "{}", None, 1, [], bytearray(b"{}"), {"a": {1}}]
)
def test_what_is_no_object_is_refused(source: object) -> None:
    """DOM-2.1."""
    with pytest.raises(ValueRefusedError):
        IsolatedParameters(source)  # type: ignore[arg-type]  # the point of the test


def test_bytes_that_only_look_like_an_object_are_refused_when_read() -> None:
    """DOM-2.1: construction looks at the two ends only."""
    with pytest.raises(ValueRefusedError):
        IsolatedParameters(b'{"a"}').get_copy()


def test_a_result_and_a_method_check_nothing_when_they_are_made() -> None:
    """DOM-3.2."""
    result = DomainResult("perhaps", object(), 3, usage="x")  # type: ignore[arg-type]  # the point of the test
    spec = MethodSpec(parameters=None)  # type: ignore[arg-type]  # the point of the test

    assert result.success == "perhaps"
    assert spec.example is None
    with pytest.raises(FrozenInstanceError):
        result.success = True  # type: ignore[misc]  # the point of the test
    with pytest.raises(FrozenInstanceError):
        spec.description = ""  # type: ignore[misc]  # the point of the test


def test_a_domain_without_an_answer_cannot_be_made() -> None:
    """DOM-3.1."""

    class Silent(Stage2Domain):
        name = "silent"
        methods = {}  # noqa: RUF012 - as an author writes it

    with pytest.raises(TypeError):
        Silent()  # type: ignore[abstract]  # the point of the test
