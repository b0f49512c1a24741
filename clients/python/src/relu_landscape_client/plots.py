"""Pictures with matplotlib (the extra ``plot``). Each function draws into given axes and returns
them; without axes it makes a figure of its own."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from relu_landscape_client import _ladder
from relu_landscape_client._arrays import Floats
from relu_landscape_client._ladder import group as group
from relu_landscape_client.disconnectivity import Disconnectivity
from relu_landscape_client.errors import MissingExtra
from relu_landscape_client.parts import Attraction, Spectrum

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OTHER_COLOUR = "#999999"
#: Okabe and Ito's palette, told apart with any colour vision (jfly.uni-koeln.de/color), for what
#: has no kind, one after the other.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
WORDS = {"minimum": "minimum", "global_continuum": "global minima", "saddle": "saddle"}


class Point(_ladder.Point, Protocol):
    """What is drawn of a fixed point; ``points.FixedPoint`` has it."""

    @property
    def R(self) -> Floats: ...
    @property
    def Q(self) -> Floats: ...
    @property
    def spectrum(self) -> Spectrum: ...


def _pyplot() -> Any:
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise MissingExtra("matplotlib", "plot") from error
    return pyplot


def _axes(ax: Axes | None, **figure: Any) -> Axes:
    if ax is not None:
        return ax
    new: Axes = _pyplot().subplots(layout="constrained", **figure)[1]
    return new


def ladder(fixed_points: Sequence[Point], ax: Axes | None = None, *, title: str = "") -> Axes:
    """The loss ladder, as the explorer page has it: loss upwards, probability across.

    Saddles have a column of their own; points that no random start reached stand at probability
    zero; certified ones have a tick behind their names.
    """
    ax = _axes(ax)
    _ladder.draw(fixed_points, ax, title)
    return ax


def ladders(
    columns: Sequence[Sequence[Point]],
    names: Sequence[str],
    joined: Sequence[tuple[Sequence[float], bool]],
    ax: Axes | None = None,
) -> Axes:
    """Losses of several landscapes, a column each; ``joined`` are losses that belong together.

    A loss that is NaN is absent from its landscape; lines are full where the flag is set, dashed
    elsewhere.
    """
    ax = _axes(ax)
    for place, points in enumerate(columns):
        for point in points:
            ax.plot(
                [place - 0.25, place + 0.25], [point.loss] * 2, linewidth=2,
                solid_capstyle="round", color=_ladder.COLOURS[_ladder.group(point)],
            )  # fmt: skip
            ax.annotate(
                point.key, (place + 0.25, point.loss), xytext=(3, 0), va="center",
                textcoords="offset points", fontsize="x-small",
            )  # fmt: skip
    for losses, is_same in joined:
        there = [(place, loss) for place, loss in enumerate(losses) if not math.isnan(loss)]
        for (left, one), (right, other) in itertools.pairwise(there):
            ax.plot(
                [left + 0.25, right - 0.25], [one, other], color="black", linewidth=0.8,
                linestyle="-" if is_same else "--",
            )  # fmt: skip
    ax.set_xticks(range(len(names)), names)
    ax.set_ylabel("population loss")
    ax.margins(x=0.15)
    return ax


def spectrum(point: Point, ax: Axes | None = None) -> Axes:
    """Each distinct eigenvalue as a line as high as its multiplicity (logarithmic)."""
    ax = _axes(ax)
    colours = {"span": "#0072B2", "perpendicular": "#E69F00"}
    lines = point.spectrum
    for space in dict.fromkeys(lines.spaces):
        chosen = [i for i, name in enumerate(lines.spaces) if name == space]
        ax.vlines(
            lines.eigenvalues[chosen], 0.5, [float(lines.multiplicities[i]) for i in chosen],
            color=colours.get(space, OTHER_COLOUR), label=space, linewidth=2,
        )  # fmt: skip
    ax.axvline(0.0, color="black", linewidth=0.8)
    ax.set_yscale("log")
    ax.set_xlabel("eigenvalue of the Hessian")
    ax.set_ylabel("multiplicity")
    ax.set_title(f"{point.key}: {WORDS.get(point.kind, point.kind)}, loss {point.loss:.8g}")
    if len(lines):
        ax.legend()
    return ax


def overlaps(point: Point, axes: Sequence[Axes] | None = None) -> tuple[Axes, Axes]:
    """``R`` and ``Q`` as heat maps on one symmetric scale, with lines between blocks."""
    if axes is None:
        figure, pair = _pyplot().subplots(1, 2, figsize=(9, 4), layout="constrained")
        left, right = pair
    else:
        left, right = axes
        figure = left.figure
    largest = max(np.abs(point.R).max(initial=0.0), np.abs(point.Q).max(initial=0.0), 1e-300)
    image = None
    for ax, matrix, name, across in (
        (left, point.R, "R, student and teacher", "teacher"),
        (right, point.Q, "Q, students", "student"),
    ):
        image = ax.imshow(matrix, cmap="RdBu", vmin=-largest, vmax=largest)
        ax.set_title(name)
        ax.set_ylabel("student")
        ax.set_xlabel(across)
        for axis, count in ((ax.xaxis, matrix.shape[1]), (ax.yaxis, matrix.shape[0])):
            # Units count from 1, as on the page; at most ten of them are numbered.
            shown = range(0, count, -(-count // 10))
            axis.set_ticks(shown, [str(unit + 1) for unit in shown])
    for edge in _edges([int(each.get("size", 0)) for each in point.structure.students]):
        left.axhline(edge, color="black", linewidth=0.6)
        right.axhline(edge, color="black", linewidth=0.6)
        right.axvline(edge, color="black", linewidth=0.6)
    for edge in _edges(list(point.structure.blocks)):
        left.axvline(edge, color="black", linewidth=0.6)
    figure.colorbar(image, ax=[left, right], shrink=0.8)
    return left, right


def _edges(sizes: list[int]) -> list[float]:
    """Where lines between blocks go: cells are centred on integers."""
    return [float(edge) - 0.5 for edge in np.cumsum(sizes)[:-1]]


def disconnectivity(
    graph: Disconnectivity, groups: Mapping[str, str], ax: Axes | None = None
) -> Axes:
    """Minima at their losses, merging upwards at the lowest saddle that joins them.

    ``groups`` tells the minima's colours by key (``_ladder.group``).
    """
    ax = _axes(ax)
    heights = {leaf.key: leaf.loss for leaf in graph.leaves}
    heights |= {node.key: node.level for node in graph.nodes}
    children = {node.key: node.children for node in graph.nodes}
    lowest = {leaf.key: leaf.loss for leaf in graph.leaves}
    lowest |= {node.key: min(lowest[leaf] for leaf in node.leaves) for node in graph.nodes}
    place = 0

    def draw(key: str) -> float:
        nonlocal place
        if key in children:
            below = sorted(children[key], key=lambda child: (lowest[child], child))
            at = [draw(child) for child in below]
            ax.hlines(heights[key], min(at), max(at), color="black", linewidth=1)
            for child, across in zip(below, at, strict=True):
                ax.vlines(across, heights[child], heights[key], color="black", linewidth=1)
            return sum(at) / len(at)
        here, place = float(place), place + 1
        ax.plot(
            [here],
            [heights[key]],
            "o",
            color=_ladder.COLOURS.get(groups.get(key, ""), OTHER_COLOUR),
        )
        ax.annotate(
            key, (here, heights[key]), xytext=(0, -12), textcoords="offset points",
            ha="center", fontsize="small",
        )  # fmt: skip
        return here

    for root in sorted(graph.roots, key=lambda root: (lowest[root], root)):
        draw(root)
    ax.set_xticks([])
    ax.set_ylabel("population loss")
    ax.margins(x=0.1, y=0.15)
    ax.set_title("disconnectivity of the minima")
    return ax


def losses(
    times: Floats,
    mean: Floats,
    band: tuple[Floats, Floats] | None,
    levels: Mapping[str, float],
    ax: Axes | None = None,
    *,
    linear_until: float | None = None,
    title: str = "",
) -> Axes:
    """Mean loss against time, a band between quantiles, and named levels of the loss.

    ``linear_until``: from this time on the axis is logarithmic.
    """
    ax = _axes(ax)
    if band is not None:
        ax.fill_between(times, *band, color=PALETTE[0], alpha=0.25, linewidth=0)
    ax.plot(times, mean, color=PALETTE[0])
    for name, level in levels.items():
        ax.axhline(level, color=OTHER_COLOUR, linewidth=0.8)
        ax.annotate(
            name, (times[-1], level), xytext=(2, 2), textcoords="offset points", fontsize="small"
        )
    if linear_until is not None:
        ax.set_xscale("symlog", linthresh=linear_until)
    if np.nanmin(mean, initial=np.inf) > 0.0:
        ax.set_yscale("log")
    ax.set_xlabel("time")
    ax.set_ylabel("population loss")
    ax.set_title(title)
    return ax


def shares(
    lines: Mapping[str, Sequence[tuple[float, Attraction]]],
    levels: Mapping[str, float],
    critical: float,
    ax: Axes | None = None,
) -> Axes:
    """Shares with intervals against the learning rate, a line per end; ``levels`` are those of
    gradient flow, dashed, and ``critical`` a learning rate that is marked unless NaN."""
    ax = _axes(ax)
    for name, colour in _with_intervals(ax, lines).items():
        ax.axhline(levels[name], color=colour, linestyle="--", linewidth=0.8)
    if not math.isnan(critical):
        ax.axvline(critical, color=OTHER_COLOUR, linewidth=0.8)
    ax.set_xlabel("learning rate")
    ax.set_ylabel("share of the starts")
    ax.set_title("ends of SGD (dashed: of gradient flow)")
    if lines:
        ax.legend()
    return ax


def kicked(
    lines: Mapping[str, Sequence[tuple[float, Attraction]]], proved: float, ax: Axes | None = None
) -> Axes:
    """Shares with intervals against the size of a kick, logarithmic, a line per end; ``proved`` is
    a size that is marked unless NaN."""
    ax = _axes(ax)
    _with_intervals(ax, lines)
    if not math.isnan(proved):
        ax.axvline(proved, color=OTHER_COLOUR, linewidth=0.8)
    ax.set_xscale("log")
    ax.set_xlabel("size of the kick")
    ax.set_ylabel("share of the kicks")
    ax.set_title("ends of gradient flow after a kick")
    ax.legend()
    return ax


def _with_intervals(
    ax: Axes, lines: Mapping[str, Sequence[tuple[float, Attraction]]]
) -> dict[str, str]:
    """Draw a line per name; the colour that each has."""
    colours = dict(zip(lines, itertools.cycle(PALETTE), strict=False))
    for name, points in lines.items():
        places = [place for place, _ in points]
        share = np.array([one.probability for _, one in points])
        low, high = np.array([one.interval_95 for _, one in points]).T
        apart = np.maximum([share - low, high - share], 0.0)
        ax.errorbar(
            places, share, yerr=apart, marker="o", capsize=3, color=colours[name],
            label=name.partition(":")[0],
        )  # fmt: skip
    return colours
