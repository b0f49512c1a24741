"""igraph by its extension module: the same answers, and nothing else is imported."""

from __future__ import annotations

import subprocess
import sys
from importlib.machinery import PathFinder
from typing import Any

import igraph
import numpy as np
import pytest

from relu_landscape.engine.points import graphs

#: The symmetry of a point, in a process of its own.
ALONE = """
import sys
import numpy as np
from relu_landscape.engine.points.symmetry import analyse
print(analyse(np.eye(3) + 0.1, np.ones(3), np.ones(3)).automorphisms)
drawing = {"matplotlib", "PIL", "texttable"}
print(*sorted({name.partition(".")[0] for name in sys.modules} & drawing))
import igraph
print(igraph.Graph(n=2, edges=[(0, 1)]).count_automorphisms())
"""


def test_no_drawing_comes_with_it() -> None:
    """matplotlib is installed here; importing it took a second of a service's first job."""
    assert PathFinder.find_spec("matplotlib") is not None
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", ALONE], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["6", "", "2"], "and the whole of it can be had afterwards"


@pytest.mark.parametrize("seed", range(5))
def test_answers_are_those_of_igraph(seed: int) -> None:
    rng = np.random.default_rng(seed)
    edges = np.argwhere(np.triu(rng.integers(0, 2, (9, 9)), 1)).tolist()
    colours = rng.integers(0, 2, 9).tolist()
    ours: Any = graphs.graph_type()(n=9, edges=edges)
    whole = igraph.Graph(n=9, edges=edges)
    for name in ("canonical_permutation", "automorphism_group", "count_automorphisms"):
        assert getattr(ours, name)(color=colours) == getattr(whole, name)(color=colours)


def test_without_the_extension_by_itself_it_is_all_of_igraph(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, graphs.EXTENSION)
    monkeypatch.setattr(graphs, "find_spec", lambda _name: None)
    assert graphs.graph_type.__wrapped__() is igraph.Graph
