"""The disconnectivity graph, as the server made it: which minima merge at which loss.

Two minima are connected at a loss if some chain of known saddles at or below it leads from one to
the other. Going up, minima merge into ever larger groups: trees, drawn with loss upwards
(Becker and Karplus, J. Chem. Phys. 106, 1495 (1997)). It speaks of the saddles that are listed;
lower ones that nobody found would join minima earlier.
"""

from __future__ import annotations

from dataclasses import dataclass

from relu_landscape_client._decode import Document, each, number, required


@dataclass(frozen=True)
class Leaf:
    """A minimum at its loss; stands for all its relabelled copies."""

    key: str
    loss: float

    @classmethod
    def from_document(cls, document: Document) -> Leaf:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(str(required(document, "key")), number(required(document, "loss")))


@dataclass(frozen=True)
class Node:
    """Where branches join: at ``level``, the loss of ``saddle``.

    ``children`` are keys of nodes or minima, ``leaves`` those of all minima below.
    """

    key: str
    level: float
    saddle: str
    children: tuple[str, ...]
    leaves: tuple[str, ...]

    @classmethod
    def from_document(cls, document: Document) -> Node:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(
            key=str(required(document, "key")),
            level=number(required(document, "level")),
            saddle=str(required(document, "saddle")),
            children=each(required(document, "children"), str),
            leaves=each(required(document, "leaves"), str),
        )


@dataclass(frozen=True)
class JoinedCopies:
    """The lowest saddle known that joins copies of one and the same minimum."""

    minimum: str
    saddle: str
    level: float

    @classmethod
    def from_document(cls, document: Document) -> JoinedCopies:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(
            minimum=str(required(document, "minimum")),
            saddle=str(required(document, "saddle")),
            level=number(required(document, "level")),
        )


@dataclass(frozen=True)
class Disconnectivity:
    """The graph: ``leaves`` by loss, ``nodes`` from below, ``roots`` what nothing joins further.

    Several roots: no listed saddle joins their minima.
    """

    leaves: tuple[Leaf, ...]
    nodes: tuple[Node, ...]
    roots: tuple[str, ...]
    copies: tuple[JoinedCopies, ...]

    @classmethod
    def from_document(cls, document: Document) -> Disconnectivity:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(
            leaves=each(required(document, "leaves"), Leaf.from_document),
            nodes=each(required(document, "nodes"), Node.from_document),
            roots=each(required(document, "roots"), str),
            copies=each(required(document, "copies"), JoinedCopies.from_document),
        )
