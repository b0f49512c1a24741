"""Minima joined by saddles, merged by level."""

from __future__ import annotations

import pytest

from relu_landscape.engine.points.disconnectivity import (
    Disconnectivity,
    JoinedCopies,
    Joint,
    disconnectivity,
)
from relu_landscape.errors import InputError


def test_minima_merge_at_the_lowest_saddles() -> None:
    minima = {"m1": 0.0, "m2": 0.02, "m3": 0.03, "m4": 0.05}
    graph = disconnectivity(
        minima,
        [
            Joint("s3", 0.06, ("m1", "m2")),
            Joint("s1", 0.04, ("m2", "m3")),
            Joint("s2", 0.045, ("m3", "m1")),
            Joint("s5", 0.09, ("m1", "m1")),
            Joint("s4", 0.08, ("m1", "m1")),
        ],
    )
    assert [leaf.key for leaf in graph.leaves] == ["m1", "m2", "m3", "m4"]
    assert [(n.level, n.saddle, n.children) for n in graph.nodes] == [
        (0.04, "s1", ("m2", "m3")),
        (0.045, "s2", ("m1", "n1")),
    ]
    assert graph.nodes[1].leaves == ("m1", "m2", "m3")
    assert graph.roots == ("m4", "n2")
    assert graph.copies == (JoinedCopies("m1", "s4", 0.08),)


@pytest.mark.parametrize("joint", [Joint("s1", 0.01, ("m1", "m2")), Joint("s1", 0.9, ("m1", "m9"))])
def test_saddles_below_their_minima_are_refused(joint: Joint) -> None:
    with pytest.raises(InputError, match="cannot lead down"):
        disconnectivity({"m1": 0.0, "m2": 0.02}, [joint])


def test_no_minima_make_an_empty_graph() -> None:
    assert disconnectivity({}, []) == Disconnectivity((), (), (), ())
