"""The disconnectivity graph: which minima merge at which loss.

Two minima are connected at a loss if some chain of known saddles at or below it leads from one to
the other. Going up, minima merge into ever larger groups: a tree, drawn with loss upwards
(Becker and Karplus, J. Chem. Phys. 106, 1495 (1997)). It speaks of the saddles that are listed;
lower ones that nobody found would join minima earlier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from relu_landscape_client.results import Landscape


@dataclass(frozen=True)
class Node:
    """A leaf (a minimum at its loss, without children) or a merger at a saddle's loss."""

    loss: float
    key: str
    children: tuple[Node, ...] = ()

    @property
    def leaves(self) -> tuple[Node, ...]:
        """The minima below, left to right."""
        if not self.children:
            return (self,)
        return tuple(leaf for child in self.children for leaf in child.leaves)


def forest(landscape: Landscape) -> tuple[Node, ...]:
    """The trees of a landscape, the one with the lowest minimum first.

    Several trees: no listed saddle joins their minima. Where several saddles join the same two
    groups the lowest counts; a saddle that joins a group with itself merges nothing.
    """
    group = {point.key: Node(point.loss, point.key) for point in landscape.minima}
    for loss, saddle, ends in _passes(landscape):
        first, second = group[ends[0]], group[ends[1]]
        if first is second:
            continue
        merged = Node(loss, saddle, tuple(sorted((first, second), key=_lowest)))
        for leaf in merged.leaves:
            group[leaf.key] = merged
    trees = {id(tree): tree for tree in group.values()}
    return tuple(sorted(trees.values(), key=_lowest))


def _passes(landscape: Landscape) -> Sequence[tuple[float, str, tuple[str, str]]]:
    """Saddles that join two listed minima, lowest first."""
    losses = {point.key: point.loss for point in landscape.fixed_points}
    minima = {point.key for point in landscape.minima}
    return sorted(
        (losses[each.saddle], each.saddle, each.minima)
        for each in landscape.transitions
        if each.saddle in losses and minima.issuperset(each.minima)
    )


def _lowest(node: Node) -> tuple[float, str]:
    return min((leaf.loss, leaf.key) for leaf in node.leaves)
