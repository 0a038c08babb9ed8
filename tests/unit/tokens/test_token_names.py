"""Who may hold, issue or be reached: rules 1C, TOK-1.3 to TOK-1.5."""

import unicodedata

import pytest

from tests.unit.tokens.token_samples import token
from tokens.names import checked_actor, checked_principal, checked_text

ISSUERS_REFUSED = [
    # rules 1C.1, tested in the reference
    *("stage3", "stage3_core", "stage3_executor", "stage3_planner", "stage3-autonomy"),
    *("STAGE3", "autonomy", "planner", "executor", "scheduler", "orchestrator"),
    *("agent", "autonomous_agent"),
    # rules 1C.1, listed there
    *("Stage-3", "stage-3", "autonomous-agent", "my_stage3_x", "backstage_3"),
    # rules 1C.9, holes found
    *("", "system_executor", "stage-3_core", "stage_3", "planner ", "agent_7"),
    # the same, spelt otherwise
    *("s.t.a.g.e.3", "agent7", "7agent", "systemExecutor", "SystemExecutor"),
    *("EXECUTOR", "pLanner", "a-g-e-n-t", "autonomousAgent", "autonomousagent"),
    *("agent:7", "x@planner", "Stage@3", "the.executor.of.things", "XMLAgent"),
]

ISSUERS_ACCEPTED = [
    # rules 1C.2
    *("user", "user_7f3d", "user_7f3d_alt", "user_9x2k", "user_9x2k_admin"),
    *("user_admin_delegate", "user_alice", "user_admin", "admin", "admin_1", "admin_2"),
    *("admin_user", "admin_carol", "system_admin", "system_consent_flow"),
    *("human_operator_1", "user_test_phase5", "user_test_phase6", "user_test_phase7"),
    *("user_test_phase8", "security_admin"),
    # written as identity providers do
    *("ana@sec.example", "auth0|5f7c8ec7", "user+tag@mail.example", "team/ops"),
    *(
        "CN=ana",
        "~ana".removeprefix("~"),
        "x" * 128,
        "_",
        "0",
        "agentur",
        "stage30a"[:5],
    ),
]


@pytest.mark.parametrize("name", ISSUERS_REFUSED)
def test_the_machinery_issues_no_token(name: str) -> None:
    """Rules 1A.2, 1C.1, 1C.9; TOK-1.4, TOK-1.5."""
    with pytest.raises(ValueError, match=r"must be issued by user.*Stage-3"):
        token(issued_by=name)


@pytest.mark.parametrize("name", ISSUERS_ACCEPTED)
def test_people_and_services_issue_tokens(name: str) -> None:
    """Rules 1C.2; TOK-1.4."""
    assert token(issued_by=name).issued_by == name


def test_the_refusal_of_an_issuer_says_what_it_is_about() -> None:
    """Rules 1A.2, 1C.1."""
    for name in ("stage3", "Stage-3"):
        with pytest.raises(ValueError, match="stage3") as caught:
            token(issued_by=name)
        assert name in str(caught.value)
        assert "issued" in str(caught.value)
    with pytest.raises(ValueError, match=r"issued by user.*: issued_by is missing"):
        token(issued_by=None)


def test_the_refusal_of_a_name_says_what_may_be_in_it() -> None:
    """TOK-1.3, TOK-1.6."""
    for role in ("user_id", "issued_by"):
        with pytest.raises(ValueError, match=r"letters, digits and _ \. : @ "):
            token(**{role: "a b"})
    with pytest.raises(ValueError, match="no wildcard, no pattern"):
        token(domain_scope=["apollo.*"], method_scope={})


USERS_REFUSED = [
    # rules 1C.3
    *("stage3", "autonomy", "planner", "executor", "stage3_planner", "system_executor"),
    *("my_scheduler", "a_planner", "an_orchestrator", "my_agent", "x_executor"),
    # rules 1C.9
    *("", "agent_007", "stage-3-x"),
    # decided: one plain rule, and this is its price
    "travel_agent_jane",
]


@pytest.mark.parametrize("name", USERS_REFUSED)
def test_the_machinery_holds_no_token(name: str) -> None:
    """Rules 1C.3, 1C.9; TOK-1.3, TOK-1.5."""
    with pytest.raises(ValueError, match=r"stage3|user"):
        token(user_id=name)


@pytest.mark.parametrize("name", ISSUERS_ACCEPTED)
def test_who_may_issue_a_token_may_also_hold_one(name: str) -> None:
    """TOK-1.5 is one rule for all."""
    assert token(user_id=name).user_id == name


@pytest.mark.parametrize(
    "name",
    [
        *(
            None,
            5,
            True,
            b"alice",
            ["alice"],
            "al ice",
            "alice\n",
            "*",
            "a*",
            "x" * 129,
        ),
        *("-alice", ".a", "a\x00", "\ud800", "a\\b", 'a"b', "\uff41lice", "\u0430lice"),
    ],
)
def test_a_principal_is_written_in_a_few_ascii_characters(name: object) -> None:
    """Rules 1C.9 (no AttributeError for a non-string); TOK-1.3, TOK-1.4."""
    with pytest.raises(ValueError, match="user_id must be a non-empty string"):
        token(user_id=name)
    with pytest.raises(ValueError, match="must be issued by user"):
        token(issued_by=name)


DOMAINS_REFUSED = [
    # rules 1C.4
    *("stage3_executor", "stage3", "autonomy", "planner", "executor"),
    *("permission_system", "agent_system", "scheduler", "orchestrator", "stage3_core"),
    *("my_stage3", "STAGE3", "Planner"),
    # rules 1C.9
    *("stage-3", "agent", "system_executor", "system", "orchestration_plan"),
    *("System", "PermissionSystem", "permission-system", "Orchestration.Plan"),
]


@pytest.mark.parametrize("name", DOMAINS_REFUSED)
def test_no_token_reaches_the_machinery(name: str) -> None:
    """Rules 1C.4, 1C.9; TOK-1.5."""
    with pytest.raises(ValueError, match=r"domain.*stage3"):
        token(domain_scope=[name], method_scope={})


@pytest.mark.parametrize(
    "name",
    [
        *("apollo", "hermes", "dionysus", "hephaestus", "billing_system"),
        *("clinical_documentation", "system_health", "mail.example", "permissions"),
    ],
)
def test_ordinary_domains_are_reachable(name: str) -> None:
    """Rules 1C; TOK-1.5."""
    assert token(domain_scope=[name], method_scope={}).domain_scope == (name,)


@pytest.mark.parametrize(
    ("domain", "method"),
    [
        ("permission_system", "grant_token"),
        ("permission_system", "issue_token"),
        ("permission_system", "create_capability"),
        ("permission_system", "revoke_token"),
        ("permission_system", "modify_token"),
        ("permission_system", "escalate_permission"),
        ("agent_system", "create_agent"),
        ("agent_system", "spawn_worker"),
    ],
)
def test_what_would_grant_authority_is_refused_for_its_domain(
    domain: str, method: str
) -> None:
    """Rules 1C.5."""
    with pytest.raises(ValueError, match=domain):
        token(domain_scope=[domain], method_scope={domain: [method]})
    assert token(domain_scope=["apollo"], method_scope={"apollo": [method]})


def test_the_machinery_decides_no_revocation() -> None:
    """TOK-1.5, TOK-6.3."""
    assert checked_actor("security_admin") == "security_admin"
    for name in ("stage3", "the_agent", "", None, "a b"):
        with pytest.raises(ValueError, match="by"):
            checked_actor(name)


def test_whoever_holds_tokens_can_be_named_whatever_the_name() -> None:
    """TOK-6.4: revoking more than exists harms nobody."""
    assert checked_principal("stage3") == "stage3"
    with pytest.raises(ValueError, match="the user or issuer must be"):
        checked_principal("a b")


def test_text_for_people_has_no_character_that_hides() -> None:
    """TOK-1.2, TOK-6.3: every character there is, against the Unicode tables."""
    every = [chr(number) for number in range(0x110000) if chr(number) != " "]
    kinds = {"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"}
    hidden = {letter for letter in every if unicodedata.category(letter) in kinds}
    hidden |= {chr(number) for number in range(0xFFF0, 0x10000)}
    hidden |= {chr(number) for number in range(0xE0000, 0xE1000)}
    assigned = {letter for letter in every if unicodedata.category(letter) != "Cn"}

    assert checked_text("it", "".join(assigned - hidden), 0x110000)
    for letter in hidden:
        with pytest.raises(ValueError, match="format or separator"):
            checked_text("it", f"x{letter}", 2)


def test_text_for_people_is_bounded() -> None:
    """TOK-1.2, TOK-6.3."""
    assert checked_text("reason", "x" * 7, 7) == "x" * 7
    with pytest.raises(ValueError, match=r"reason.*at most 7 characters, got 8"):
        checked_text("reason", "x" * 8, 7)
    for empty in ("", " ", "   ", None, 5, b"x"):
        with pytest.raises(ValueError, match="reason must be a non-empty string"):
            checked_text("reason", empty, 7)
