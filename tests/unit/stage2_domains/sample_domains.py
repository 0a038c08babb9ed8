"""Small domains for the tests of the registry."""

from collections.abc import Mapping

from stage2_domains.contract import DomainResult, MethodSpec, Stage2Domain
from stage2_domains.parameters import IsolatedParameters

CLOSED: dict[str, object] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "count": {"type": "integer"}},
    "required": ["name", "count"],
    "additionalProperties": False,
}


class Sample(Stage2Domain):
    """A domain made of what it is given; it fails if it is ever run."""

    def __init__(
        self,
        schema: object = None,
        *,
        name: object = "sample",
        methods: object = None,
        **spec: object,
    ) -> None:
        parameters = CLOSED if schema is None else schema
        one = MethodSpec(parameters=parameters, **spec)  # type: ignore[arg-type]  # may be wrong on purpose
        self.name = name  # type: ignore[assignment]  # may be wrong on purpose
        chosen: object = {"act": one} if methods is None else methods
        self.methods = chosen  # type: ignore[assignment]  # may be wrong on purpose

    def invoke(self, method: str, parameters: IsolatedParameters) -> DomainResult:
        """Fail: the registry never runs a domain."""
        raise AssertionError(f"{method} ran with {parameters}")


def schema_of(properties: Mapping[str, object], **more: object) -> dict[str, object]:
    """Return an object schema with these properties and keywords."""
    return {"type": "object", "properties": dict(properties), **more}
