"""The built-in domains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stage2_domains.apollo.domain import ApolloDomain
from stage2_domains.dionysus.domain import DionysusDomain
from stage2_domains.hephaestus.domain import HephaestusDomain
from stage2_domains.hermes.domain import HermesDomain

if TYPE_CHECKING:
    from stage2_domains.contract import Stage2Domain

__all__ = ["built_in_domains"]


def built_in_domains() -> tuple[Stage2Domain, ...]:
    """Return a new instance of each built-in domain, in alphabetical order."""
    return (ApolloDomain(), DionysusDomain(), HephaestusDomain(), HermesDomain())
