"""Minima joined by saddles, merged by level."""

from __future__ import annotations

import pytest

from relu_landscape.engine.landscape.disconnectivity import disconnectivity
from relu_landscape.errors import InputError
from relu_landscape.wire.landscape import Disconnectivity, JoinedCopies, Pathway


def _pathway(saddle: str, left: str, right: str) -> Pathway:
    relation = "relabelled" if left == right else "different"
    return Pathway.model_validate(
        {"saddle": saddle, "minima": (left, right), "relation": relation, "barriers": (1.0, 1.0)}
    )


def test_minima_merge_at_the_lowest_saddles() -> None:
    minima = {"m1": 0.0, "m2": 0.02, "m3": 0.03, "m4": 0.05}
    saddles = {"s1": 0.04, "s2": 0.045, "s3": 0.06, "s4": 0.08, "s5": 0.09}
    graph = disconnectivity(
        minima,
        saddles,
        [
            _pathway("s3", "m1", "m2"),
            _pathway("s1", "m2", "m3"),
            _pathway("s2", "m3", "m1"),
            _pathway("s5", "m1", "m1"),
            _pathway("s4", "m1", "m1"),
        ],
    )
    assert [leaf.key for leaf in graph.leaves] == ["m1", "m2", "m3", "m4"]
    assert [(n.level, n.saddle, n.children) for n in graph.nodes] == [
        (0.04, "s1", ["m2", "m3"]),
        (0.045, "s2", ["m1", "n1"]),
    ]
    assert graph.nodes[1].leaves == ["m1", "m2", "m3"]
    assert graph.roots == ["m4", "n2"]
    assert graph.copies == [JoinedCopies(minimum="m1", saddle="s4", level=0.08)]


@pytest.mark.parametrize(("level", "ends"), [(0.01, ("m1", "m2")), (0.9, ("m1", "m9"))])
def test_saddles_below_their_minima_are_refused(level: float, ends: tuple[str, str]) -> None:
    with pytest.raises(InputError, match="cannot lead down"):
        disconnectivity({"m1": 0.0, "m2": 0.02}, {"s1": level}, [_pathway("s1", *ends)])


def test_no_minima_make_an_empty_graph() -> None:
    empty = Disconnectivity(leaves=[], nodes=[], roots=[], copies=[])
    assert disconnectivity({}, {}, []) == empty


def test_a_continuum_has_no_copies_to_join() -> None:
    """A pathway with both ends on the global minima once listed them as copies of each other."""
    both = Pathway(saddle="s1", minima=("g1", "g1"), relation="same continuum", barriers=(0.1, 0.1))
    graph = disconnectivity({"g1": 0.0}, {"s1": 0.1}, [both])
    assert graph.copies == []
    assert graph.roots == ["g1"]
