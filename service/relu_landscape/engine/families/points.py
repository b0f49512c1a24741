"""Points of a structure: stored, sent, and embedded into whole weight matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from relu_landscape.engine.families.layout import Array, Layout, layout
from relu_landscape.engine.families.reduced import unknowns
from relu_landscape.engine.families.structures import Structure, parse
from relu_landscape.errors import InputError
from relu_landscape.wire.families import FamilyPoint


@dataclass(frozen=True)
class Point:
    """A point of ``structure``: deviations (m,) from the base with these signs, see ``layout``."""

    structure: Structure
    signs: tuple[int, ...]
    deviations: Array

    def to_wire(self) -> FamilyPoint:
        """The point as it is answered; ``from_wire`` gives the same doubles back."""
        return FamilyPoint(
            structure=self.structure.name,
            signs=list(self.signs),
            deviations=[float(value) for value in self.deviations],
            leak=self.structure.leak,
        )

    @staticmethod
    def from_wire(sent: FamilyPoint) -> Point:
        """Read what ``to_wire`` wrote; ``InputError`` where the lengths do not fit."""
        structure = parse(sent.structure, leak=sent.leak)
        table = layout(structure)
        deviations = np.array(sent.deviations, dtype=np.float64)
        if deviations.shape != (table.unknowns,) or len(sent.signs) != len(table.natural):
            raise InputError(f"These are not the coordinates of a point of {structure.name!r}.")
        return Point(structure, tuple(sent.signs), deviations)


def values(table: Layout, point: Point) -> Array:
    """The unknowns x and y of a point, (m,)."""
    signs = np.array(point.signs, dtype=np.float64).reshape(1, -1)
    return np.asarray(unknowns(table, point.deviations[None], signs)[0])


def from_values(table: Layout, z: Array, *, lead: Array | None = None) -> Point:
    """The point with unknowns ``z`` (m,); the base takes the signs of ``y`` (or of ``lead``)."""
    y = z[len(z) - len(table.natural) :] if lead is None else lead
    signs = np.where(y < 0, -1, 1)
    base = table.base_x.copy()
    if len(signs):
        base[len(base) - len(signs) :] = signs
    return Point(table.structure, tuple(int(sign) for sign in signs), z - base)


def rebased(table: Layout, deviations: Array, signs: Array) -> Point:
    """The point with deviations (m,) from the base of ``signs`` (c,), stored from its own base.

    Nothing is rounded unless a ``y`` has changed its sign on the way.
    """
    point = Point(table.structure, tuple(int(sign) for sign in signs), deviations)
    y = values(table, point)[len(deviations) - len(signs) :]
    if np.all((y < 0) == (signs < 0)):
        return point
    return from_values(table, values(table, point))


def stacked(points: Sequence[Point]) -> tuple[Array, Array]:
    """Deviations (S, m) and signs (S, c) of points of one structure, as a batch."""
    signs = np.array([point.signs for point in points], dtype=np.float64)
    return np.array([point.deviations for point in points]), signs.reshape(len(points), -1)


def embed(point: Point) -> Array:
    """The weights W (K, M) of a point: students and teachers in the structure's order of blocks.

    Raises ``InputError`` where block sizes are not integers.
    """
    structure = point.structure
    if not structure.is_integral:
        raise InputError(f"{structure.name!r} has blocks of fractional size: no network has them.")
    table = layout(structure)
    z = values(table, point)
    teachers = _slices(table.p)
    students = _slices(table.q)
    W = np.zeros((int(table.q.sum()), int(table.p.sum())))
    for s, rows in enumerate(students):
        for t, columns in enumerate(teachers):
            W[rows, columns] = z[table.x(s, t)] / math.sqrt(table.p[t])
        own = table.own[s]
        if own is not None:
            size = int(table.p[own])
            W[rows, teachers[own]] += z[table.y(s)] * (np.eye(size) - 1 / size)
    return W


def _slices(sizes: Array) -> list[slice]:
    ends = np.cumsum(sizes).astype(int)
    return [slice(int(end) - int(size), int(end)) for size, end in zip(sizes, ends, strict=True)]
