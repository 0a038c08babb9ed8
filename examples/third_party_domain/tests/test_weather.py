"""Runs each example of `domain.toml` as a plan, in the tier it declares."""

import json
from pathlib import Path

import pytest
from stage2_domains.manifest import DomainExample, load_manifest
from stage3.pytest_plugin import Harness, assert_trail, completed, failed

MANIFEST = load_manifest(Path(__file__).parents[1] / "acme_weather")


@pytest.fixture
def harness(stage3_harness: Harness) -> Harness:
    """A whole Stage-3 in memory that knows this domain."""
    stage3_harness.domains.register_manifest(MANIFEST)
    return stage3_harness


def test_there_are_examples() -> None:
    assert {example.method for example in MANIFEST.examples} == set(MANIFEST.methods)


@pytest.mark.parametrize("example", MANIFEST.examples)
def test_an_example_gives_what_it_says(
    harness: Harness, example: DomainExample
) -> None:
    token = harness.issue(scope={MANIFEST.name: list(MANIFEST.methods)})
    step = (MANIFEST.name, example.method, json.loads(example.parameters))

    outcome = harness.run(token, step)

    if outcome.error and "is not available here" in str(outcome.error):
        pytest.skip(f"there is no box of the tier {MANIFEST.tier} here")
    target = f"{MANIFEST.name}.{example.method}"
    if example.error is not None:
        assert_trail(outcome, failed(target, "DOMAIN_FAILED"))
        assert example.error in str(outcome.error)
    else:
        assert_trail(outcome, completed(target))
        if example.result is not None:
            assert outcome.results[0]["data"] == json.loads(example.result)
