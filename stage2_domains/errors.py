"""What this package refuses, and whose fault it is.

::

    DomainError                      root; nothing else leaves this package
    ├── ValueRefusedError            a value is not plain JSON data (also a ValueError)
    ├── UnusableInputError           a built-in method cannot use what it was given
    └── RegistrationError            a domain may not be registered (also a ValueError)
        ├── SchemaRefusedError       one of its JSON Schemas is invalid or not allowed
        └── RegistryFrozenError      the registry belongs to an orchestrator by now

A ``ValueRefusedError`` is the fault of whoever made the value; a
``RegistrationError`` is the fault of the domain's author or of the operator who
registers it. An ``UnusableInputError`` never leaves ``invoke``: there it becomes an
unsuccessful ``DomainResult``, which is how a domain says no.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "DomainError",
    "RegistrationError",
    "RegistryFrozenError",
    "SchemaRefusedError",
    "UnusableInputError",
    "ValueRefusedError",
]


class DomainError(Exception):
    """The root of what ``stage2_domains`` raises."""

    code: ClassVar[str] = "DOMAIN_ERROR"


class ValueRefusedError(DomainError, ValueError):
    """The value is not plain JSON data within the bounds."""

    code: ClassVar[str] = "VALUE_REFUSED"


class UnusableInputError(DomainError):
    """The parameters have the right shape and still cannot be used."""

    code: ClassVar[str] = "UNUSABLE_INPUT"


class RegistrationError(DomainError, ValueError):
    """The domain's declaration is not acceptable."""

    code: ClassVar[str] = "REGISTRATION_REFUSED"


class SchemaRefusedError(RegistrationError):
    """A schema is not valid JSON Schema 2020-12, or uses what is not allowed."""

    code: ClassVar[str] = "SCHEMA_REFUSED"


class RegistryFrozenError(RegistrationError):
    """The registry was frozen; domains are registered before it is used."""

    code: ClassVar[str] = "REGISTRY_FROZEN"
