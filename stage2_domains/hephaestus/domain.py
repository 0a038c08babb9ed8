"""The hephaestus domain: its three methods and what they take."""

from __future__ import annotations

from types import MappingProxyType

from stage2_domains.contract import MethodSpec
from stage2_domains.hephaestus.code import MAX_SOURCE, analyze_code
from stage2_domains.hephaestus.design import design_system
from stage2_domains.hephaestus.issue import debug_issue
from stage2_domains.shapes import answer, listing, record, text
from stage2_domains.tabled import TabledDomain

__all__ = ["HephaestusDomain"]

_SOURCE = text(MAX_SOURCE, 0)

_ANALYZE_CODE = MethodSpec(
    description="Python source measured through its syntax tree, without running it.",
    parameters=record(
        {
            "code": {
                "type": ["string", "array"],
                "maxLength": MAX_SOURCE,
                "items": record({"name": text(200), "code": _SOURCE}),
                "maxItems": 200,
            }
        }
    ),
    result=answer(snippets_analyzed="integer", analysis="object"),
    example={
        "code": "import math\n"
        "\n"
        "def area(kind, size):\n"
        '    """Return the area of a shape."""\n'
        "    if kind == 'circle':\n"
        "        return math.pi * size ** 2\n"
        "    elif kind == 'square' and size > 0:\n"
        "        return size ** 2\n"
        "    raise ValueError(kind)\n"
    },
)

_DESIGN_SYSTEM = MethodSpec(
    description="Layers, cycles and interfaces of components and their dependencies.",
    parameters=record(
        {
            "requirements": listing(
                record(
                    {"component": text(80)},
                    {
                        "depends_on": listing(text(80), most=100),
                        "provides": listing(text(200), most=100),
                    },
                ),
                most=1_000,
            )
        }
    ),
    result=answer(requirements_count="integer", design="object"),
    example={
        "requirements": [
            {"component": "web", "depends_on": ["orders", "users"]},
            {
                "component": "orders",
                "depends_on": ["store", "payment gateway"],
                "provides": ["place order", "list orders"],
            },
            {"component": "users", "depends_on": ["store"], "provides": ["sign in"]},
            {"component": "store", "provides": ["read", "write"]},
        ]
    },
)

_DEBUG_ISSUE = MethodSpec(
    description="The root cause and the most likely place of a Python traceback.",
    parameters=record(
        {"issue": text(262_144)}, {"project_paths": listing(text(500), most=50)}
    ),
    result=answer(issue="string", diagnosis="object"),
    example={
        "project_paths": ["/srv/shop"],
        "issue": "Traceback (most recent call last):\n"
        '  File "/srv/shop/orders.py", line 12, in total\n'
        "    return prices[item] * count\n"
        "           ~~~~~~^^^^^^\n"
        "KeyError: 'tea'\n"
        "\n"
        "The above exception was the direct cause of the following exception:\n"
        "\n"
        "Traceback (most recent call last):\n"
        '  File "/srv/shop/web.py", line 40, in checkout\n'
        "    show(total(basket))\n"
        '  File "/srv/shop/orders.py", line 14, in total\n'
        "    raise OrderError(item) from error\n"
        "shop.errors.OrderError: tea\n",
    },
)


class HephaestusDomain(TabledDomain):
    """Code, designs and tracebacks."""

    name = "hephaestus"
    methods = MappingProxyType(
        {
            "analyze_code": _ANALYZE_CODE,
            "debug_issue": _DEBUG_ISSUE,
            "design_system": _DESIGN_SYSTEM,
        }
    )
    handlers = MappingProxyType(
        {
            "analyze_code": analyze_code,
            "debug_issue": debug_issue,
            "design_system": design_system,
        }
    )
