"""The plan: EXE-1.1 to EXE-1.8; rules 7.1, 7.6, 7.9."""

import copy
import hashlib
import json
import pickle  # noqa: TID251 - our own bytes
from pathlib import Path

import jsonschema
import pytest

import stage3
from stage3.plan import (
    MAX_INVOCATIONS,
    MAX_PARAMETER_BYTES,
    DomainInvocation,
    ExecutionPlan,
)

SCHEMA = json.loads(
    (Path(stage3.__file__).parent / "plan.schema.json").read_text(encoding="utf-8")
)


def step(**parameters: object) -> DomainInvocation:
    return DomainInvocation("apollo", "analyze_habits", parameters)


def test_a_plan_keeps_its_steps_in_the_order_given_as_a_tuple() -> None:
    """EXE-1.6, rule 7.1."""
    first, second = step(a=1), DomainInvocation("hermes", "compose_message", {})

    plan = ExecutionPlan("alice", [first, second])

    assert plan.get_invocations() == (first, second)
    assert type(plan.get_invocations()) is tuple


@pytest.mark.parametrize("name", ["user_id", "invocations", "_canonical", "fresh"])
def test_a_plan_refuses_assignment_and_deletion(name: str) -> None:
    """EXE-1.4, rules 7.1 and T5 (the freeze flag could be deleted)."""
    plan = ExecutionPlan("alice", [step()])

    with pytest.raises(AttributeError, match="immutable"):
        setattr(plan, name, [])
    with pytest.raises(AttributeError, match="immutable"):
        delattr(plan, name)


@pytest.mark.parametrize("name", ["domain", "method", "parameters", "_data"])
def test_an_invocation_refuses_assignment_and_deletion(name: str) -> None:
    """EXE-1.4."""
    invocation = step()

    with pytest.raises(AttributeError, match="immutable"):
        setattr(invocation, name, {})
    with pytest.raises(AttributeError, match="immutable"):
        delattr(invocation, name)


def test_changing_what_was_passed_in_or_came_out_changes_nothing() -> None:
    """EXE-1.2, rule 7.9 (parameters were held by reference)."""
    given = {"habits": [{"name": "run"}]}
    steps = [DomainInvocation("apollo", "analyze_habits", given)]
    plan = ExecutionPlan("alice", steps)
    digest = plan.digest

    given["habits"].append({"name": "read"})
    steps.clear()
    plan.get_invocations()[0].parameters["habits"] = "gone"

    assert plan.get_invocations()[0].parameters == {"habits": [{"name": "run"}]}
    assert plan.digest == digest


@pytest.mark.parametrize(
    "invocations",
    [
        [],
        (),
        None,
        "ab",
        {},
        [None],
        [("apollo", "m", {})],
        iter([step()]),
        [step(), 1],
    ],
)
def test_a_plan_of_anything_but_invocations_is_refused(invocations: object) -> None:
    """EXE-1.5, rules 7.1 and 7.9."""
    with pytest.raises(ValueError, match="invocation"):
        ExecutionPlan("alice", invocations)  # type: ignore[arg-type]


def test_a_plan_has_at_most_256_steps() -> None:
    """EXE-1.5, one step each side of the bound."""
    assert len(ExecutionPlan("alice", [step()] * MAX_INVOCATIONS)) == MAX_INVOCATIONS
    with pytest.raises(ValueError, match="at most 256"):
        ExecutionPlan("alice", [step()] * (MAX_INVOCATIONS + 1))


@pytest.mark.parametrize("name", ["", "x" * 129, None, 7, "\ud800", b"apollo"])
def test_names_outside_1_to_128_characters_are_refused(name: object) -> None:
    """EXE-1.1."""
    with pytest.raises(ValueError, match=r"1 to 128|surrogate"):
        DomainInvocation(name, "m")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"1 to 128|surrogate"):
        DomainInvocation("d", name)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"1 to 128|surrogate"):
        ExecutionPlan(name, [step()])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name", ["x", "x" * 128, "apol*", "\u0430pollo", "a b\n\u202e"]
)
def test_any_other_name_can_be_planned(name: str) -> None:
    """EXE-1.1: scope refuses it later, construction does not."""
    assert DomainInvocation(name, name).domain == name


@pytest.mark.parametrize(
    "parameters",
    [
        [],
        "x",
        {1: 2},
        {"a": float("nan")},
        {"a": float("inf")},
        {"a": b"x"},
        {"a": (1,)},
        {"a": {1}},
        {"a": object()},
        {"a": "\ud800"},
        {"a": 2**53 + 1},
        type("D", (dict,), {})(),
    ],
)
def test_parameters_that_are_not_plain_json_are_refused(parameters: object) -> None:
    """EXE-1.3."""
    with pytest.raises(ValueError, match=r".+"):
        DomainInvocation("d", "m", parameters)


def test_parameters_are_bounded_in_size_and_depth() -> None:
    """EXE-1.3, one step each side of both bounds."""
    frame = len(b'{"a":""}')
    full = "x" * (MAX_PARAMETER_BYTES - frame)

    assert len(DomainInvocation("d", "m", {"a": full}).parameter_bytes) == 256 * 1024
    with pytest.raises(ValueError, match="bytes"):
        DomainInvocation("d", "m", {"a": full + "x"})

    DomainInvocation("d", "m", nested(32))
    with pytest.raises(ValueError, match=r"deep|depth|level"):
        DomainInvocation("d", "m", nested(33))


def nested(depth: int) -> dict[str, object]:
    value: dict[str, object] = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


def test_the_digest_covers_the_canonical_bytes() -> None:
    """EXE-1.7, against an encoding written by hand."""
    plan = ExecutionPlan("alice", [DomainInvocation("d", "m", {"b": 1, "a": 1.0})])
    text = (
        '{"invocations":[{"domain":"d","method":"m","parameters":{"a":1,"b":1}}],'
        '"user_id":"alice","v":1}'
    )

    assert plan.to_json() == text
    assert plan.digest == "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def test_copies_and_pickles_are_equal_and_hash_alike() -> None:
    plan = ExecutionPlan("alice", [step(a=[1, {"b": None}])])

    for again in (
        copy.copy(plan),
        copy.deepcopy(plan),
        pickle.loads(pickle.dumps(plan)),  # noqa: S301 - our own bytes
        ExecutionPlan.from_json(plan.to_json()),
    ):
        assert again == plan
        assert hash(again) == hash(plan)
    assert plan != ExecutionPlan("bob", plan.get_invocations())


def test_the_text_form_of_a_plan_hides_its_parameters() -> None:
    plan = ExecutionPlan("alice", [step(word="hunter2")])

    assert "hunter2" not in repr(plan) + repr(plan.get_invocations())


GOOD = {"v": 1, "user_id": "u", "invocations": [step_json := {
    "domain": "d", "method": "m", "parameters": {"a": 1},
}]}  # fmt: skip

BAD_PLANS = {
    "not an object": [],
    "no version": {"user_id": "u", "invocations": [step_json]},
    "another version": {**GOOD, "v": 2},
    "version true": {**GOOD, "v": True},
    "an unknown member": {**GOOD, "retry": 3},
    "no steps": {**GOOD, "invocations": []},
    "steps not a list": {**GOOD, "invocations": step_json},
    "a step not an object": {**GOOD, "invocations": [7]},
    "a step without parameters": {
        **GOOD, "invocations": [{"domain": "d", "method": "m"}],
    },
    "null parameters": {**GOOD, "invocations": [{**step_json, "parameters": None}]},
    "a step with a condition": {**GOOD, "invocations": [{**step_json, "if": "x"}]},
    "an empty domain": {**GOOD, "invocations": [{**step_json, "domain": ""}]},
    "a numeric method": {**GOOD, "invocations": [{**step_json, "method": 1}]},
    "no user": {**GOOD, "user_id": ""},
    "too many steps": {**GOOD, "invocations": [step_json] * 257},
}  # fmt: skip


def test_a_good_plan_file_is_read() -> None:
    """EXE-1.8."""
    plan = ExecutionPlan.from_json(json.dumps(GOOD, indent=2))

    jsonschema.validate(GOOD, SCHEMA)
    assert plan.get_invocations() == (DomainInvocation("d", "m", {"a": 1}),)


@pytest.mark.parametrize("story", BAD_PLANS)
def test_a_bad_plan_file_is_refused_by_us_and_by_the_schema(story: str) -> None:
    """EXE-1.8: the published schema and the reader agree."""
    with pytest.raises(ValueError, match=r".+"):
        ExecutionPlan.from_json(json.dumps(BAD_PLANS[story]))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(BAD_PLANS[story], SCHEMA)


@pytest.mark.parametrize(
    "text",
    ["", "{", "nul", '{"v":1,"v":1}', '{"v":NaN}', b"\xff", "[" * 100_000, "\ud800"],
)
def test_text_that_is_not_a_json_plan_is_refused(text: str | bytes) -> None:
    """EXE-1.8."""
    with pytest.raises(ValueError, match=r".+"):
        ExecutionPlan.from_json(text)


def test_the_place_of_a_wrong_step_is_named() -> None:
    """EXE-1.8."""
    wrong = {**GOOD, "invocations": [step_json, {**step_json, "method": ""}]}

    with pytest.raises(ValueError, match="invocation 1: method"):
        ExecutionPlan.from_json(json.dumps(wrong))
