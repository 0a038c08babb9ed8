"""A design from components and their dependencies: layers, cycles, interfaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stage2_domains.figures import ratio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stage2_domains.reading import Record
    from stage2_domains.tabled import Answer

__all__ = ["design_system"]


@dataclass(frozen=True, slots=True)
class _Component:
    name: str
    depends_on: tuple[str, ...]
    provides: tuple[str, ...]


def design_system(given: Record) -> Answer:
    """Order components into layers; a layer depends only on lower ones.

    Components of one cycle share a layer, and the cycle is named. A dependency that
    is no component of the list is ``external``. Names of one layer or cycle are in
    alphabetical order.
    """
    components = _read(given)
    graph = {
        name: [other for other in one.depends_on if other in components]
        for name, one in components.items()
    }
    groups = _groups(graph)
    level = _levels(graph, groups)
    layers: list[list[str]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
    for name in sorted(level):
        layers[level[name]].append(name)
    named = {other for one in components.values() for other in one.depends_on}
    return {
        "requirements_count": len(components),
        "design": {
            "layers": layers,
            "build_order": [name for group in groups for name in group],
            "cycles": sorted(
                group
                for group in groups
                if len(group) > 1 or group[0] in graph[group[0]]
            ),
            "external": sorted(named - components.keys()),
            "interfaces": _interfaces(components, graph),
            "components": _rows(graph, level),
        },
    }


def _read(given: Record) -> dict[str, _Component]:
    components: dict[str, _Component] = {}
    for one in given.records("requirements"):
        name = one.text("component")
        if name in components:
            raise one.refusal("component", "stands twice in the list")
        # ``dict.fromkeys`` drops repetitions and keeps the order.
        components[name] = _Component(
            name,
            tuple(dict.fromkeys(one.texts("depends_on"))),
            tuple(dict.fromkeys(one.texts("provides"))),
        )
    return components


def _groups(graph: dict[str, list[str]]) -> list[list[str]]:
    """Return the strongly connected components, dependencies first."""
    search = _Search(graph)
    for root in sorted(graph):
        if root not in search.number:
            search.run(root)
    return search.groups


class _Search:
    """Tarjan's search, with a stack of its own instead of recursion.

    Source:
        Tarjan, SIAM J. Comput. 1:146 (1972).
    """

    def __init__(self, graph: dict[str, list[str]]) -> None:
        self.number: dict[str, int] = {}
        self.groups: list[list[str]] = []
        self._graph = graph
        self._lowest: dict[str, int] = {}
        self._open: dict[str, None] = {}
        self._path: list[tuple[str, Iterator[str]]] = []

    def run(self, root: str) -> None:
        """Search everything that ``root`` depends on."""
        self._enter(root)
        while self._path:
            name, others = self._path[-1]
            other = next(others, None)
            if other is None:
                self._leave()
            elif other not in self.number:
                self._enter(other)
            elif other in self._open:
                self._lowest[name] = min(self._lowest[name], self.number[other])

    def _enter(self, name: str) -> None:
        self.number[name] = self._lowest[name] = len(self.number)
        self._open[name] = None
        self._path.append((name, iter(sorted(self._graph[name]))))

    def _leave(self) -> None:
        name, _ = self._path.pop()
        if self._path:
            above = self._path[-1][0]
            self._lowest[above] = min(self._lowest[above], self._lowest[name])
        if self._lowest[name] == self.number[name]:
            group: list[str] = []
            while not group or group[-1] != name:
                group.append(self._open.popitem()[0])
            self.groups.append(sorted(group))


def _levels(graph: dict[str, list[str]], groups: list[list[str]]) -> dict[str, int]:
    """Return the layer of each component, 0 for those that depend on none."""
    level: dict[str, int] = {}
    for group in groups:
        below = [
            level[other] for name in group for other in graph[name] if other in level
        ]
        here = max(below, default=-1) + 1
        level.update(dict.fromkeys(group, here))
    return level


def _interfaces(
    components: dict[str, _Component], graph: dict[str, list[str]]
) -> list[Answer]:
    """Return each component that others use, what it offers them and to whom."""
    users: dict[str, list[str]] = {}
    for name in sorted(graph):
        for other in graph[name]:
            users.setdefault(other, []).append(name)
    return [
        {
            "component": name,
            "provides": list(components[name].provides),
            "used_by": users[name],
        }
        for name in sorted(users)
    ]


def _rows(graph: dict[str, list[str]], level: dict[str, int]) -> list[Answer]:
    """Return coupling per component; instability is outgoing over all (Martin)."""
    incoming = dict.fromkeys(graph, 0)
    for others in graph.values():
        for other in others:
            incoming[other] += 1
    return [
        {
            "component": name,
            "layer": level[name],
            "outgoing": len(graph[name]),
            "incoming": incoming[name],
            "instability": ratio(len(graph[name]), len(graph[name]) + incoming[name]),
        }
        for name in sorted(graph)
    ]
