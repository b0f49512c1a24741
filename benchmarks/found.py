"""What the structured search finds, width by width: kept as a list, or compared with one kept.

    python -m benchmarks.found [--widths 7,7 18,17] [--arrays] > lists.json
    python -m benchmarks.found --compare before.json after.json

For whoever changes the search: a point of index 0, 1 or 2 that is in the first list and not in the
second is printed as lost, one of the second alone as new. Points are one here if loss and both
indices agree. CPU seconds of each pair of widths go to standard error.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from relu_landscape.engine.families.reduced import loss_accuracy
from relu_landscape.engine.families.search import search
from relu_landscape.engine.families.structures import default_structures
from relu_landscape.engine.lanes.native import load

NEAR = [(K, M) for K in range(2, 13) for M in range(2, 13) if abs(K - M) <= 2]
WIDE = [(17, 17), (18, 17), (12, 17), (20, 10), (40, 40)]
#: Loss, index in the teacher's span, index perpendicular to it.
Listed = tuple[float, int, int]
Lists = dict[str, dict[str, list[Listed]]]


def found(widths: list[tuple[int, int]], *, arrays: bool) -> Lists:
    """Points of each structure of each pair of widths."""
    kernel = None if arrays else load()
    lists: Lists = {}
    for students, teachers in widths:
        began = time.process_time()
        lists[f"{students} {teachers}"] = {
            structure.name: [
                (point.loss, point.index_span, point.summary.index_perpendicular)
                for point in search(structure, kernel=kernel).points
            ]
            for structure in default_structures(students, teachers)
        }
        spent = time.process_time() - began
        print(f"{students} {teachers}: {spent:.2f} CPU s", file=sys.stderr, flush=True)
    return lists


def alone(first: Lists, second: Lists) -> list[tuple[str, str, Listed]]:
    """Widths, structure and point of what only the first list has, at widths that both have."""
    return [
        (widths, name, point)
        for widths in first.keys() & second.keys()
        for name, points in first[widths].items()
        for point in points
        if not any(_are_one(point, other) for other in second[widths].get(name, []))
    ]


def _are_one(point: Listed, other: Listed) -> bool:
    close = abs(point[0] - other[0]) <= 2 * loss_accuracy(point[0])
    return close and list(point[1:]) == list(other[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--widths", nargs="*", help="pairs K,M")
    parser.add_argument("--arrays", action="store_true", help="without the native kernel")
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("BEFORE", "AFTER"))
    asked = parser.parse_args()
    if not asked.compare:
        widths = [(int(K), int(M)) for K, M in (pair.split(",") for pair in asked.widths or [])]
        print(json.dumps(found(widths or NEAR + WIDE, arrays=asked.arrays)))
        return
    before, after = (json.loads(path.read_text()) for path in asked.compare)
    for word, points in (("lost", alone(before, after)), ("new", alone(after, before))):
        for where, name, point in points:
            print(f"{word}: {where}, {name}, loss {point[0]!r}, indices {point[1:]}")
        print(f"{len(points)} {word}")


if __name__ == "__main__":
    main()
