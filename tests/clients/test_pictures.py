"""Plots, drawn off screen and looked into."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib.text import Text

from relu_landscape_client import Landscape, _ladder
from tests.clients.samples import document, fixed_point, graph
from tests.house.repository import ROOT

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _closed_figures() -> Iterator[None]:
    from matplotlib import pyplot

    yield
    pyplot.close("all")


@pytest.fixture
def landscape() -> Landscape:
    return Landscape.from_document(document())


def _drawn(axes: Any) -> None:
    axes.figure.canvas.draw()


def _marks(ax: Any) -> dict[str, Any]:
    return {line.get_gid(): line for line in ax.lines if line.get_gid() is not None}


def _boxes(ax: Any) -> list[Any]:
    """What names cover, in pixels, measured and not estimated."""
    renderer = ax.figure.canvas.get_renderer()
    # Of the text alone: an annotation's own extent has its line to the mark in it.
    return [Text.get_window_extent(text, renderer) for text in ax.texts]


def test_the_ladder_shows_every_point_at_its_loss(landscape: Landscape) -> None:
    """As the page: loss upwards, percent across, saddles in a column of their own at the left."""
    ax: Any = landscape.plot()
    _drawn(ax)
    marks = _marks(ax)
    at = {
        key: [float(mark.get_xdata()[0]), float(mark.get_ydata()[0])] for key, mark in marks.items()
    }
    assert at == {"m1": [80.0, 0.0], "m2": [20.0, 0.0125], "s1": [-10.0, 0.02]}
    assert marks["m1"].get_markersize() > marks["m2"].get_markersize()
    colours = {key: mark.get_markeredgecolor() for key, mark in marks.items()}
    assert colours["s1"] == "#7a5ba8"
    assert marks["m1"].get_color() == "#14795a"  # global
    assert marks["m2"].get_color() == "#c4631a"
    assert {text.get_text().split()[0] for text in ax.texts} == {"m1", "m2", "s1"}
    assert ax.get_xticklabels()[-1].get_text() == "saddles"
    assert {each.get_text() for each in ax.get_legend().get_texts()} == {
        "global minimum", "local minimum", "saddle",
    }  # fmt: skip


def test_the_colours_are_the_page_s() -> None:
    """Both light themes, from the page's own style sheet."""
    css = (ROOT / "api/relu_landscape_api/explorer/css/base.css").read_text()
    for name in ("global", "minimum", "saddle"):
        assert f"--{name}: {_ladder.COLOURS[name]};" in css


def test_a_certified_point_has_a_tick() -> None:
    whole = document()
    whole["fixed_points"][1]["certificate"] = {"verdict": "minimum"}
    whole["fixed_points"][0]["certificate"] = {"verdict": "not certified", "reason": "why"}
    ax: Any = Landscape.from_document(whole).plot()
    ticked = {text.get_text().split()[0]: "✓" in text.get_text() for text in ax.texts}
    assert ticked == {"m1": False, "m2": True, "s1": False}


def test_names_lie_on_nothing() -> None:
    """Twelve saddles within a hundredth of each other, and minima as near."""
    points = [fixed_point(f"m{n}", 0.02 + 1e-4 * n, 0) for n in range(6)]
    points += [fixed_point(f"s{n}", 0.02 + 1e-4 * n) for n in range(12)]
    whole = document(fixed_points=points, pathways=[], disconnectivity=None)
    ax: Any = Landscape.from_document(whole).plot()
    _drawn(ax)
    boxes = _boxes(ax)
    assert len(boxes) == 18
    for one, other in itertools.combinations(boxes, 2):
        assert not one.overlaps(other)


def test_the_spectrum_shows_multiplicities(landscape: Landscape) -> None:
    ax: Any = landscape.plot_spectrum("m2")
    _drawn(ax)
    tops = [segment[1].tolist() for each in ax.collections for segment in each.get_segments()]
    assert [0.125, 1.0] in tops
    assert [0.5, 3.0] in tops
    assert [0.25, 98765432109876543210.0] in tops


def test_overlaps_show_both_matrices_with_block_lines(landscape: Landscape) -> None:
    axes: tuple[Any, Any] = landscape.plot_overlaps("m2")
    left, right = axes
    _drawn(left)
    point = landscape.fixed_points["m2"]
    assert left.images[0].get_array().tolist() == point.R.tolist()
    assert right.images[0].get_array().tolist() == point.Q.tolist()
    assert left.images[0].get_clim() == right.images[0].get_clim()
    for axis in (left.xaxis, left.yaxis, right.xaxis):
        assert [label.get_text() for label in axis.get_ticklabels()] == ["1", "2"]
    assert len(left.lines) == 2  # one line between two student blocks, one between teachers


def test_given_axes_are_drawn_into(landscape: Landscape) -> None:
    from matplotlib import pyplot

    axes = pyplot.subplots(1, 4)[1]
    assert landscape.plot(axes[0]) is axes[0]
    assert landscape.plot_spectrum(ax=axes[1]) is axes[1]
    assert landscape.plot_overlaps(axes=axes[2:4]) == tuple(axes[2:4])
    assert landscape.plot_disconnectivity(axes[0]) is axes[0]


def test_an_empty_landscape_draws_what_there_is() -> None:
    landscape = Landscape.from_document(
        document(fixed_points=[], pathways=[], disconnectivity=graph({}, []))
    )
    _drawn(landscape.plot())
    _drawn(landscape.plot_disconnectivity())
    with pytest.raises(ValueError, match="no fixed points"):
        landscape.plot_overlaps()


def test_a_landscape_without_saddles_says_so() -> None:
    landscape = Landscape.from_document(document(pathways=[], disconnectivity=None))
    with pytest.raises(ValueError, match=r"without saddles.*saddles=True"):
        landscape.plot_disconnectivity()


def _landscape(minima: dict[str, float], merges: list[tuple[str, float, str, str]]) -> Landscape:
    points = [fixed_point(key, loss, 1) for key, loss in minima.items()]
    points += [fixed_point(saddle, level) for saddle, level, _, _ in merges]
    return Landscape.from_document(
        document(fixed_points=points, pathways=[], disconnectivity=graph(minima, merges))
    )


def _lines(ax: Any, along: int) -> set[tuple[float, ...]]:
    """Horizontal (0) or vertical (1) lines: where they stand, from where to where."""
    segments = [segment for each in ax.collections for segment in each.get_segments()]
    return {
        tuple(
            round(float(at), 12) for at in (start[1 - along], *sorted((start[along], end[along])))
        )
        for start, end in segments
        if start[1 - along] == end[1 - along]
    }


def test_the_graph_is_drawn_at_its_levels() -> None:
    landscape = _landscape(
        {"m1": 0.0, "m3": 0.05, "m2": 0.1}, [("s1", 0.2, "m1", "m2"), ("s2", 0.3, "n1", "m3")]
    )
    ax: Any = landscape.plot_disconnectivity()
    _drawn(ax)
    # From left to right m1, m2, m3: those that join first stand side by side.
    assert {text.get_text(): text.xy[0] for text in ax.texts} == {"m1": 0.0, "m2": 1.0, "m3": 2.0}
    assert _lines(ax, along=0) == {(0.2, 0.0, 1.0), (0.3, 0.5, 2.0)}
    assert _lines(ax, along=1) == {
        (0.0, 0.0, 0.2), (1.0, 0.1, 0.2), (0.5, 0.2, 0.3), (2.0, 0.05, 0.3),
    }  # fmt: skip


def test_trees_that_nothing_joins_stand_side_by_side_the_lowest_first() -> None:
    landscape = _landscape({"m1": 0.0, "m2": 0.1, "m3": 0.15, "m4": 0.2}, [("s1", 0.3, "m2", "m4")])
    ax: Any = landscape.plot_disconnectivity()
    _drawn(ax)
    assert [text.get_text() for text in ax.texts] == ["m1", "m2", "m4", "m3"]
    assert _lines(ax, along=0) == {(0.3, 1.0, 2.0)}
