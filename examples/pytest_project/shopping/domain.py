"""The domain ``shopping``: sums and outliers of a basket, in cents.

It keeps no state and reads nothing but its parameters, so the same basket always
gives the same answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from stage2_domains import DomainResult, MethodSpec, Stage2Domain

if TYPE_CHECKING:
    from stage2_domains import IsolatedParameters

__all__ = ["Shopping"]

ITEM = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 80},
        "cents": {"type": "integer", "minimum": 0, "maximum": 10_000_000},
    },
    "required": ["name", "cents"],
    "additionalProperties": False,
}
BASKET = {"type": "array", "items": ITEM, "maxItems": 500}


class Shopping(Stage2Domain):
    """Adds up a basket, and finds what costs more than a bound."""

    name = "shopping"
    methods: ClassVar = {
        "total": MethodSpec(
            parameters={
                "type": "object",
                "properties": {"items": BASKET},
                "required": ["items"],
                "additionalProperties": False,
            },
            result={
                "type": "object",
                "properties": {"cents": {"type": "integer", "minimum": 0}},
                "required": ["cents"],
            },
            description="What the basket costs.",
        ),
        "too_expensive": MethodSpec(
            parameters={
                "type": "object",
                "properties": {"items": BASKET, "bound_cents": {"type": "integer"}},
                "required": ["items", "bound_cents"],
                "additionalProperties": False,
            },
            description="The items that cost more than the bound, in their order.",
        ),
    }

    def invoke(self, method: str, parameters: IsolatedParameters) -> DomainResult:
        """Answer one call."""
        given = parameters.get_copy()
        items = given["items"]
        if not items:
            return DomainResult(success=False, error="the basket is empty")
        if method == "total":
            cents = sum(item["cents"] for item in items)
            return DomainResult(success=True, data={"cents": cents})
        bound = given["bound_cents"]
        names = [item["name"] for item in items if item["cents"] > bound]
        return DomainResult(success=True, data={"names": names})
