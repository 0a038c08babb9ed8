"""The token's own rules: rules 1A, TOK-1.1, TOK-1.2, TOK-1.6, TOK-1.7, TOK-1.10."""

import collections
import copy
import inspect
import pickle  # noqa: TID251  # a token must survive it, and only that is tested
import re
import types

import pytest

from tests.unit.tokens.token_samples import fields, token
from tokens.limits import Frequency, Limits
from tokens.model import MAX_SCOPE_BYTES, CapabilityToken


class Text(str):
    """A string that could print as another."""

    __slots__ = ()


class Items(list):
    """A list that could iterate otherwise."""


class Pairs(dict):
    """A dict that could answer otherwise."""


MANDATORY = (
    "user_id",
    "capability",
    "domain_scope",
    "method_scope",
    "duration_seconds",
    "resource_limits",
    "allowed_trigger_types",
)


@pytest.mark.parametrize("name", MANDATORY)
def test_a_missing_argument_is_a_type_error_that_names_it(name: str) -> None:
    """Rules 1A.1; TOK-1.1."""
    arguments = fields()
    del arguments[name]

    with pytest.raises(TypeError, match=name):
        CapabilityToken(**arguments)


def test_the_parameters_are_the_published_ones_in_their_order() -> None:
    """Rules section 12."""
    parameters = inspect.signature(CapabilityToken).parameters

    assert list(parameters) == [
        *MANDATORY,
        "issued_by",
        "plan_digest",
        "max_executions",
    ]
    assert parameters["issued_by"].default is None


def test_a_token_without_an_issuer_is_refused() -> None:
    """Rules 1A.2; TOK-1.4."""
    arguments = fields()
    del arguments["issued_by"]

    with pytest.raises(ValueError, match="must be issued by user"):
        CapabilityToken(**arguments)


def test_a_valid_token_reads_back_what_was_given() -> None:
    """Rules 1A.3."""
    made = token()

    assert made.user_id == "alice"
    assert made.capability == "weekly_review"
    assert made.issued_by == "security_admin"
    assert made.duration_seconds == 900
    assert made.domain_scope == ("apollo", "hermes")
    assert made.allowed_trigger_types == ("direct_command", "async_request")
    assert made.method_scope["apollo"] == ("analyze_habits", "plan_routine")
    assert type(made.method_scope["apollo"]) is tuple
    assert type(made.resource_limits) is dict
    assert made.resource_limits == fields()["resource_limits"]
    assert made.limits == Limits(5, 512, 2048, Frequency(1, 10))
    assert made.plan_digest is None
    assert made.max_executions is None


@pytest.mark.parametrize(
    "capability",
    [
        "",
        " ",
        "\t",
        "a\n",
        "a\x00",
        "\u202eabc",
        "\ud800",
        5,
        None,
        b"x",
        ["x"],
        Text("x"),
    ],
)
def test_a_capability_must_be_printable_text(capability: object) -> None:
    """Rules 1A.4; TOK-1.2."""
    with pytest.raises(ValueError, match="non-empty string"):
        token(capability=capability)


def test_a_capability_has_at_most_128_characters() -> None:
    """TOK-1.2."""
    assert token(capability="x" * 128).capability == "x" * 128
    with pytest.raises(ValueError, match="128 characters, got 129"):
        token(capability="x" * 129)


@pytest.mark.parametrize(
    "label",
    [
        "bootstrap_stage3",
        "init_autonomy",
        "setup_agent",
        "grant_initial_permissions",
        "initialize_executor",
        "Stage-3",
        "analyse the übung",
    ],
)
def test_a_label_grants_nothing_so_no_word_in_it_is_forbidden(label: str) -> None:
    """Rules 1A.9 and 1C.6: the counter-intuitive one."""
    made = token(capability=label, domain_scope=["hermes"], method_scope={})

    assert made.capability == label
    assert dict(made.method_scope) == {}


@pytest.mark.parametrize(
    "scope",
    [
        [],
        (),
        ("apollo",),
        "apollo",
        None,
        {"apollo"},
        {"apollo": 1},
        Items(["apollo"]),
        [""],
        [1],
        [None],
        [["apollo"]],
        [Text("apollo")],
        ["apollo", "apollo"],
        ["*"],
        ["apollo.*"],
        ["apol?o"],
        ["apollo hermes"],
        [" apollo"],
        ["apollo\n"],
        [".apollo"],
        ["-apollo"],
        ["аpollo"],  # noqa: RUF001  # the first letter is Cyrillic
        ["x" * 129],
    ],
)
def test_a_domain_scope_is_a_list_of_different_identifiers(scope: object) -> None:
    """Rules 1A.5, 1A.10; TOK-1.6."""
    with pytest.raises(ValueError, match="domain"):
        token(domain_scope=scope, method_scope={})


@pytest.mark.parametrize(
    "name",
    ["a", "_", "0", "apollo_", "_apollo", "Apollo", "mail.example", "a-b", "x" * 128],
)
def test_an_identifier_is_a_domain_and_a_method(name: str) -> None:
    """TOK-1.6: exact, and case-sensitive."""
    made = token(domain_scope=[name], method_scope={name: [name]})

    assert made.method_scope == {name: (name,)}


def test_a_scope_has_at_most_64_domains_and_64_methods_each() -> None:
    """TOK-1.6."""
    names = [f"d{number}" for number in range(65)]

    assert len(token(domain_scope=names[:64], method_scope={}).domain_scope) == 64
    with pytest.raises(ValueError, match="more than 64 domains"):
        token(domain_scope=names, method_scope={})
    made = token(domain_scope=["d"], method_scope={"d": names[:64]})
    assert len(made.method_scope["d"]) == 64
    with pytest.raises(ValueError, match="more than 64 methods"):
        token(domain_scope=["d"], method_scope={"d": names})


def test_a_scope_of_exactly_the_largest_size_is_accepted() -> None:
    """TOK-1.10: one byte more is refused."""
    fixed = len('{"actions":[],"identifier":"","type":"stage3_domain"},')
    names = [f"{number:02d}" + "x" * 126 for number in range(22)]
    rest = MAX_SCOPE_BYTES - 22 * (fixed + 128)

    def sized(size: int) -> CapabilityToken:
        return token(domain_scope=names, method_scope={names[0]: ["m" * (size - 3)]})

    assert 4 <= rest <= 130
    assert sized(rest).domain_scope[0] == names[0]
    with pytest.raises(ValueError, match=r"4097 bytes.*4096"):
        sized(rest + 1)


@pytest.mark.parametrize(
    "scope",
    [
        None,
        [],
        [("apollo", ["m"])],
        Pairs({"apollo": ["m"]}),
        types.MappingProxyType({"apollo": ["m"]}),
        {"apollo": "abc"},
        {"apollo": []},
        {"apollo": ("m",)},
        {"apollo": None},
        {"apollo": Items(["m"])},
        {"apollo": ["*"]},
        {"apollo": ["analyze_*"]},
        {"apollo": [""]},
        {"apollo": ["m", "m"]},
        {"apollo": [1]},
        {"apollo": [Text("m")]},
        {"apollo": ["x" * 129]},
    ],
)
def test_a_method_scope_maps_domains_to_lists_of_identifiers(scope: object) -> None:
    """Rules 1A.6, 1A.8, 1A.10; TOK-1.6."""
    with pytest.raises(ValueError, match="method_scope"):
        token(method_scope=scope)


@pytest.mark.parametrize("key", ["dionysus", "Apollo", "*", 1, None, Text("apollo")])
def test_methods_need_their_domain_in_the_scope(key: object) -> None:
    """Rules 1A.6."""
    with pytest.raises(ValueError, match=r"method_scope.*domain_scope"):
        token(method_scope={key: ["m"]})


def test_a_domain_without_methods_is_legal() -> None:
    """Rules 1A.7: the reverse is not required."""
    made = token(method_scope={"hermes": ["compose_message"]})

    assert made.domain_scope == ("apollo", "hermes")
    assert "apollo" not in made.method_scope


@pytest.mark.parametrize("seconds", [1, 1799, 1800])
def test_a_duration_up_to_half_an_hour_is_accepted(seconds: int) -> None:
    """Rules 1A.11; TOK-1.7."""
    assert token(duration_seconds=seconds).duration_seconds == seconds


@pytest.mark.parametrize(
    "seconds",
    [
        1801,
        pytest.param(10**5000, id="huge"),
        0,
        -1,
        900.5,
        900.0,
        "900",
        None,
        True,
        [900],
    ],
)
def test_any_other_duration_is_refused(seconds: object) -> None:
    """Rules 1A.11; TOK-1.7."""
    with pytest.raises(ValueError, match=r"positive integer of at most 1800 seconds"):
        token(duration_seconds=seconds)


DIGEST = "sha256:" + "0a" * 32


def test_a_token_can_be_bound_to_one_plan_and_a_number_of_executions() -> None:
    """TOK-1.15."""
    made = token(plan_digest=DIGEST, max_executions=1)

    assert (made.plan_digest, made.max_executions) == (DIGEST, 1)
    assert token(max_executions=2**53 - 1).max_executions == 2**53 - 1


@pytest.mark.parametrize(
    "changes",
    [
        {"plan_digest": ""},
        {"plan_digest": "0a" * 32},
        {"plan_digest": DIGEST.upper()},
        {"plan_digest": DIGEST + "\n"},
        {"plan_digest": DIGEST[:-1]},
        {"plan_digest": 5},
        {"max_executions": 0},
        {"max_executions": -1},
        {"max_executions": 2**53},
        {"max_executions": True},
        {"max_executions": 1.0},
        {"max_executions": "1"},
    ],
)
def test_any_other_binding_is_refused(changes: dict) -> None:
    """TOK-1.15."""
    with pytest.raises(ValueError, match=next(iter(changes))):
        token(**changes)


@pytest.mark.parametrize(
    "name",
    ["capability", "duration_seconds", "user_id", "limits", "_capability", "new_name"],
)
def test_a_token_cannot_be_changed(name: str) -> None:
    """Rules 1A.14, T5; TOK-1.13."""
    made = token()

    with pytest.raises(AttributeError, match="immutable"):
        setattr(made, name, 1)
    with pytest.raises(AttributeError, match="immutable"):
        delattr(made, name)
    assert made == token()


def test_what_is_read_cannot_be_used_to_change_the_token() -> None:
    """Rules 1A.14; TOK-1.13."""
    made = token()

    with pytest.raises(TypeError):
        made.domain_scope[0] = "dionysus"  # type: ignore[index]
    with pytest.raises(TypeError):
        made.method_scope["apollo"] = ()  # type: ignore[index]
    made.resource_limits["max_invocations"] = 1000
    plain = made.to_dict()
    plain["capability"] = "changed"
    plain["resource_limits"]["max_invocations"] = 1000
    plain["domain_scope"].append("dionysus")
    plain["method_scope"]["apollo"].append("delete_everything")

    assert made == token()


def test_comparing_the_method_scope_gives_nobody_the_dict_behind_it() -> None:
    """TOK-1.13: a mapping proxy hands its dict to the other side of `==`."""
    made = token()

    class Thief:
        __hash__ = None

        def __eq__(self, other: object) -> bool:
            other["apollo"] = ("delete_everything",)
            return True

    assert made.method_scope == Thief()
    assert made == token()


def test_calling_the_initialiser_again_changes_nothing() -> None:
    """TOK-1.13."""
    made = token()

    made.__init__(**fields(duration_seconds=1))

    assert made == token()


def test_what_was_given_can_change_afterwards_without_effect() -> None:
    """Rules 1A.15; TOK-1.14: the nested limits are shared between two tokens."""
    shared = fields()
    first = CapabilityToken(**shared)
    shared["resource_limits"]["max_invocations"] = 1000
    shared["resource_limits"]["max_total_tokens"] = 1000
    shared["domain_scope"].append("dionysus")
    shared["method_scope"]["apollo"].append("get_health_info")
    shared["allowed_trigger_types"].append("scheduled")

    second = CapabilityToken(**shared)

    assert first == token()
    assert second.limits.max_invocations == 1000
    assert second.domain_scope == ("apollo", "hermes", "dionysus")


def test_a_token_has_no_subclasses() -> None:
    """TOK-1.13."""
    with pytest.raises(TypeError, match="subclass"):
        type("Wider", (CapabilityToken,), {})


def test_copies_are_the_token_itself() -> None:
    """TOK-1.13."""
    made = token()

    assert copy.copy(made) is made
    assert copy.deepcopy({"token": made})["token"] is made


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickled_token_comes_back_equal(protocol: int) -> None:
    """TOK-1.13."""
    made = token(plan_digest=DIGEST, max_executions=3, method_scope={})

    assert pickle.loads(pickle.dumps(made, protocol)) == made  # noqa: S301


def test_unpickling_goes_through_every_check() -> None:
    """TOK-1.13."""
    rebuild, (plain,) = token().__reduce__()

    with pytest.raises(ValueError, match="1800 seconds"):
        rebuild({**plain, "duration_seconds": 99_999})


def test_to_dict_names_every_field_and_makes_an_equal_token() -> None:
    """Rules 1A.16; TOK-1.12."""
    made = token(plan_digest=DIGEST, max_executions=3)
    plain = made.to_dict()

    assert list(plain) == [*MANDATORY, "issued_by", "plan_digest", "max_executions"]
    assert type(plain["domain_scope"]) is list
    assert type(plain["method_scope"]["apollo"]) is list
    assert type(plain["allowed_trigger_types"]) is list
    assert CapabilityToken(**plain) == made


DIFFERENT = {
    "user_id": "bob",
    "capability": "another",
    "domain_scope": ["hermes", "apollo"],
    "method_scope": {"hermes": ["compose_message"]},
    "duration_seconds": 901,
    "resource_limits": {**fields()["resource_limits"], "max_total_tokens": 2049},
    "allowed_trigger_types": ["direct_command"],
    "issued_by": "admin",
    "plan_digest": DIGEST,
    "max_executions": 1,
}


@pytest.mark.parametrize("name", sorted(DIFFERENT))
def test_tokens_that_differ_in_one_field_are_not_equal(name: str) -> None:
    """TOK-1.12."""
    other = token(**{name: DIFFERENT[name]})

    assert other != token()
    assert len({token(), token(), other}) == 2


def test_the_spelling_of_the_frequency_is_part_of_the_token() -> None:
    """TOK-1.12: what is read back is what was given, and signed."""
    limits = fields()["resource_limits"]
    plural = token(resource_limits={**limits, "max_frequency": "1 per 1 seconds"})
    singular = token(resource_limits={**limits, "max_frequency": "1 per 1 second"})

    assert plural.limits == singular.limits
    assert plural != singular


def test_the_order_of_method_entries_is_the_order_of_the_scope() -> None:
    """TOK-1.12: a dict has no order that means anything."""
    turned = token(
        method_scope={
            "hermes": ["compose_message"],
            "apollo": ["analyze_habits", "plan_routine"],
        }
    )

    assert turned == token()
    assert list(turned.method_scope) == ["apollo", "hermes"]


def test_a_token_equals_nothing_else() -> None:
    assert token() != token().to_dict()
    assert token() != 5


def test_the_text_of_a_token_is_short_and_names_its_user() -> None:
    made = token(domain_scope=[f"d{n}" for n in range(64)], method_scope={})

    assert repr(made) == (
        "CapabilityToken(user_id='alice', capability='weekly_review', domains=64,"
        " duration_seconds=900)"
    )


def test_two_tokens_of_equal_scope_keep_their_own_numbers() -> None:
    """Rules 1A.18."""
    long = token(duration_seconds=1800)
    short = token(duration_seconds=60)

    assert (long.duration_seconds, short.duration_seconds) == (1800, 60)
    assert token(domain_scope=["apollo"], method_scope={}).domain_scope == ("apollo",)


def test_unusual_containers_are_refused_even_when_they_look_right() -> None:
    """TOK-1.1: types are exact."""
    for scope in (collections.UserList(["apollo"]), collections.deque(["apollo"])):
        with pytest.raises(ValueError, match="domain_scope"):
            token(domain_scope=scope, method_scope={})


def test_no_message_repeats_a_long_value() -> None:
    """TOK-1.1: what came from outside stays outside, but for a bounded name."""
    for name in ("user_id", "issued_by", "capability", "plan_digest"):
        with pytest.raises(ValueError, match=re.compile(r"^.{1,400}$")) as caught:
            token(**{name: "secret" * 10_000})
        assert "secret" not in str(caught.value)
