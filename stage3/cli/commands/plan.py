"""``stage3 plan``: write, check and run plans."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, cast

from audit.log import AuditEventLog
from stage3.cli.commands.domains import find_method
from stage3.cli.errors import InputRefusedError
from stage3.cli.home import open_given_store
from stage3.cli.intake.credential import read_credential
from stage3.cli.intake.domains import domains_of
from stage3.cli.intake.files import new_file, read_file
from stage3.cli.output.answers import Answer
from stage3.cli.output.failures import problem_of_plan
from stage3.cli.output.rendering import json_lines, pairs
from stage3.cli.output.trail_view import trail_document, trail_lines
from stage3.orchestrator import Stage3Orchestrator
from stage3.plan import MAX_PLAN_BYTES, DomainInvocation, ExecutionPlan
from tokens.credential import token_hash_of
from tokens.registry import TokenRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from audit.store.interface import Store
    from stage2_domains.registry import DomainRegistry
    from stage3.cli.arguments import Given
    from stage3.cli.dispatch import Command
    from stage3.cli.output.console import Console
    from stage3.cli.output.rendering import Json
    from stage3.outcome import PlanOutcome
    from stage3.request import Admission

__all__ = ["COMMANDS"]


def _new(given: Given, _console: Console) -> Answer:
    registry = domains_of(given).registry
    methods = [find_method(registry, step) for step in given.step]
    try:
        plan = ExecutionPlan(
            given.user,
            [
                DomainInvocation(one.domain, one.name, one.example or {})
                for one in methods
            ],
        )
    except ValueError as error:
        raise InputRefusedError(f"the plan: {error}") from error
    document = cast("dict[str, Json]", json.loads(plan.to_json()))
    if given.out is None:
        return Answer(document=document, lines=tuple(json_lines(document)))
    with new_file(given.out, private=False) as file:
        file.write("".join(f"{line}\n" for line in json_lines(document)).encode())
    said: dict[str, Json] = {"file": given.out, "digest": plan.digest}
    return Answer(document=said, lines=tuple(pairs(said.items())))


def _check(given: Given, _console: Console) -> Answer:
    credential, plan = read_credential(given), _read_plan(given.plan)
    domains = domains_of(given).registry
    with (
        open_given_store(given) as store,
        _orchestrator(store, domains) as orchestrator,
    ):
        try:
            decision = orchestrator.check_plan(
                token_hash_of(credential), given.user, given.trigger, plan
            )
        except ValueError as error:
            raise InputRefusedError(str(error)) from error
    document: dict[str, Json] = {
        "allowed": decision.allowed,
        "digest": plan.digest,
        "steps": len(plan),
    }
    return Answer(
        document=document,
        lines=tuple(pairs(document.items())),
        problem=None if decision.error is None else problem_of_plan(decision.error),
    )


def _run(given: Given, _console: Console) -> Answer:
    credential, plan = read_credential(given), _read_plan(given.plan)
    domains = domains_of(given).registry
    with (
        open_given_store(given) as store,
        _orchestrator(store, domains) as orchestrator,
    ):
        try:
            outcome = orchestrator.execute_plan(
                # The handle of exactly these characters: only the credential that
                # was registered has it, so nothing but that one is authority.
                token_hash_of(credential),
                given.user,
                given.trigger,
                plan,
                execution_id=given.given_execution_id,
                admission=cast("Admission", given.admission),
            )
        except ValueError as error:
            raise InputRefusedError(str(error)) from error
    return _outcome_answer(outcome, plan)


def _orchestrator(store: Store, domains: DomainRegistry) -> Stage3Orchestrator:
    return Stage3Orchestrator(TokenRegistry(store), AuditEventLog(store), domains)


def _read_plan(path: str) -> ExecutionPlan:
    data = read_file(path, "the plan file", MAX_PLAN_BYTES)
    try:
        return ExecutionPlan.from_json(data)
    except ValueError as error:
        raise InputRefusedError(f"the plan file: {error}") from error


def _outcome_answer(outcome: PlanOutcome, plan: ExecutionPlan) -> Answer:
    document: dict[str, Json] = {
        "success": outcome.success,
        "execution_id": outcome.execution_id,
        "replayed": outcome.replayed,
        "results": outcome.results,
        "trail": trail_document(outcome.trail),
    }
    return Answer(
        document=document,
        lines=tuple(_outcome_lines(outcome, plan)),
        problem=None if outcome.error is None else problem_of_plan(outcome.error),
    )


def _outcome_lines(outcome: PlanOutcome, plan: ExecutionPlan) -> Iterator[str]:
    steps = plan.get_invocations()
    for number, result in enumerate(outcome.results or ()):
        step = steps[number]
        yield from pairs([(f"step {number}", f"{step.domain}.{step.method}")])
        yield from json_lines(result["data"])
        yield ""
    if outcome.trail:
        yield from trail_lines(outcome.trail)
        yield ""
    if outcome.replayed:
        yield "This execution had ended before; nothing was done now."
    said = [("execution", outcome.execution_id)]
    if outcome.success:
        said.append(("outcome", f"success, {len(steps)} of {len(steps)} steps"))
    yield from pairs(said)


COMMANDS: Final[Mapping[str, Command]] = MappingProxyType(
    {"plan check": _check, "plan new": _new, "plan run": _run}
)
