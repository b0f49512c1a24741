"""The structure of whole weights, read off them, and the fixed point of it beside them.

Most ends of random starts are symmetric. Newton's method and the spectrum are then a matter of a
few small matrices, where dense ones of K M rows cost (K M)^3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from relu_landscape.engine.families.effort import effort
from relu_landscape.engine.families.layout import Array, layout
from relu_landscape.engine.families.network import at_rest
from relu_landscape.engine.families.points import Point, embed, from_values, rebased, stacked
from relu_landscape.engine.families.solver import refine
from relu_landscape.engine.families.structures import Structure
from relu_landscape.engine.model.teacher import Teacher
from relu_landscape.engine.points import classify, symmetry
from relu_landscape.engine.points.symmetry import Symmetry

#: Structures with more unknowns are left to dense matrices, which are hardly larger.
MOST_UNKNOWNS = 100
#: The symmetric point counts as the one beside the weights where it is nearer than this share of
#: the smallest eigenvalue, in absolute value, times the square of the shortest student, if it is
#: shorter than a teacher. The Hessian changes by a few units per unit of distance, and like 1/w^2
#: with a short student w; so no eigenvalue is zero on the way, and no other fixed point is there.
NEAR = 0.01


@dataclass(frozen=True)
class Placed:
    """A point, and which students and teachers of the weights are its own, in its order."""

    point: Point
    students: list[int]
    teachers: list[int]


def beside(W: Array, teacher: Teacher) -> classify.Point | None:
    """The fixed point beside ``W`` (K, M), with every eigenvalue, where its symmetry gives it.

    ``teacher``: orthonormal. Labels stay those of ``W``. None where W shows no structure, or the
    fixed point of that structure is not surely the one that Newton's method would find among all
    weights: then that has to say.
    """
    norms = np.linalg.norm(W, axis=1)
    if not (np.all(np.isfinite(W)) and np.all(norms > 0.0)):
        return None
    placed = recognised(W, norms, teacher)
    if placed is None:
        return None
    table = layout(placed.point.structure)
    deviations, signs = stacked([placed.point])
    with np.errstate(all="ignore"):
        polished, _ = refine(table, deviations, signs)
    found = at_rest(rebased(table, polished[0], signs[0]), teacher)
    if found is None:
        return None
    there = np.empty_like(W)
    there[np.ix_(placed.students, placed.teachers)] = found.W
    moved = float(np.linalg.norm(there - W))
    shortest = min(1.0, float(norms.min()))
    if moved > NEAR * float(np.abs(found.span).min()) * shortest**2:
        return None
    return replace(found, W=there, moved=moved)


def recognised(W: Array, norms: Array, teacher: Teacher) -> Placed | None:
    """The structure of ``W`` (K, M), students of these norms (K,), and the point nearest to it.

    None where the symmetry is no structure's, or is of too many unknowns.
    """
    seen = symmetry.analyse(W, norms, teacher.norms)
    structure, order = _structure(seen, teacher.leak)
    if structure is None or effort(structure).unknowns > MOST_UNKNOWNS:
        return None
    students, teachers = [seen.students[i] for i in order], list(seen.teachers)
    ordered = W[np.ix_(students, teachers)]
    point = _mean(structure, ordered)
    if np.abs(embed(point) - ordered).max() > symmetry.SAME_ENTRY:
        return None
    return Placed(point, students, teachers)


def _structure(seen: Symmetry, leak: float) -> tuple[Structure | None, list[int]]:
    """The structure that has this symmetry, and its students as positions in canonical order."""
    if not seen.is_product:
        return None, []
    orbits = list(zip(seen.student_orbits, seen.natural, strict=True))
    extra = [orbit for orbit, block in orbits if block is None]
    on = [[o for o, block in orbits if block == t] for t in range(len(seen.teacher_orbits))]
    order = [i for listed in (*on, extra) for orbit in listed for i in orbit]
    sizes = tuple(len(orbit) for orbit in seen.teacher_orbits)
    return Structure(sizes, tuple(map(len, on)), len(extra), leak), order


def _mean(structure: Structure, W: Array) -> Point:
    """The point of the structure nearest to ``W`` (K, M), whose units are in its order."""
    table = layout(structure)
    z = np.empty(table.unknowns)
    rows, columns = (np.cumsum([0, *sizes]).astype(int) for sizes in (table.q, table.p))
    for s, own in enumerate(table.own):
        for t, p in enumerate(table.p):
            block = W[rows[s] : rows[s + 1], columns[t] : columns[t + 1]]
            z[table.x(s, t)] = block.mean() * math.sqrt(p)
            if t == own:
                same = float(np.trace(block))
                z[table.y(s)] = same / p - (float(block.sum()) - same) / (p * (p - 1))
    return from_values(table, z)
