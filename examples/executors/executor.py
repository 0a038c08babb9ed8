"""An executor in sixty lines: requests come as lines, each is answered by one.

A request is a JSON object: ``credential`` (the token itself, not its hash), ``user``,
``trigger``, ``plan`` (as ``stage3 plan new`` writes it) and, to be safe against a lost
answer, ``execution_id``. It stands in for the service that you have; what matters is
what stands outside of the loop: one store and one orchestrator for the whole process,
closed in order at its end.
"""

import argparse
import json
import sys

from audit import AuditEventLog, open_store
from stage2_domains import DomainRegistry
from stage3 import ExecutionPlan, Stage3Orchestrator
from tokens import TokenRegistry, token_hash_of

MOST_BYTES = 1_000_000


def answer(orchestrator: Stage3Orchestrator, line: str) -> dict[str, object]:
    """Run the plan of one request."""
    try:
        request = json.loads(line)
        plan = ExecutionPlan.from_json(json.dumps(request["plan"]))
        outcome = orchestrator.execute_plan(
            # Of exactly these characters: only who has the credential has its hash.
            token_hash_of(request["credential"]),
            request["user"],
            request["trigger"],
            plan,
            execution_id=request.get("execution_id"),
        )
    except (KeyError, TypeError, ValueError) as error:
        return {"success": False, "code": "REQUEST", "sentence": type(error).__name__}
    found: dict[str, object] = {"execution_id": outcome.execution_id}
    if outcome.error is None:
        return {**found, "success": True, "results": outcome.results}
    code, sentence = outcome.error.code.value, str(outcome.error)
    return {**found, "success": False, "code": code, "sentence": sentence}


def main() -> None:
    """Answer until there is nothing more to read."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--store", required=True)
    parser.add_argument("--trust", required=True)
    given = parser.parse_args()
    with open_store(given.store, trust=given.trust) as store:
        log, domains = AuditEventLog(store), DomainRegistry.builtin()
        with Stage3Orchestrator(TokenRegistry(store), log, domains) as orchestrator:
            while line := sys.stdin.readline(MOST_BYTES):
                print(json.dumps(answer(orchestrator, line)), flush=True)


if __name__ == "__main__":
    main()
