"""The loss ladder with matplotlib, as the explorer page draws it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from relu_landscape_client.parts import Attraction, Structure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Transform

#: The page's own, light theme. In order of drawing: what comes later lies on top.
COLOURS = {"saddle": "#7a5ba8", "minimum": "#c4631a", "other": "#5f7480", "global": "#14795a"}
NAMES = {
    "global": "global minimum", "minimum": "local minimum", "saddle": "saddle",
    "other": "fixed point",
}  # fmt: skip
#: Distance of the saddles' lane from zero, as a share of the axis.
LANE = 0.1
_TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_LETTER, _LINE = 0.62, 1.35  # width and height of text in units of its size, roughly
_SIZE = 8.0
#: In points: from a mark down to the bar of its interval, and the height of the bar's ends.
_BELOW, _BAR = 3.0, 4.0
#: Steps up and down in which room is sought for a name.
_MOST_STEPS = 40

Box = tuple[float, float, float, float]


class Point(Protocol):
    """What the ladder shows of a fixed point."""

    @property
    def key(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def loss(self) -> float: ...
    @property
    def is_global(self) -> bool: ...
    @property
    def attraction(self) -> Attraction | None: ...
    @property
    def is_certified(self) -> bool: ...
    @property
    def structure(self) -> Structure: ...


def group(point: Point) -> str:
    """Which colour a point has."""
    if point.kind == "saddle":
        return "saddle"
    if point.is_global or point.kind == "global_continuum":
        return "global"
    return "minimum" if point.kind == "minimum" else "other"


def percent(point: Point) -> float:
    """The probability to end there; 0 where no random start was followed."""
    found = math.nan if point.attraction is None else point.attraction.probability
    return 0.0 if math.isnan(found) else 100.0 * found


def radius(point: Point) -> float:
    """Of its mark in points; the area grows with the probability."""
    return 3.0 + 9.0 * math.sqrt(percent(point) / 100.0)


def axis_end(points: Iterable[Point]) -> float:
    """Percent at the end of the axis: 100, or less where every point is rare."""
    highest = [
        percent(point) if point.attraction is None or math.isnan(point.attraction.interval_95[1])
        else 100.0 * point.attraction.interval_95[1]
        for point in points
    ]  # fmt: skip
    most = max(highest, default=0.0)
    return next((end for end in (1.0, 2.0, 5.0, 10.0, 20.0, 50.0) if most <= 0.9 * end), 100.0)


def draw(points: Sequence[Point], ax: Axes, title: str) -> None:
    """Each point at its loss (upwards) and its probability in percent (across).

    Saddles, at which no start ends, have a column of their own at the left; beneath a disc is the
    95% interval of its probability; a tick behind the name says that there is a certificate.
    """
    end = axis_end(points)
    lane = any(point.kind == "saddle" for point in points)
    ax.set_xlim(-end * (LANE + 0.05 if lane else 0.04), 1.06 * end)
    low, high = _losses([point.loss for point in points])
    ax.set_ylim(low, high)
    ticks = [(share * end, f"{share * end:g}") for share in _TICKS]
    ticks += [(-LANE * end, "saddles")] if lane else []
    ax.set_xticks([at for at, _ in ticks], [text for _, text in ticks])
    ax.set_xlabel("probability to end here (%)")
    ax.set_ylabel("population loss")
    ax.set_title(title, pad=24.0)  # the legend stands between
    order = list(COLOURS)
    for point in sorted(points, key=lambda point: (order.index(group(point)), -percent(point))):
        _mark(point, ax, _across(point, end))
    _legend(points, ax)
    # A layout that is still to be made would move the marks, and names are placed by pixels.
    figure = ax.get_figure(root=True)
    if figure is not None:
        figure.draw_without_rendering()
    _names(points, ax, end)


def _losses(losses: Sequence[float]) -> tuple[float, float]:
    """From zero, or from near the lowest loss where all are far above zero."""
    low, high = min(losses, default=0.0), max(losses, default=1.0)
    if low > 0.5 * high > 0.0:
        margin = 0.09 * ((high - low) or high)
        return low - margin, high + margin
    return min(low, 0.0) - 0.09 * (high or 1.0), high + 0.09 * (high or 1.0)


def _across(point: Point, end: float) -> float:
    return -LANE * end if point.kind == "saddle" else percent(point)


def _mark(point: Point, ax: Axes, at: float) -> None:
    colour, size = COLOURS[group(point)], 2.0 * radius(point)
    saddle = point.kind == "saddle"
    ax.plot(
        [at], [point.loss], "D" if saddle else "o", markersize=6.0 if saddle else size,
        color="none" if saddle else colour, markeredgecolor=colour if saddle else "white",
        markeredgewidth=1.5 if saddle else 1.0, zorder=3, gid=point.key,
    )  # fmt: skip
    low, high = _interval(point)
    if not math.isnan(low):
        # Beneath the mark, where neither it nor the name lies on it.
        below = _offset(ax, -radius(point) - _BELOW)
        ax.plot(
            [low, high], [point.loss, point.loss], "|-", color=colour, linewidth=1.0,
            markersize=_BAR, transform=below, zorder=2,
        )  # fmt: skip


def _interval(point: Point) -> tuple[float, float]:
    """The 95% interval in percent; NaN where there is none."""
    if point.attraction is None or math.isnan(point.attraction.probability):
        return math.nan, math.nan
    low, high = point.attraction.interval_95
    return 100.0 * low, 100.0 * high


def _offset(ax: Axes, up: float) -> Transform:
    """Data, moved up by so many points."""
    from matplotlib.transforms import ScaledTranslation

    figure = ax.get_figure(root=True)
    if figure is None:
        return ax.transData
    return ax.transData + ScaledTranslation(0.0, up / 72.0, figure.dpi_scale_trans)


def _names(points: Sequence[Point], ax: Axes, end: float) -> None:
    """Names beside the marks; where there is no room, above or below, with a line to the mark."""
    scale = ax.figure.dpi / 72.0
    places = {
        point.key: ax.transData.transform((_across(point, end), point.loss)) for point in points
    }
    taken = [_around(places[point.key], (radius(point) + 1.0) * scale) for point in points]
    for point in points:
        ends = [ax.transData.transform((at, point.loss))[0] for at in _interval(point)]
        down = places[point.key][1] - (radius(point) + _BELOW) * scale
        if not math.isnan(ends[0]):
            taken.append((ends[0], down - _BAR * scale / 2, ends[1], down + _BAR * scale / 2))
    right = ax.transAxes.transform((1.0, 1.0))[0]
    height = _LINE * _SIZE * scale
    for point in sorted(points, key=lambda point: (point.kind == "saddle", -percent(point))):
        text = f"{point.key}  {point.structure.name}" + ("  ✓" if point.is_certified else "")
        width = _LETTER * _SIZE * scale * len(text)
        x, y = places[point.key]
        beside = (radius(point) + 3.0) * scale
        begin = x + beside if x + beside + width < right else x - beside - width
        step = _free(begin, y, width, height, taken)
        taken.append((begin, y + step - height / 2, begin + width, y + step + height / 2))
        ax.annotate(
            text, (_across(point, end), point.loss), xytext=((begin - x) / scale, step / scale),
            textcoords="offset points", va="center", fontsize=_SIZE, zorder=4,
            arrowprops={"arrowstyle": "-", "linewidth": 0.5, "color": "#8a979f"} if step else None,
        )  # fmt: skip


def _around(at: Any, reach: float) -> Box:
    return (at[0] - reach, at[1] - reach, at[0] + reach, at[1] + reach)


def _free(begin: float, y: float, width: float, height: float, taken: Sequence[Box]) -> float:
    """How far up (or down) a name must move so that it lies on nothing; 0 if nowhere is room."""
    for number in range(_MOST_STEPS):
        step = (number + 1) // 2 * (1 if number % 2 else -1) * height / 2
        box = (begin, y + step - height / 2, begin + width, y + step + height / 2)
        if not any(
            box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]
            for other in taken
        ):
            return step
    return 0.0


def _legend(points: Sequence[Point], ax: Axes) -> None:
    present = {group(point) for point in points}
    handles = [
        ax.plot(
            [], [], "D" if name == "saddle" else "o", label=NAMES[name],
            color="none" if name == "saddle" else colour, markeredgecolor=colour,
        )[0]
        for name, colour in reversed(COLOURS.items())
        if name in present
    ]  # fmt: skip
    if handles:
        # Above the frame, where no point can be.
        ax.legend(
            handles=handles, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=4, frameon=False,
            fontsize="small", handletextpad=0.2, borderaxespad=0.2,
        )  # fmt: skip
