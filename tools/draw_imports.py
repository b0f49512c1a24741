"""The drawing of docs/architecture.md: which room imports which, in Graphviz's language.

    python tools/draw_imports.py | dot -Tsvg -o docs/images/imports.svg     (make drawing)

Grimp reads the imports (those inside functions and under TYPE_CHECKING as well). An arrow that
follows from others is left out; dashed is what the registry names with a dotted name.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Set

import grimp

from relu_landscape.analyses import ANALYSES

PACKAGES = ("relu_landscape", "relu_landscape_api", "relu_landscape_cli", "relu_landscape_client")
#: Packages that are drawn as a frame around the rooms inside.
FRAMES = ("relu_landscape.jobs", "relu_landscape.engine")

Edges = Set[tuple[str, str]]


def room_of(module: str) -> str | None:
    """The room that a module lies in; None for a package's own ``__init__``."""
    if not module.startswith("relu_landscape."):
        return module.partition(".")[0] if module != "relu_landscape" else None
    parts = module.split(".")
    depth = 3 if ".".join(parts[:2]) in FRAMES else 2
    return ".".join(parts[:depth]) if len(parts) >= depth else None


def rooms_and_imports() -> tuple[set[str], set[tuple[str, str]]]:
    """Every room, and every pair of rooms of which the first imports the second."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    rooms = {room for module in graph.modules if (room := room_of(module))}
    pairs = {
        (room_of(module), room_of(other))
        for module in graph.modules
        for other in graph.find_modules_directly_imported_by(module)
    }
    return rooms, {(a, b) for a, b in pairs if a and b and a != b}


def by_name() -> set[tuple[str, str]]:
    """What the registry names with dotted names."""
    names = [each.composition for each in ANALYSES.analyses]
    names += [each.function for each in ANALYSES.calls]
    rooms = {room_of(name.partition(":")[0]) for name in names}
    return {("relu_landscape.analyses", room) for room in rooms if room}


def essential(edges: Edges) -> set[tuple[str, str]]:
    """The edges that do not follow from others; a graph without circles has one such set."""
    after: dict[str, set[str]] = {}
    for a, b in edges:
        after.setdefault(a, set()).add(b)

    def below(room: str, found: set[str]) -> set[str]:
        for other in after.get(room, set()) - found:
            found.add(other)
            below(other, found)
        return found

    return {(a, b) for a, b in edges if not any(b in below(c, set()) for c in after[a] if c != b)}


def label(room: str) -> str:
    """A room's name below its frame, or without our prefix."""
    return room.rpartition(".")[2] if "." in room else room


def draw(rooms: Set[str], edges: Edges, dashed: Edges) -> str:
    """The graph in Graphviz's language."""
    lines = [
        "digraph imports {",
        '  graph [rankdir=TB, fontname="Helvetica", nodesep=0.3, ranksep=0.45, bgcolor="white"]',
        '  node [shape=box, style="rounded,filled", fillcolor="#eef3f8", color="#4a6785",'
        ' fontname="Helvetica", fontsize=12]',
        '  edge [color="#4a6785", arrowsize=0.7]',
    ]
    frames: Mapping[str, list[str]] = {
        frame: sorted(room for room in rooms if room.startswith(f"{frame}.")) for frame in FRAMES
    }
    for frame, inside in frames.items():
        lines.append(f'  subgraph "cluster {frame}" {{ label="{frame}" color="#9ab0c6"')
        lines += [f'    "{room}" [label="{label(room)}"]' for room in inside]
        lines.append("  }")
    alone = sorted(rooms - {room for inside in frames.values() for room in inside})
    lines += [f'  "{room}" [label="{label(room)}"]' for room in alone]
    lines += [f'  "{a}" -> "{b}"' for a, b in sorted(edges)]
    lines += [f'  "{a}" -> "{b}" [style=dashed]' for a, b in sorted(dashed)]
    return "\n".join([*lines, "}"])


if __name__ == "__main__":
    every_room, imports = rooms_and_imports()
    sys.stdout.write(draw(every_room, essential(imports), by_name()) + "\n")
