"""Panels with logarithmic axes as SVG text, with a line of a given power beside each series."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

#: Of a panel, in pixels, and what is beside it for the numbers.
WIDE, HIGH, LEFT, BELOW, ABOVE, RIGHT = 300, 240, 64, 44, 14, 20
COLOURS = ("#1f5fa8", "#b3541e")


@dataclass(frozen=True)
class Series:
    """Points of ``y`` over ``x``, all positive, and the ``power`` that theory gives."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    power: float


def drawn(panels: Sequence[tuple[str, Sequence[Series]]]) -> str:
    """An SVG of the panels side by side, each with the name of its horizontal axis."""
    width = len(panels) * (LEFT + WIDE + RIGHT)
    height = ABOVE + HIGH + BELOW
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for place, (name, series) in enumerate(panels):
        parts += _panel(place * (LEFT + WIDE + RIGHT) + LEFT, name, series)
    return "\n".join([*parts, "</svg>", ""])


def _panel(left: int, name: str, series: Sequence[Series]) -> list[str]:
    lowest, highest = _decades([x for each in series for x in each.x])
    bottom, top = _decades([y for each in series for y in each.y])

    def across(x: float) -> float:
        return left + WIDE * (math.log10(x) - lowest) / (highest - lowest)

    def up(y: float) -> float:
        return ABOVE + HIGH * (top - math.log10(y)) / (top - bottom)

    floor = ABOVE + HIGH
    parts = [
        f'<rect x="{left}" y="{ABOVE}" width="{WIDE}" height="{HIGH}" fill="none" stroke="#444"/>',
        _text(left + WIDE / 2, floor + 36, "middle", name),
    ]
    for decade in range(lowest, highest + 1):
        x = across(10.0**decade)
        parts.append(f'<line x1="{x:.1f}" y1="{ABOVE}" x2="{x:.1f}" y2="{floor}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{x:.1f}" y="{floor + 18}" text-anchor="middle">{_power(decade)}</text>'
        )
    for decade in range(bottom, top + 1):
        y = up(10.0**decade)
        parts.append(
            f'<line x1="{left}" y1="{y:.1f}" x2="{left + WIDE}" y2="{y:.1f}" stroke="#ddd"/>'
        )
        parts.append(
            f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{_power(decade)}</text>'
        )
    for place, (each, colour) in enumerate(zip(series, COLOURS, strict=False)):
        parts += [
            f'<circle cx="{across(x):.1f}" cy="{up(y):.1f}" r="4" fill="{colour}"/>'
            for x, y in zip(each.x, each.y, strict=True)
        ]
        first, last = each.x[0], each.x[-1]
        ends = [(first, each.y[0]), (last, each.y[0] * (last / first) ** each.power)]
        (x1, y1), (x2, y2) = ((across(x), up(y)) for x, y in ends)
        parts.append(_line(x1, y1, x2, y2, f'stroke="{colour}" stroke-dasharray="5 4"'))
        parts.append(
            f'<text x="{left + 10}" y="{floor - 28 + 16 * place}" fill="{colour}">'
            f"{each.name}; line: power {each.power:g}</text>"
        )
    return parts


def _line(x1: float, y1: float, x2: float, y2: float, look: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {look}/>'


def _text(x: float, y: float, anchor: str, words: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>'


def _decades(values: Sequence[float]) -> tuple[int, int]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _power(decade: int) -> str:
    return f"{10.0**decade:,.0f}" if decade >= 0 else f"{10.0**decade:g}"
