"""The disconnectivity graph: which minima join at which level (Becker and Karplus 1997)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from relu_landscape.errors import InputError
from relu_landscape.wire.landscape import Disconnectivity, JoinedCopies, Leaf, Node, Pathway


def disconnectivity(
    minima: Mapping[str, float], saddles: Mapping[str, float], pathways: Iterable[Pathway]
) -> Disconnectivity:
    """The graph of minima under the saddles between them, which are taken by loss.

    ``minima`` and ``saddles`` map keys to losses; minima stand for all their relabelled copies.
    Raises ``InputError`` for pathways that lead to unknown minima, or up to them.
    """
    top = {key: key for key in minima}
    below: dict[str, list[str]] = {key: [key] for key in minima}
    nodes: list[Node] = []
    copies: dict[str, JoinedCopies] = {}
    for pathway in sorted(pathways, key=lambda item: (saddles[item.saddle], item.saddle)):
        level = saddles[pathway.saddle]
        for key in pathway.minima:
            if key not in minima or minima[key] > level:
                raise InputError(f"The saddle {pathway.saddle!r} cannot lead down to {key!r}.")
        left, right = pathway.minima
        # A continuum is one set, whose members nothing has to join.
        if left == right and pathway.relation != "same continuum":
            joined = JoinedCopies(minimum=left, saddle=pathway.saddle, level=level)
            copies.setdefault(left, joined)
        children = sorted({top[left], top[right]})
        if len(children) == 1:
            continue
        name = f"n{len(nodes) + 1}"
        leaves = sorted(below[children[0]] + below[children[1]])
        nodes.append(
            Node(key=name, level=level, saddle=pathway.saddle, children=children, leaves=leaves)
        )
        below[name] = leaves
        top.update(dict.fromkeys(leaves, name))
    by_loss = sorted(minima, key=lambda key: (minima[key], key))
    return Disconnectivity(
        leaves=[Leaf(key=key, loss=minima[key]) for key in by_loss],
        nodes=nodes,
        roots=sorted(set(top.values())),
        copies=[copies[key] for key in by_loss if key in copies],
    )
