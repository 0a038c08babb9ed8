"""``stage3 domains``: what there is to put into a plan, and how to add to it."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from stage2_domains.manifest import MANIFEST_NAME
from stage3.cli.commands.domain_template import new_domain
from stage3.cli.commands.domain_tests import examples_of, tested
from stage3.cli.errors import InputRefusedError
from stage3.cli.intake.domains import domains_of
from stage3.cli.output.answers import Answer
from stage3.cli.output.rendering import json_lines, one_line, pairs, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stage2_domains.registry import (
        DomainRegistry,
        RegisteredDomain,
        RegisteredMethod,
    )
    from stage3.cli.arguments import Given
    from stage3.cli.dispatch import Command
    from stage3.cli.output.console import Console
    from stage3.cli.output.rendering import Json

__all__ = ["COMMANDS", "find_method"]

_OWN: Final = "One of your own is named by its manifest: --domain FILE."


def find_method(registry: DomainRegistry, name: str) -> RegisteredMethod:
    """Find ``DOMAIN.METHOD``.

    Raises:
        InputRefusedError: There is no such domain or method; it says what there is.
    """
    domain_name, _, method_name = name.partition(".")
    domain = _find_domain(registry, domain_name)
    method = domain.methods.get(method_name)
    if method is None:
        known = ", ".join(sorted(domain.methods))
        raise InputRefusedError(
            f"method '{one_line(method_name, 64)}' not found in {domain.name}; "
            f"its methods are {known}"
        )
    return method


def _find_domain(registry: DomainRegistry, name: str) -> RegisteredDomain:
    domain = registry.get(name)
    if domain is None:
        raise InputRefusedError(
            f"domain '{one_line(name, 64)}' not found; there are "
            f"{', '.join(registry.names())}",
            hint=_OWN,
        )
    return domain


def _domains(registry: DomainRegistry) -> list[RegisteredDomain]:
    found = [registry.get(name) for name in registry.names()]
    return [domain for domain in found if domain is not None]


def _list(given: Given, _console: Console) -> Answer:
    given_domains = domains_of(given)
    domains = _domains(given_domains.registry)
    rows = [
        (domain.name, method.name, domain.tier, method.description)
        for domain in domains
        for method in sorted(domain.methods.values(), key=lambda one: one.name)
    ]
    names = ("domain", "method", "tier", "description")
    sources = [
        (one.name, one.tier, one.digest, given_domains.origin(one.name))
        for one in domains
    ]
    about = ("domain", "tier", "digest", "source")
    return Answer(
        document={
            "methods": [dict(zip(names, row, strict=True)) for row in rows],
            "domains": [dict(zip(about, row, strict=True)) for row in sources],
        },
        lines=(
            *table([name.upper() for name in names], rows),
            "",
            *table([name.upper() for name in about], sources),
        ),
    )


def _test(given: Given, _console: Console) -> Answer:
    name = given.domain
    is_path = "/" in name or "." in name  # no name of a domain has either
    if is_path and name not in (*given.manifests, *given.trusted_manifests):
        given.manifests = [*given.manifests, name]
    domains = domains_of(given)
    if is_path:
        name = next(one for one, path in domains.origins.items() if path == name)
    elif domains.registry.get(name) is None and Path(name, MANIFEST_NAME).is_file():
        raise InputRefusedError(
            f"there is no domain '{name}', and a folder of that name",
            hint=f"To test what is in the folder: stage3 domains test ./{name}",
        )
    domain = _find_domain(domains.registry, name)
    manifest = domains.manifests.get(name)
    examples = examples_of(domain) if manifest is None else manifest.examples
    return tested(domain, examples)


def _describe(given: Given, _console: Console) -> Answer:
    given_domains = domains_of(given)
    registry = given_domains.registry
    if "." in given.domain:
        return _method_answer(find_method(registry, given.domain))
    domain = _find_domain(registry, given.domain)
    budget = {
        name: getattr(domain.budget, name)
        for name in domain.budget.__dataclass_fields__
    }
    methods = {
        name: domain.methods[name].description for name in sorted(domain.methods)
    }
    document: dict[str, Json] = {
        "name": domain.name,
        "tier": domain.tier,
        "built_in": domain.built_in,
        "source": given_domains.origin(domain.name),
        "digest": domain.digest,
        "budget": budget,
        "methods": methods,
    }
    about = [
        ("domain", domain.name),
        ("tier", domain.tier),
        ("digest", domain.digest),
        ("source", given_domains.origin(domain.name)),
    ]
    lines = [
        *pairs([*about, *((f"budget {name}", most) for name, most in budget.items())]),
        "",
        *table(("METHOD", "DESCRIPTION"), methods.items()),
    ]
    return Answer(document=document, lines=tuple(lines))


def _method_answer(method: RegisteredMethod) -> Answer:
    document: dict[str, Json] = {
        "domain": method.domain,
        "method": method.name,
        "description": method.description,
        "parameters": method.parameters,
        "result": method.result,
        "example": method.example,
    }
    lines = [f"{method.domain}.{method.name}", one_line(method.description)]
    for title in ("parameters", "result", "example"):
        if document[title] is not None:
            lines += ["", f"{title}:", *json_lines(document[title])]
    return Answer(document=document, lines=tuple(lines))


COMMANDS: Final[Mapping[str, Command]] = MappingProxyType(
    {
        "domains describe": _describe,
        "domains list": _list,
        "domains new": new_domain,
        "domains test": _test,
    }
)
