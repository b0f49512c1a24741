"""The disconnectivity graph: which minima join at which level (Becker and Karplus 1997)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from relu_landscape.errors import InputError


@dataclass(frozen=True)
class Joint:
    """A saddle of index 1 that joins two minima: keys, and the saddle's loss."""

    saddle: str
    loss: float
    minima: tuple[str, str]


@dataclass(frozen=True)
class Leaf:
    """A minimum; stands for all its relabelled copies."""

    key: str
    loss: float


@dataclass(frozen=True)
class Node:
    """Where branches join: at the ``level`` of a saddle; ``leaves`` are all minima below."""

    key: str
    level: float
    saddle: str
    children: tuple[str, ...]
    leaves: tuple[str, ...]


@dataclass(frozen=True)
class JoinedCopies:
    """The lowest saddle that joins copies of one and the same minimum."""

    minimum: str
    saddle: str
    level: float


@dataclass(frozen=True)
class Disconnectivity:
    """``leaves`` by loss, ``nodes`` merging upwards, ``roots``: what no saddle joins further."""

    leaves: tuple[Leaf, ...]
    nodes: tuple[Node, ...]
    roots: tuple[str, ...]
    copies: tuple[JoinedCopies, ...]


def disconnectivity(minima: Mapping[str, float], joints: Iterable[Joint]) -> Disconnectivity:
    """The graph of minima (keys to losses) under these saddles, which are taken by loss.

    Raises ``InputError`` for saddles that join unknown minima or lie below them.
    """
    top = {key: key for key in minima}
    below: dict[str, tuple[str, ...]] = {key: (key,) for key in minima}
    nodes: list[Node] = []
    copies: dict[str, JoinedCopies] = {}
    for joint in sorted(joints, key=lambda item: (item.loss, item.saddle)):
        for key in joint.minima:
            if key not in minima or minima[key] > joint.loss:
                raise InputError(f"The saddle {joint.saddle!r} cannot lead down to {key!r}.")
        left, right = joint.minima
        if left == right:
            copies.setdefault(left, JoinedCopies(left, joint.saddle, joint.loss))
        children = tuple(sorted({top[left], top[right]}))
        if len(children) == 1:
            continue
        name = f"n{len(nodes) + 1}"
        leaves = tuple(sorted(below[children[0]] + below[children[1]]))
        nodes.append(Node(name, joint.loss, joint.saddle, children, leaves))
        below[name] = leaves
        top.update(dict.fromkeys(leaves, name))
    by_loss = sorted(minima, key=lambda key: (minima[key], key))
    return Disconnectivity(
        leaves=tuple(Leaf(key, minima[key]) for key in by_loss),
        nodes=tuple(nodes),
        roots=tuple(sorted(set(top.values()))),
        copies=tuple(copies[key] for key in by_loss if key in copies),
    )
