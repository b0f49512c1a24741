"""Plots and the disconnectivity graph, drawn off screen and looked into."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

from relu_landscape_client import Landscape
from relu_landscape_client.disconnectivity import forest
from tests.clients import documents

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _closed_figures() -> Iterator[None]:
    from matplotlib import pyplot

    yield
    pyplot.close("all")


@pytest.fixture
def landscape() -> Landscape:
    return Landscape.from_document(documents.landscape())


def _drawn(axes: Any) -> None:
    axes.figure.canvas.draw()


def test_the_ladder_shows_every_point_at_its_loss(landscape: Landscape) -> None:
    ax: Any = landscape.plot()
    _drawn(ax)
    shown = np.concatenate([each.get_offsets() for each in ax.collections[:2]])
    assert shown.tolist() == [[0.0, 0.8], [0.0125, 0.2], [0.02, 0.0]]
    areas = ax.collections[0].get_sizes()
    assert areas[0] > areas[1]
    assert {text.get_text() for text in ax.texts} == {"m1", "m2", "s1"}


def test_a_certified_point_carries_a_rim() -> None:
    document = documents.landscape()
    document["fixed_points"][1]["certificate"] = {"verdict": "minimum"}
    document["fixed_points"][0]["certificate"] = {"verdict": "not certified", "reason": "why"}
    ax: Any = Landscape.from_document(document).plot()
    rims = ax.collections[0].get_edgecolors()
    assert rims[1].tolist() == [0.0, 0.0, 0.0, 0.8]
    assert rims[0].tolist() != rims[1].tolist()


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
    assert len(left.lines) == 2  # one line between two student blocks, one between teachers


def test_given_axes_are_drawn_into(landscape: Landscape) -> None:
    from matplotlib import pyplot

    axes = pyplot.subplots(1, 4)[1]
    assert landscape.plot(axes[0]) is axes[0]
    assert landscape.plot_spectrum(ax=axes[1]) is axes[1]
    assert landscape.plot_overlaps(axes=axes[2:4]) == tuple(axes[2:4])
    assert landscape.plot_disconnectivity(axes[0]) is axes[0]


def test_an_empty_landscape_draws_what_there_is() -> None:
    landscape = Landscape.from_document(documents.landscape(fixed_points=[], transitions=[]))
    _drawn(landscape.plot())
    _drawn(landscape.plot_disconnectivity())
    with pytest.raises(ValueError, match="no fixed points"):
        landscape.plot_overlaps()


def test_points_without_matrices_say_so() -> None:
    bare = {"key": "m1", "kind": "minimum", "loss": 0.5}
    document = documents.landscape(fixed_points=[bare], transitions=[])
    with pytest.raises(ValueError, match="without overlap"):
        Landscape.from_document(document).plot_overlaps()


def _landscape(minima: dict[str, float], passes: list[tuple[str, float, str, str]]) -> Landscape:
    points = [documents.fixed_point(key, "minimum", loss, 1) for key, loss in minima.items()]
    points += [documents.fixed_point(key, "saddle", loss, None) for key, loss, _, _ in passes]
    transitions = [
        {"saddle": key, "minima": [a, b], "barriers": [loss - minima[a], loss - minima[b]]}
        for key, loss, a, b in passes
    ]
    return Landscape.from_document(
        documents.landscape(fixed_points=points, transitions=transitions)
    )


def _connected(landscape: Landscape, level: float) -> set[frozenset[str]]:
    """Groups of minima at a loss by plain flood fill: the definition, not the algorithm."""
    losses = {point.key: point.loss for point in landscape.fixed_points}
    links = [each.minima for each in landscape.transitions if losses[each.saddle] <= level]
    groups = []
    left = {point.key for point in landscape.minima}
    while left:
        group = {left.pop()}
        while more := {b for a, b in links + [(b, a) for a, b in links] if a in group} - group:
            group |= more
        left -= group
        groups.append(frozenset(group))
    return set(groups)


@pytest.mark.parametrize("seed", range(10))
def test_the_forest_agrees_with_flood_fill_at_every_level(seed: int) -> None:
    generator = np.random.default_rng(seed)
    minima = {f"m{i}": float(i) / 100 for i in range(7)}
    passes = []
    for i in range(generator.integers(0, 9)):
        a, b = (f"m{k}" for k in generator.integers(0, 7, size=2))
        passes.append((f"s{i}", float(generator.uniform(0.1, 1.0)), a, b))
    landscape = _landscape(minima, passes)

    def groups(level: float) -> set[frozenset[str]]:
        found, nodes = set(), list(forest(landscape))
        while nodes:
            node = nodes.pop()
            if node.children and node.loss > level:
                nodes.extend(node.children)
            else:
                found.add(frozenset(leaf.key for leaf in node.leaves))
        return found

    for level in [0.05, *(loss for _, loss, _, _ in passes), 2.0]:
        assert groups(level) == _connected(landscape, level)


def test_a_saddle_between_copies_of_one_minimum_merges_nothing() -> None:
    landscape = _landscape({"m1": 0.0, "m2": 0.1}, [("s1", 0.2, "m1", "m1")])
    assert [tree.key for tree in forest(landscape)] == ["m1", "m2"]


def test_the_graph_is_drawn_at_its_levels() -> None:
    landscape = _landscape(
        {"m1": 0.0, "m2": 0.1, "m3": 0.05}, [("s1", 0.2, "m1", "m2"), ("s2", 0.3, "m2", "m3")]
    )
    ax: Any = landscape.plot_disconnectivity()
    _drawn(ax)
    levels = {
        round(float(segment[0][1]), 12)
        for each in ax.collections
        for segment in each.get_segments()
        if segment[0][1] == segment[1][1]
    }
    assert levels == {0.2, 0.3}
    assert {text.get_text() for text in ax.texts} == {"m1", "m2", "m3"}
