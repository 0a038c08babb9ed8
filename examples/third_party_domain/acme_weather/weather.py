"""The domain ``weather``: what it declares is in ``domain.toml``."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Final

from stage2_domains.contract import DomainResult, Stage2Domain

if TYPE_CHECKING:
    from stage2_domains.parameters import IsolatedParameters

__all__ = ["Weather"]

BOUND: Final = 100


class Weather(Stage2Domain):
    """Answers from its parameters alone."""

    def invoke(self, method: str, parameters: IsolatedParameters) -> DomainResult:
        """Answer one call."""
        if method != "summary":
            return DomainResult(success=False, error="there is no such method")
        found: dict[str, float] = {}
        for one in parameters.get_copy()["days"]:
            day, celsius = one["day"], one["celsius"]
            if abs(celsius) > BOUND:
                error = f"{day}: {celsius} degrees are not of this world"
                return DomainResult(success=False, error=error)
            found[day] = celsius
        data = {
            "coldest": min(found, key=lambda day: found[day]),
            "median": statistics.median(found.values()),
            "warmest": max(found, key=lambda day: found[day]),
        }
        return DomainResult(success=True, data=data)
