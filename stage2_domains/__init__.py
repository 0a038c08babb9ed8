"""Passive Stage-2 domains and the contract they keep."""

from __future__ import annotations

from stage2_domains.contract import Budget, DomainResult, MethodSpec, Stage2Domain
from stage2_domains.errors import (
    DomainError,
    RegistrationError,
    RegistryFrozenError,
    SchemaRefusedError,
    ValueRefusedError,
)
from stage2_domains.parameters import IsolatedParameters
from stage2_domains.registry import (
    DomainRegistry,
    RegisteredDomain,
    RegisteredMethod,
)

__all__ = [
    "Budget",
    "DomainError",
    "DomainRegistry",
    "DomainResult",
    "IsolatedParameters",
    "MethodSpec",
    "RegisteredDomain",
    "RegisteredMethod",
    "RegistrationError",
    "RegistryFrozenError",
    "SchemaRefusedError",
    "Stage2Domain",
    "ValueRefusedError",
]
