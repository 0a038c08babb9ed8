"""Line plots as SVG text: a few curves, two axes, a legend; nothing to install."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Plot", "draw"]

_WIDTH: Final = 720
_LEGEND: Final = 18
_LEFT, _RIGHT, _TOP, _HEIGHT = 70, 20, 40, 300
_COLOURS: Final = ("#0b6e99", "#d9730d", "#448361", "#9065b0", "#c14c8a", "#787774")


@dataclass(frozen=True)
class Plot:
    """What a plot shows: points by curve, on axes that are logarithmic or not."""

    title: str
    across: str
    up: str
    curves: Mapping[str, Sequence[tuple[float, float]]]
    log: bool = True


@dataclass(frozen=True)
class _Axis:
    """Places values between two pixels; zero stands at the start, also of a log."""

    values: Sequence[float]
    begin: float
    end: float
    log: bool

    def place(self, value: float) -> float:
        low, high = self._bounds()
        share = (self._scaled(value) - low) / ((high - low) or 1)
        return self.begin + share * (self.end - self.begin)

    def _scaled(self, value: float) -> float:
        if not self.log:
            return value
        least = min((one for one in self.values if one > 0), default=1.0)
        return math.log10(value) if value > 0 else math.log10(least) - 1

    def _bounds(self) -> tuple[float, float]:
        if not self.log:
            return 0, max(self.values)
        return min(map(self._scaled, self.values)), max(map(self._scaled, self.values))


def draw(plot: Plot) -> str:
    """Give the SVG of a plot."""
    points = [point for curve in plot.curves.values() for point in curve]
    xs, ys = [x for x, _ in points], _round_values([y for _, y in points], log=plot.log)
    across = _Axis(sorted(set(xs)), _LEFT, _WIDTH - _RIGHT, log=True)
    up = _Axis(ys, _TOP + _HEIGHT, _TOP, log=plot.log)
    height = _TOP + _HEIGHT + 50 + _LEGEND * len(plot.curves)
    root = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}"'
    parts = [
        f'{root} font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        _text(_LEFT, 20, plot.title, "start", "bold"),
        *_grid(plot, across, up),
    ]
    for number, (name, curve) in enumerate(plot.curves.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        parts += _curve(sorted(curve), across, up, colour)
        y = _TOP + _HEIGHT + 50 + _LEGEND * number
        parts.append(
            f'<rect x="{_LEFT}" y="{y}" width="14" height="4" fill="{colour}"/>'
        )
        parts.append(_text(_LEFT + 22, y + 6, name, "start"))
    return "\n".join([*parts, "</svg>", ""])


def _round_values(values: Sequence[float], *, log: bool) -> list[float]:
    """The marks of the upward axis: powers of ten with 2 and 5, or four steps."""
    if not log:
        step = 10 ** math.floor(math.log10(max(values)))
        while max(values) / step < 4:
            step /= 2
        return [step * n for n in range(math.ceil(max(values) / step) + 1)]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    marks = [10.0**power * n for power in range(low, high + 1) for n in (1, 2, 5)]
    inner = [mark for mark in marks if min(values) <= mark <= max(values)]
    below = max((mark for mark in marks if mark <= min(values)), default=marks[0])
    above = min((mark for mark in marks if mark >= max(values)), default=marks[-1])
    return sorted({below, *inner, above})


def _grid(plot: Plot, across: _Axis, up: _Axis) -> list[str]:
    right, bottom = _WIDTH - _RIGHT, _TOP + _HEIGHT
    parts = []
    for value in up.values:
        y = up.place(value)
        parts.append(_line((_LEFT, y), (right, y), "#e3e2e0"))
        parts.append(_text(_LEFT - 8, y + 4, f"{value:,.6g}", "end"))
    for value in across.values:
        x = across.place(value)
        parts.append(_line((x, bottom), (x, bottom + 5), "#787774"))
        parts.append(_text(x, bottom + 18, f"{value:,.0f}", "middle"))
    parts.append(_text((_LEFT + right) / 2, bottom + 36, plot.across, "middle"))
    parts.append(_text(right, 20, plot.up, "end"))
    return parts


def _curve(
    curve: Sequence[tuple[float, float]], across: _Axis, up: _Axis, colour: str
) -> list[str]:
    places = [(across.place(x), up.place(y)) for x, y in curve]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places
    ]
    line = f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    return [line, *dots]


def _line(begin: tuple[float, float], end: tuple[float, float], colour: str) -> str:
    (x1, y1), (x2, y2) = begin, end
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="{colour}"/>'
    )


def _text(x: float, y: float, text: str, anchor: str, weight: str = "normal") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" '
        f'font-weight="{weight}" fill="#37352f">{escape(text)}</text>'
    )
