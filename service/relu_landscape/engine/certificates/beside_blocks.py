"""What a reduced certificate's blocks imply beside it, in the answer about a family."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from relu_landscape.engine.certificates.document import read_number, read_object
from relu_landscape.engine.certificates.reading import read_integer, read_list, read_numbers
from relu_landscape.engine.certificates.stored import Stored, StoredBlocks
from relu_landscape.errors import InputError

#: A family's doubles are those of a point that the certificate refines by Newton's method; in the
#: unknowns, which grow like the root of the width, their last digits differ.
COPY = 1e-11


class _Beside(Protocol):
    @property
    def stored(self) -> Stored: ...


def _point(beside: _Beside) -> StoredBlocks:
    blocks = beside.stored.blocks
    if blocks is None:
        raise TypeError("these checks are for certificates of blocks")
    return blocks


def _same(value: float, wanted: float) -> bool:
    return abs(value - wanted) <= COPY * max(1.0, abs(wanted))


def _norm(point: StoredBlocks, s: int) -> float:
    _, t, natural = point.students[s]
    own = float(point.y[s]) ** 2 * (1 - 1 / point.teachers[t]) if natural and t is not None else 0.0
    return math.sqrt(float(point.x[s] @ point.x[s]) + own)


def _unknowns(value: object, beside: _Beside) -> bool:
    """x by student block and teacher block, then y of the natural blocks."""
    point = _point(beside)
    numbers = read_numbers(value, "the family's unknowns")
    y = [float(y) for y, (_, _, natural) in zip(point.y, point.students, strict=True) if natural]
    wanted = [*point.x.ravel().tolist(), *y]
    return len(numbers) == len(wanted) and all(map(_same, numbers, wanted))


def _teacher_blocks(value: object, beside: _Beside) -> bool:
    name = "the family's teacher_blocks"
    blocks = [read_object(block, name) for block in read_list(value, name)]
    sizes = [read_integer(block.get("size"), name) for block in blocks]
    return sizes == list(_point(beside).teachers)


def _student_blocks(value: object, beside: _Beside) -> bool:
    point, name = _point(beside), "the family's student_blocks"
    blocks = [read_object(block, name) for block in read_list(value, name)]
    if len(blocks) != len(point.students):
        return False
    for s, (block, (size, t, _)) in enumerate(zip(blocks, point.students, strict=True)):
        if read_integer(block.get("size"), name) != size or block.get("teacher_block") != t:
            return False
        if not _same(read_number(block.get("norm"), name), _norm(point, s)):
            return False
    return True


def _entries(
    value: object, name: str, shape: tuple[int, int]
) -> Iterator[tuple[int, int, Mapping[str, Any]]]:
    rows = [read_list(row, name) for row in read_list(value, name)]
    if len(rows) != shape[0] or any(len(row) != shape[1] for row in rows):
        raise InputError(f"{name} is not a table of {shape[0]} rows and {shape[1]} columns.")
    for i, row in enumerate(rows):
        for j, entry in enumerate(row):
            yield i, j, read_object(entry, name)


def _agrees(entry: Mapping[str, Any], name: str, same: float, other: float | None) -> bool:
    """Whether an entry is ``same`` for equal labels and ``other`` for unequal ones.

    ``other`` None: all pairs of the two blocks have one overlap, which stands in either place.
    """
    stated = [None if entry.get(k) is None else read_number(entry[k], name)
              for k in ("same", "other")]  # fmt: skip
    if other is None:
        given = [number for number in stated if number is not None]
        return bool(given) and all(_same(number, same) for number in given)
    wanted = (same, other)
    return all(
        number is not None and _same(number, right)
        for number, right in zip(stated, wanted, strict=True)
    )


def _R(value: object, beside: _Beside) -> bool:
    point, name = _point(beside), "the family's overlaps.R"
    for s, t, entry in _entries(value, name, point.x.shape):
        p = point.teachers[t]
        _, own, natural = point.students[s]
        common, y = float(point.x[s, t]) / math.sqrt(p), float(point.y[s])
        mixed = natural and own == t
        right = (common + y * (1 - 1 / p), common - y / p) if mixed else (common, None)
        if not _agrees(entry, name, *right):
            return False
    return True


def _Q(value: object, beside: _Beside) -> bool:
    point, name = _point(beside), "the family's overlaps.Q"
    n = len(point.students)
    for s, v, entry in _entries(value, name, (n, n)):
        common = float(point.x[s] @ point.x[v])
        mixing = float(point.y[s] * point.y[v])
        own = point.students[s][1]
        right: tuple[float, float | None] = (common, None)
        if own is not None and own == point.students[v][1] and mixing != 0:
            p = point.teachers[own]
            right = (common + mixing * (1 - 1 / p), common - mixing / p)
        if not _agrees(entry, name, *right):
            return False
    return True


def _anti_aligned(value: object, beside: _Beside) -> bool | None:
    """Students whose overlap with the teacher they are matched to is negative.

    Natural students are matched to the teacher of their label, and a single student to a single
    teacher; ``None`` where there are several to choose from. Without single teachers, single
    students are matched to none.
    """
    point = _point(beside)
    singles = [s for s, (_, _, natural) in enumerate(point.students) if not natural]
    alone = [t for t, size in enumerate(point.teachers) if size == 1]
    if alone and singles and (len(alone), len(singles)) != (1, 1):
        return None
    count = 0
    for s, (size, t, natural) in enumerate(point.students):
        if natural and t is not None:
            count += size * (_own_overlap(point, s, t) < 0)
        elif alone:
            count += float(point.x[s, alone[0]]) < 0
    return read_integer(value, "the family's anti_aligned") == count


def _own_overlap(point: StoredBlocks, s: int, t: int) -> float:
    """Overlap of a natural student with the teacher of its label."""
    p = point.teachers[t]
    return float(point.x[s, t]) / math.sqrt(p) + float(point.y[s]) * (1 - 1 / p)


CHECKS: dict[str, Callable[[Any, _Beside], bool | None]] = {
    "unknowns": _unknowns,
    "teacher_blocks": _teacher_blocks,
    "student_blocks": _student_blocks,
    "overlaps.R": _R,
    "overlaps.Q": _Q,
    "anti_aligned": _anti_aligned,
}
