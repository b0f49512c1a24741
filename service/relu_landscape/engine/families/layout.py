"""Coordinates of the space that a structure fixes, and the table of its pairs of units.

Unknowns are ``x_{s,t}`` for every student block ``s`` and teacher block ``t``, and ``y_s`` for
every natural student block on a teacher block larger than one. With ``u_t = 1_t / sqrt(p_t)`` and
``eps_r = e_r - 1_t / p_t`` the student ``r`` of block ``s`` has the weights

    w_{s,r} = sum_t x_{s,t} u_t + y_s eps_r .

Points are stored as *deviations* from a base configuration that is known exactly: natural students
have ``x = 1 / sqrt(p)`` on their own block and ``y = +1`` (aligned, the identity) or ``-1``
(anti-aligned, ``-I + (2/p) J``), all else is zero. At large widths the norms, overlaps and sums of
a critical point differ from the base's by 1/p, and the loss needs those differences to full
relative accuracy; unknowns stored as they are would have lost them.

Every inner product is a polynomial of degree two in the deviations, exactly: its value at the base
(``gamma0 = constant + sign_factor * sign * sign'``) plus ``(base + d/2) . G d``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.families.structures import Structure
from relu_landscape.engine.model import activation

Array = NDArray[np.float64]
Integers = NDArray[np.intp]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Layout:
    """Everything about a structure that does not depend on the point.

    ``n`` student blocks, ``B`` teacher blocks, ``c`` natural student blocks (p > 1),
    ``m = n B + c`` unknowns, ``P`` classes of student pairs followed by ``E`` classes of
    student-teacher pairs.
    """

    structure: Structure
    p: Array  # (B,) teacher block sizes
    q: Array  # (n,) student block sizes
    own: tuple[int | None, ...]  # (n,) teacher block of a natural student block
    natural: Integers  # (c,) student blocks that are natural
    paired: Flags  # (n,) whether the block is the first one listed with its teacher block
    scale: Array  # (m,) orthonormal coordinate = scale * unknown
    norm_form: Array  # (n, m) diagonals of E_s: |w_s|^2 = sum_k E_sk z_k^2
    is_natural: Flags  # (n,)
    has_pair: Flags  # (B,) whether any student block is listed with it
    base_sums: Array  # (B,) S_t at the base
    base_x: Array  # (m,) base value of x; y has the sign itself
    sums: Array  # (B, m) gradient of S_t = sum_s q_s x_{s,t} - sqrt(p_t)
    first: Integers  # (P + E,) student block i of the pair
    second: Integers  # (P,) student block j
    of_first: Array  # (P + E, n) 1 where the student block is i
    of_second: Array  # (P, n) 1 where it is j
    crossing: Array  # (P, n * n) 1 at (i, j), plus 1 at (j, i)
    weight: Array  # (P + E,) multiplicity; negative for student-teacher pairs
    forms: Array  # (P, m, m) symmetric G with gamma = z G z / 2
    lines: Array  # (E, m) gamma = line . z
    constant: Array  # (P + E,) gamma0 = constant + sign_factor * sign_i (* sign_j)
    sign_factor: Array  # (P + E,)
    matches: tuple[tuple[int, int, int], ...]  # paired block, its teacher block, their pair class
    pairs: dict[tuple[Any, ...], int]  # ("ss"|"st", s, s' or t, relation) -> pair

    @property
    def level(self) -> float:
        """``activation.level``: half of it is the weight of S_t^2 in the loss."""
        return activation.level(self.structure.leak)

    @property
    def unknowns(self) -> int:
        return len(self.scale)

    def x(self, s: int, t: int) -> int:
        """Position of ``x_{s,t}``."""
        return s * len(self.p) + t

    def y(self, s: int) -> int:
        """Position of ``y_s`` for a natural block."""
        return len(self.q) * len(self.p) + int(np.searchsorted(self.natural, s))


class _Table:
    """Collects the pair classes."""

    def __init__(self) -> None:
        self.first: list[int] = []
        self.second: list[int] = []
        self.weight: list[float] = []
        self.constant: list[float] = []
        self.sign_factor: list[float] = []
        self.forms: list[Array] = []
        self.lines: list[Array] = []
        self.pairs: dict[tuple[Any, ...], int] = {}

    def add(
        self, key: tuple[Any, ...], weight: float, form: Array, constant: float, factor: float
    ) -> None:
        self.pairs[key] = len(self.first)
        self.first.append(key[1])
        if key[0] == "ss":
            self.second.append(key[2])
            self.forms.append(form)
        else:
            self.lines.append(form)
        self.weight.append(weight)
        self.constant.append(constant)
        self.sign_factor.append(factor)


def layout(structure: Structure) -> Layout:
    """The coordinates and pair table of ``structure``."""
    p = np.array([float(size) for size in structure.sizes])
    students = structure.students
    q = np.array([float(block.size) for block in students])
    own = tuple(block.teacher_block for block in students)
    natural = [s for s, t in enumerate(own) if t is not None]
    n, m = len(q), len(q) * len(p) + len(natural)
    table = _Table()
    _student_pairs(table, p, q, own, natural)
    _teacher_pairs(table, p, q, own, natural)
    listed = [block.listed_with for block in students]
    paired = np.array([t is not None and t not in listed[:s] for s, t in enumerate(listed)])
    matches = tuple(
        (s, t, table.pairs["st", s, t, "apart" if own[s] is None else "same"])
        for s, t in enumerate(listed)
        if t is not None and paired[s]
    )
    scale, norm_form, base_x, sums = _coordinates(p, q, own)
    first, second = (np.array(side, dtype=np.intp) for side in (table.first, table.second))
    P = len(second)
    crossing = np.einsum("pi,pj->pij", np.eye(n)[first[:P]], np.eye(n)[second])
    return Layout(
        structure=structure,
        p=p,
        q=q,
        own=own,
        natural=np.array(natural, dtype=np.intp),
        paired=paired,
        is_natural=np.array([t is not None for t in own]),
        has_pair=np.array([t in listed for t in range(len(p))]),
        scale=scale,
        norm_form=norm_form,
        base_x=base_x,
        sums=sums,
        # natural students at the base sum to sqrt(p) on their block: 0 where one block of them is
        base_sums=np.sqrt(p) * np.array([own.count(t) - 1.0 for t in range(len(p))]),
        first=first,
        second=second,
        of_first=np.eye(n)[first],
        of_second=np.eye(n)[second],
        crossing=(crossing + np.swapaxes(crossing, 1, 2)).reshape(P, n * n),
        weight=np.array(table.weight),
        forms=np.array(table.forms).reshape(P, m, m),
        lines=np.array(table.lines).reshape(len(table.lines), m),
        constant=np.array(table.constant),
        sign_factor=np.array(table.sign_factor),
        matches=matches,
        pairs=table.pairs,
    )


def _coordinates(
    p: Array, q: Array, own: tuple[int | None, ...]
) -> tuple[Array, Array, Array, Array]:
    """Scales, norm forms, base and the gradients of the sums."""
    n, blocks = len(q), len(p)
    m = n * blocks + sum(t is not None for t in own)
    scale, base_x = np.empty(m), np.zeros(m)
    norm_form, sums = np.zeros((n, m)), np.zeros((blocks, m))
    y = n * blocks
    for s, t in enumerate(own):
        row = slice(s * blocks, (s + 1) * blocks)
        scale[row] = math.sqrt(q[s])
        norm_form[s, row] = 1.0
        sums[np.arange(blocks), s * blocks + np.arange(blocks)] = q[s]
        if t is not None:
            scale[y] = math.sqrt(p[t] - 1)
            norm_form[s, y] = 1 - 1 / p[t]
            base_x[s * blocks + t] = 1 / math.sqrt(p[t])
            y += 1
    return scale, norm_form, base_x, sums


def _student_pairs(
    table: _Table, p: Array, q: Array, own: tuple[int | None, ...], natural: list[int]
) -> None:
    n, blocks = len(q), len(p)
    m = n * blocks + len(natural)

    def form(s: int, other: int, ys: float) -> Array:
        G = np.zeros((m, m))
        for t in range(blocks):
            G[s * blocks + t, other * blocks + t] += 1.0
            G[other * blocks + t, s * blocks + t] += 1.0
        if ys:
            i, j = n * blocks + natural.index(s), n * blocks + natural.index(other)
            G[i, j] += ys
            G[j, i] += ys
        return G

    for s in range(n):
        t = own[s]
        if t is not None:
            inverse = 1 / p[t]
            count = p[t] * (p[t] - 1) / 2
            table.add(("ss", s, s, "off"), count, form(s, s, -inverse), inverse, -inverse)
        for other in range(s + 1, n):
            if t is None or own[other] != t:
                table.add(("ss", s, other, "apart"), q[s] * q[other], form(s, other, 0), 0, 0)
                continue
            key = ("ss", s, other)
            table.add((*key, "off"), 2 * count, form(s, other, -inverse), inverse, -inverse)
            table.add((*key, "same"), p[t], form(s, other, 1 - inverse), inverse, 1 - inverse)


def _teacher_pairs(
    table: _Table, p: Array, q: Array, own: tuple[int | None, ...], natural: list[int]
) -> None:
    n, blocks = len(q), len(p)
    m = n * blocks + len(natural)
    for s in range(n):
        for t in range(blocks):
            root = 1 / math.sqrt(p[t])
            line = np.zeros(m)
            line[s * blocks + t] = root
            if own[s] != t:
                table.add(("st", s, t, "apart"), -q[s] * p[t], line, 0, 0)
                continue
            y = n * blocks + natural.index(s)
            off, same = line.copy(), line.copy()
            off[y], same[y] = -1 / p[t], 1 - 1 / p[t]
            table.add(("st", s, t, "off"), -p[t] * (p[t] - 1), off, 1 / p[t], -1 / p[t])
            table.add(("st", s, t, "same"), -p[t], same, 1 / p[t], 1 - 1 / p[t])
